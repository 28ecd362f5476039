"""The Dataset tab as a visitor uses it: choosing, adding, rows, one row, on the real page; contents stay text."""

import json
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from visiting import Studio

pytestmark = pytest.mark.browser
MODEL = Path(__file__).parents[1] / "golden" / "bytes"
EVIL = "<img src=x onerror=alert(1)> & ${7*7} {{x}}"
NUM_ROWS = 130


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A studio with a set of our own, looked at through a small tokenizer."""
    home = tmp_path_factory.mktemp("dataset")
    (home / "data").mkdir()
    rows = [{"instruction": f"question {n}", "input": "", "output": f"answer {n}"} for n in range(1, NUM_ROWS + 1)]
    rows[2] |= {"instruction": EVIL, "output": EVIL}
    rows[4]["output"] = ""
    (home / "data" / "mine.json").write_text(json.dumps(rows))
    (home / "data" / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "mine.json"}}))
    studio = Studio(home, only="dataset")
    yield studio
    studio.stop()


def open_tab(visitor, place, query="", language="en"):
    """The Dataset tab with its list, seen through the small tokenizer."""
    visitor.keep(place, "studio-draft-dataset-lens", {"model_name_or_path": str(MODEL), "template": "chatml"})
    page = visitor.page
    page.goto(f"{place.url}/{language}/?tab=dataset{query}")
    page.wait_for_selector("#shelf [data-set=mine]")
    return page


def table(page):
    """The rows that are shown, by number."""
    return [int(text) for text in page.locator("#rows tbody .ds-open").all_inner_texts()]


def asked(page):
    """The address: what stands behind the question mark."""
    return {key: values[0] for key, values in parse_qs(urlsplit(page.url).query).items()}


def wait_rows(page, *numbers):
    page.wait_for_function("(wanted) => JSON.stringify([...document.querySelectorAll('#rows tbody .ds-open')]"
                           ".slice(0, wanted.length).map((one) => Number(one.textContent))) === JSON.stringify(wanted)",
                           arg=list(numbers))  # fmt: skip


def drop(page, name, text):
    """Drop a file on the place for it."""
    files = page.evaluate_handle("""([name, text]) => {
        const carried = new DataTransfer();
        carried.items.add(new File([text], name));
        return carried;
    }""", [name, text])
    page.dispatch_event("#adding [data-part=drop]", "drop", {"dataTransfer": files})


def way(page, name):
    page.click(f"#row-view [data-way={name}]")


def test_a_set_is_chosen_paged_searched_and_left_by_the_back_button(place, visit):
    visitor = visit()
    page = open_tab(visitor, place)
    page.wait_for_selector("#chosen-set [data-part=none]:not([hidden])")
    page.fill("#shelf [data-part=search]", "mine")
    assert page.locator("#shelf [data-set]").count() == 1
    page.click("#shelf [data-set=mine]")
    wait_rows(page, 1, 2, 3)
    assert asked(page)["set"] == "mine" and "130" in page.inner_text("#rows [data-part=range]")
    page.click("#rows [data-go=after]")
    wait_rows(page, 51, 52)
    page.fill("#rows [data-part=text]", "QUESTION 12")
    wait_rows(page, 12, 120, 121)
    assert page.inner_text("#rows tbody mark >> nth=0") == "question 12"
    page.fill("#rows [data-part=text]", "")
    page.select_option("#rows [data-part=problem]", "only")
    wait_rows(page, 5)
    assert "output" in page.inner_text("#rows .ds-why")
    page.evaluate("studio.sets.showRows([7, 9], 'These two')")
    wait_rows(page, 7, 9)
    page.click("#rows [data-part=clear]")
    wait_rows(page, 1, 2)
    page.fill("#shelf [data-part=search]", "chat_demo")
    page.click("#shelf [data-set=chat_demo]")
    page.wait_for_selector("#rows thead >> text=conversations")
    page.go_back()
    page.wait_for_selector("#rows thead >> text=instruction")
    assert page.inner_text("#chosen-set h2[data-part=name]") == "mine"
    assert not visitor.errors and not visitor.foreign()


def test_a_row_is_seen_in_four_ways_and_its_contents_are_text(place, visit):
    visitor = visit()
    folder = place.home / "data"
    page = open_tab(visitor, place, f"&set=mine&row=3&dir={folder}")
    page.wait_for_selector("#row-view .ds-turn[data-role=assistant]")
    assert page.locator("#row-view .ds-turn p").all_inner_texts() == [EVIL, EVIL]
    way(page, "tokens")
    page.wait_for_selector("#row-view .ds-run.ds-learned")
    learned = page.locator("#row-view .ds-run.ds-learned .ds-token").all_inner_texts()
    assert "".join(learned).startswith(EVIL) and "<|im_end|>" in "".join(learned)
    assert page.inner_text("#row-view .ds-run.ds-learned .only-read").startswith("learned")
    page.hover("#row-view .ds-run.ds-learned .ds-token >> nth=0")
    assert page.inner_text("#row-view [data-part=hover]").startswith("id ")
    page.click("#chosen-set summary")
    page.fill("[data-lens=cutoff_len]", "20")
    page.press("[data-lens=cutoff_len]", "Tab")
    page.wait_for_selector("#row-view .ds-run.ds-dropped")
    assert "length of 20" in page.inner_text("#row-view [data-part=counts]")
    way(page, "rendered")
    assert page.inner_text("#row-view pre").startswith("<|im_start|>")
    way(page, "raw")
    assert json.loads(page.inner_text("#row-view pre"))["output"] == EVIL
    assert page.locator("#rows img, #row-view img").count() == 0
    page.locator("#row-view h2").click()
    page.keyboard.press("j")
    page.wait_for_selector("#row-view h2 >> text=Row 4")
    page.keyboard.press("j")
    page.wait_for_selector("#row-view [data-part=problem]:not([hidden])")
    assert asked(page)["row"] == "5"
    page.keyboard.press("Escape")
    page.wait_for_selector("#row-view [data-part=root]", state="hidden")
    assert "row" not in asked(page) and not visitor.errors
    assert str(folder) in unquote(page.get_attribute("#chosen-set [data-part=train]", "href"))


def test_on_a_narrow_page_the_row_that_is_opened_comes_into_sight(place, visit):
    visitor = visit(locale="zh-CN", width=390)
    page = open_tab(visitor, place, "&set=mine", "zh")
    for press in ("#rows tbody [data-row='4'] td >> nth=0", "#row-view [data-step='1']"):
        page.click(press)
        number = 4 if "tbody" in press else 5
        page.wait_for_selector(f"#row-view h2 >> text=第 {number} 行")
        page.wait_for_function("""() => {
            const { top, bottom } = document.querySelector('#row-view h2').getBoundingClientRect();
            return top >= 0 && bottom < innerHeight - 100;
        }""")
    page.wait_for_selector("#row-view [data-part=problem] >> visible=true")
    style = "getComputedStyle(document.querySelector('#row-view [data-part=problem]'), '::first-letter').textTransform"
    assert page.evaluate(style) == "none", "the name of a column stays as it is"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth") and not visitor.errors


def test_a_file_is_dropped_its_columns_mapped_and_the_set_removed(place, visit):
    visitor = visit()
    page = open_tab(visitor, place)
    lines = "".join(json.dumps({"q": f"{EVIL} {n}", "a": f"yes {n}"}) + "\n" for n in range(5))
    drop(page, "odd.jsonl", lines)
    page.wait_for_selector("#adding dialog[open]")
    assert page.is_visible("#adding [data-part=guess]") and page.input_value("#adding [data-part=as]") == "odd"
    page.select_option("#adding [data-column=prompt]", "q")
    page.select_option("#adding [data-column=response]", "a")
    page.wait_for_selector("#adding .ds-turn[data-role=assistant]")
    assert page.locator("#adding .ds-turn p").first.inner_text() == f"{EVIL} 0"
    page.fill("#adding [data-part=as]", "mine")
    page.click("#adding [data-part=add]")
    page.wait_for_selector("#adding [data-part=dialog-error]:not([hidden])")
    page.fill("#adding [data-part=as]", "from upload")
    page.click("#adding [data-part=add]")
    page.wait_for_selector("#adding dialog[open]", state="hidden")
    wait_rows(page, 1, 2, 3, 4, 5)
    assert asked(page)["set"] == "from upload"
    assert not list((place.home / "cache" / "uploads").iterdir())
    fill = json.loads(parse_qs(urlsplit(page.get_attribute("#chosen-set [data-part=train]", "href")).query)["fill"][0])
    assert fill == {"dataset": ["from upload"], "stage": "sft"}
    page.click("#chosen-set [data-part=remove]")
    page.click("dialog.question .strong")
    page.wait_for_selector("#shelf [data-set='from upload']", state="detached")
    assert "set" not in asked(page) and not visitor.errors


def test_what_cannot_be_added_is_said_with_its_place(place, visit):
    page = open_tab(visit(locale="zh-CN", width=390), place, language="zh")
    known = (place.home / "data" / "dataset_info.json").read_text()
    broken = {"name": "cut.json", "mimeType": "application/json", "buffer": b'[{"instruction": "a"},\n{"output'}
    page.set_input_files("#adding [data-part=file]", broken)
    page.wait_for_selector("#adding [data-part=error]:not([hidden])")
    assert "2" in page.inner_text("#adding [data-part=error]")
    page.fill("#adding [data-part=path]", "/no/such/file.json")
    page.press("#adding [data-part=path]", "Enter")
    page.wait_for_selector("#adding [data-part=error] >> text=such/file.json")
    page.fill("#adding [data-part=hub-id]", "poems")
    page.click("#adding [data-part=find]")
    page.wait_for_selector("#adding [data-part=error] >> text=Hugging Face")
    assert (place.home / "data" / "dataset_info.json").read_text() == known
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_set_is_added_by_its_path_and_by_the_id_of_a_hub(place, visit, tmp_path):
    visitor = visit()
    page = open_tab(visitor, place)
    (tmp_path / "table.csv").write_text("question,answer\n你好,hello\n")
    page.fill("#adding [data-part=path]", str(tmp_path / "table.csv"))
    page.press("#adding [data-part=path]", "Enter")
    page.wait_for_selector("#adding .ds-turn >> text=你好")
    page.click("#adding [data-part=add]")
    page.wait_for_selector("#rows tbody >> text=你好")
    page.fill("#adding [data-part=hub-id]", "somebody/poems")
    page.select_option("#adding [data-part=hub]", "ms")
    page.press("#adding [data-part=hub-id]", "Enter")
    page.wait_for_selector("#adding dialog[open]")
    page.click("#adding [data-part=add]")
    page.wait_for_selector("#chosen-set [data-part=bring] >> visible=true")
    page.wait_for_selector("#shelf [data-set=poems][data-kind=hub]")
    page.wait_for_selector("#rows [data-part=absent] >> visible=true")
    assert asked(page)["set"] == "poems"
    entries = json.loads((place.home / "data" / "dataset_info.json").read_text())
    assert entries["poems"] == {"ms_hub_url": "somebody/poems"} and entries["table"]["columns"]["prompt"] == "question"
    assert not visitor.errors


def test_a_model_can_be_asked_for_again_once_its_run_has_ended(place, visit):
    page = open_tab(visit(), place, "&set=mine&row=1")
    page.wait_for_selector("#row-view [data-part=seen] >> text=question 1")
    page.evaluate("""() => {
        studio.lens = { ...studio.lens, model_name_or_path: 'builtin/starter', template: '' };
        studio.sets.bringModel = async () => ({ run: 'builds/gone' });
        window.dispatchEvent(new CustomEvent('studio:lens', { detail: studio.lens }));
    }""")
    page.click("#row-view [data-part=bring]")
    page.wait_for_selector("#row-view [data-part=run][href='?run=builds/gone'] >> visible=true")
    page.wait_for_selector("#row-view [data-part=bring] >> visible=true")
