"""Lengths, doctor, make, generate and text-to-SQL as a visitor uses them; what rows hold stays text."""

import json
import sqlite3
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from dataset_tools import EVIL, NUM_ROWS, effect, open_tool, rows_of, show_tool, there, wait_exact, write_sets
from visiting import Studio
from writing_rows import RowsEndpoint

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A studio with sets of our own."""
    home = tmp_path_factory.mktemp("tools")
    (home / "data").mkdir()
    write_sets(home / "data")
    studio = Studio(home, only="dataset")
    yield studio
    studio.stop()


def test_lengths_are_measured_and_a_cutoff_len_goes_to_train(place, visit):
    visitor = visit()
    page = open_tool(visitor, place, "lengths")
    page.click("#lengths [data-part=measure]")
    there(page, "#lengths [data-part=report]")
    assert page.inner_text("#lengths [data-part=facts] li:first-child b") == str(NUM_ROWS)
    assert effect(page)["Rows cut off"].startswith("0 ")
    page.wait_for_selector("#lengths .plotly .shapelayer path", state="attached")
    suggested = page.inner_text("#lengths [data-part=suggested]")
    page.click("#lengths [data-part=suggested]")
    assert suggested == f"Take {page.input_value('#lengths [data-part=cutoff]')}"
    page.fill("#lengths [data-part=cutoff]", "100")
    assert not effect(page)["Rows cut off"].startswith("0 "), "at once, from the histogram"
    wait_exact(page)
    cut = effect(page)
    assert int(cut["Rows cut off"].split()[0]) > 20 and cut["Padding, rows packed together"].endswith("%")
    assert not visitor.errors  # a reload cuts off what is asked at that moment
    page.reload()
    show_tool(page, "lengths")
    there(page, "#lengths [data-part=report]")
    assert effect(page) == cut and page.input_value("#lengths [data-part=cutoff]") == "100"
    address = page.get_attribute("#lengths [data-part=train]", "href")
    filled = json.loads(parse_qs(urlsplit(address).query)["fill"][0])
    assert filled["cutoff_len"] == 100 and filled["dataset"] == ["mine"] and filled["template"] == "chatml"
    a_model_that_is_not_here_can_be_made_ready(page)
    assert not visitor.foreign()


def a_model_that_is_not_here_can_be_made_ready(page):
    page.evaluate("studio.lens = { ...studio.lens, model_name_or_path: 'builtin/starter', template: '' }")
    page.click("#lengths [data-part=measure]")
    there(page, "#lengths [data-part=bring-line]")
    assert page.inner_text("#lengths [data-errand=measure] [data-part=failed]")
    assert page.is_hidden("#lengths [data-part=report]")


def test_the_line_of_the_histogram_can_be_moved(place, visit):
    page = open_tool(visit(), place, "lengths", "other")
    page.click("#lengths [data-part=measure]")
    line = there(page, "#lengths [data-part=report]").locator(".shapelayer path").last
    line.wait_for(state="attached")
    page.locator("#lengths [data-part=plot]").scroll_into_view_if_needed()
    page.wait_for_timeout(300)  # the plot takes its width
    box = line.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = int(page.input_value("#lengths [data-part=cutoff]"))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 200, y, steps=4)
    page.mouse.up()
    page.wait_for_function("(before) => Number(document.querySelector('#lengths [data-part=cutoff]')?.value) < before",
                           arg=before)  # fmt: skip
    wait_exact(page)
    second = open_tool(visit(), place, "lengths", "other")
    there(second, "#lengths [data-part=report]")
    second.fill("#lengths [data-part=cutoff]", "20")
    wait_exact(second)
    show_tool(page, "doctor")
    show_tool(page, "lengths")  # it asks anew, and does not hold on to its own line against the other page
    page.wait_for_function("document.querySelector('#lengths [data-part=cutoff]')?.value === '20'")
    assert page.is_hidden("#lengths [data-errand=measure] [data-part=at-work]")
    page.click("#lengths [data-part=effect] tr:first-child button")
    page.wait_for_function("document.querySelectorAll('#rows tbody .ds-open').length === 20")


def test_the_doctor_shows_rows_and_writes_a_set_without_them(place, visit):
    visitor = visit()
    page = open_tool(visitor, place, "doctor")
    page.select_option("#doctor [data-part=against]", "other")
    page.click("#doctor [data-part=examine]")
    there(page, "#doctor [data-part=report]")
    codes = page.eval_on_selector_all("#doctor [data-code]", "(found) => found.map((one) => one.dataset.code)")
    assert codes.index("empty") < codes.index("duplicate") and "placeholders" in codes
    assert page.locator("#doctor img").count() == 0
    page.click("#doctor [data-code=duplicate] .tool-numbers button >> nth=0")
    page.wait_for_function("document.querySelectorAll('#rows tbody .ds-open').length === 1")
    assert page.inner_text("#rows tbody .ds-open") == "10"
    show_tool(page, "doctor")
    page.click("#doctor [data-code=empty] button:text('Fix this')")
    page.fill("dialog.question input", "without_empty")
    page.click("dialog.question [value=yes]")
    there(page, "#doctor [data-part=made]")
    assert len(rows_of(place, "without_empty")) == NUM_ROWS - 1
    assert len(json.loads((place.home / "data" / "mine.json").read_text())) == NUM_ROWS, "the set stays as it is"
    page.fill("#doctor [data-name=who]", EVIL)
    page.click("#doctor [data-part=fixing] [type=submit]")
    page.click("#doctor [data-part=made] [data-set=mine_clean]")
    page.wait_for_function("studio.dataset.name === 'mine_clean'")
    cleaned = rows_of(place, "mine_clean")
    assert len(cleaned) == NUM_ROWS - 2 and any(EVIL in row["output"] for row in cleaned)
    assert "set=mine_clean" in page.url and not visitor.errors and not visitor.foreign()


def test_long_work_is_stopped_and_nothing_is_blocked_meanwhile(place, visit):
    page = open_tool(visit(), place, "doctor", "many")
    page.click("#doctor [data-part=examine]")
    there(page, "#doctor [data-errand=examine] [data-part=at-work]")
    page.wait_for_selector("#doctor [data-errand=examine] [aria-valuenow]")
    assert page.is_disabled("#doctor [data-part=examine]")
    page.click("#doctor [data-errand=examine] [data-part=stop]")
    there(page, "#doctor [data-errand=examine] [data-part=ended]")
    assert page.is_enabled("#doctor [data-part=examine]") and page.is_hidden("#doctor [data-part=report]")


def test_sets_are_made_and_what_would_come_out_is_shown(place, visit):
    visitor = visit()
    page = open_tool(visitor, place, "make", "other")
    part = "#making [data-part={}]".format
    page.wait_for_function("document.querySelector('#making [data-size=\"0\"]')?.textContent === '16'")
    page.locator("#making [data-part=parts] input[type=number]").nth(0).fill("95")
    assert page.is_disabled(part("do")) and "100 %" in page.inner_text(part("left"))
    page.locator("#making [data-part=parts] input[type=number]").nth(0).fill("62.5")
    assert "4 of 20" in page.inner_text(part("left")), "halves are rounded as the server rounds them"
    page.click(part("do"))
    there(page, part("made"))
    assert [len(rows_of(place, f"other_{name}")) for name in ("train", "val", "test")] == [12, 2, 2]
    page.click("#making [data-way=merge]")
    page.select_option(part("others"), "mine")
    page.click(part("add-set"))
    page.locator("#making [data-part=sources] input").nth(1).fill("3")
    assert "80 rows" in page.inner_text(part("preview"))
    page.fill(part("new-name"), "merged")
    page.click(part("do"))
    page.wait_for_selector("#making [data-part=made] [data-set=merged]")
    assert len(rows_of(place, "merged")) == 80
    page.fill(part("new-name"), "merged")
    page.click(part("do"))
    there(page, "#making [data-errand=make] [data-part=failed]")
    assert "merged" in page.inner_text("#making [data-errand=make] [data-part=failed]"), "a name that is taken is said"
    page.click("#making [data-way=export]")
    page.select_option(part("kind"), "csv")
    page.click(part("do"))
    with page.expect_download() as waited:
        page.click("#making [data-part=made] a[download]")
    assert waited.value.suggested_filename == "other.csv"
    assert Path(waited.value.path()).read_text("utf-8-sig").startswith("instruction,input,output")
    page.wait_for_selector("#shelf [data-set=merged]")
    assert not visitor.errors and not visitor.foreign()


def test_rows_are_sampled_shuffled_and_converted(place, visit):
    visitor = visit()
    page = open_tool(visitor, place, "make")
    part = "#making [data-part={}]".format
    page.wait_for_function("document.querySelector('#making [data-size=\"0\"]')?.textContent === '48'")
    page.locator(f"{part('parts')} input[type=number]").nth(0).fill("95")
    assert page.is_disabled(part("do"))
    page.click("#making [data-way=sample]")
    assert page.is_enabled(part("do")), "what is too much for a split keeps nothing else from being made"
    page.fill(part("count"), "7")
    assert page.inner_text(part("preview")) == "7 of 60 rows."
    page.click(part("do"))
    page.wait_for_selector(f"{part('made')} [data-set=mine_sample]")
    page.wait_for_function("document.querySelector('#making [data-part=new-name]').value === 'mine_sample_2'")
    mine = json.loads((place.home / "data" / "mine.json").read_text())
    drawn = rows_of(place, "mine_sample")
    assert len(drawn) == 7 and all(row in mine for row in drawn)
    page.click("#making [data-way=shuffle]")
    page.click(part("do"))
    page.wait_for_selector(f"{part('made')} [data-set=mine_shuffled]")
    shuffled = rows_of(place, "mine_shuffled")
    assert shuffled != mine and sorted(map(str, shuffled)) == sorted(map(str, mine))
    page.click("#making [data-way=convert]")
    assert page.input_value(part("formatting")) == "sharegpt", "another than it has"
    page.check(part("drop"))
    page.click(part("do"))
    page.click(f"{part('made')} [data-set=mine_sharegpt]")
    assert rows_of(place, "mine_sharegpt")[0]["conversations"][1]["value"] == "answer 0"
    page.wait_for_function("document.querySelector('#making [data-part=new-name]').value === 'mine_sharegpt_alpaca'")
    page.click(part("do"))
    page.wait_for_selector(f"{part('made')} [data-set=mine_sharegpt_alpaca]")
    back = [(row["instruction"], row["output"]) for row in rows_of(place, "mine_sharegpt_alpaca")]
    assert back == [(row["instruction"], row["output"]) for row in mine if row["output"]]
    assert not visitor.errors and not visitor.foreign()


def test_placeholders_are_found_and_filled(place, visit):
    page = open_tool(visit(), place, "make")
    page.click("#making [data-way=fill]")
    page.click("#making [data-begin=names]")
    page.fill("#making [data-name=who]", "Ada")
    page.fill("#making [data-part=new-name]", "filled")
    page.click("#making [data-part=do]")
    page.click("#making [data-part=made] [data-set=filled]")
    assert any("Ada" in row["output"] for row in rows_of(place, "filled"))
    page.wait_for_function("studio.dataset.name === 'filled'")


def test_rows_are_written_by_an_endpoint_stopped_and_resumed(place, visit):
    visitor = visit()
    endpoint = RowsEndpoint(pace_s=0.5)
    page = open_tool(visitor, place, "generate")
    box = "#generate-knob-{} :is(input, textarea)".format
    page.wait_for_selector("#generate-knob-way .knob-help")
    page.click("#generate-start")
    there(page, "#generate-form [data-part=problems]")
    typed = {"new_dataset": "written", "num_rows": "12", "topic": EVIL, "api_base": endpoint.url, "model": "toy"}
    for key, text in typed.items():
        page.fill(box(key), text)
    page.fill(box("endpoint_key"), "sekrit")
    page.click("#generate-start")
    page.wait_for_selector("#generated [data-run][data-state=running]")
    assert page.is_hidden("#generate-form [data-part=problems]")
    page.wait_for_function("/[1-9] of 12/.test(document.querySelector('#generated .mon-line')?.textContent ?? '')")
    page.click("#generated button:text('Stop')")
    page.wait_for_selector("#generated [data-run][data-state=stopped] .small-button.strong")
    endpoint.pace_s = 0.0
    page.click("#generated .small-button.strong")
    page.wait_for_selector("#generated [data-run][data-state=finished]")
    assert endpoint.keys == {"Bearer sekrit"}
    page.click("#generated [data-reason=similar]")
    page.wait_for_selector("#generated .tool-turns li")
    assert EVIL in page.inner_text("#generated header") and page.locator("#generated img").count() == 0
    page.click("#generated [data-set=written]")
    page.wait_for_function("studio.dataset.name === 'written'")
    page.evaluate("addEventListener('studio:open', (event) => { window.opened = event.detail; })")
    page.click("#generated button:text('Monitor')")
    assert page.evaluate("window.opened") == page.get_attribute("#generated [data-run]", "data-run")
    rows = rows_of(place, "written")
    assert len(rows) == 12 and len({row["instruction"] for row in rows}) == 12
    written = [file.read_text("utf-8", "replace") for file in place.saves.rglob("*") if file.is_file()]
    assert "sekrit" not in "".join(written)
    assert not visitor.errors and not visitor.foreign()
    endpoint.shutdown()


def test_databases_and_questions_become_a_set(place, visit, tmp_path):
    visitor = visit()
    connection = sqlite3.connect(tmp_path / "shop.sqlite")
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    connection.close()
    turns = [{"utterance": EVIL, "query": "SELECT 1"}, {"utterance": "All?", "query": "SELECT name FROM item"}]
    questions = [{"db_id": "shop", "interaction": turns},
                 {"db_id": "shop", "question": "q", "query": "SELECT nope FROM item"}]  # fmt: skip
    (tmp_path / "dev.json").write_text(json.dumps(questions))
    page = open_tool(visitor, place, "sql")
    field = "#text-to-sql [data-field={}]".format
    page.fill(field("folder"), str(tmp_path))
    page.fill(field("questions"), str(tmp_path / "absent.json"))
    page.click("#text-to-sql [data-part=preview]")
    there(page, "#text-to-sql [data-part=error]")
    page.set_input_files("#text-to-sql [data-part=files]", [tmp_path / "shop.sqlite", tmp_path / "dev.json"])
    page.wait_for_selector("#text-to-sql [data-part=turns] li")
    assert page.input_value(field("questions")) == str(place.home / "data" / "databases" / "1" / "dev.json")
    page.click("#text-to-sql summary")
    page.fill(field("prompt"), "Only these tables:\n{schema}")
    page.click("#text-to-sql [data-part=preview]")
    page.wait_for_selector("#text-to-sql [data-part=turns] >> text=Only these tables")
    shown = page.locator("#text-to-sql [data-part=turns] p").all_inner_texts()
    assert shown[0].startswith("Only these tables:\nCREATE TABLE item (\n    id INTEGER") and shown[1] == EVIL
    page.fill(field("new_name"), "shop_sql")
    page.check(field("check_sql"))
    page.click("#text-to-sql [data-begin=make]")
    there(page, "#text-to-sql [data-part=made]")
    assert "no such column" in page.inner_text("#text-to-sql [data-part=notes]")
    assert len(rows_of(place, "shop_sql")[0]["conversations"]) == 4 and len(rows_of(place, "shop_sql")) == 1
    assert page.locator("#text-to-sql img").count() == 0 and not visitor.errors and not visitor.foreign()


def test_all_tools_fit_a_narrow_page_in_chinese(place, visit):
    visitor = visit(width=390)
    page = open_tool(visitor, place, "lengths", language="zh")
    tools = {"lengths": "#lengths", "doctor": "#doctor", "make": "#making", "generate": "#generating-form"}
    for tab, root in tools.items():
        show_tool(page, tab)
        page.wait_for_selector(root)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
        assert any("\u4e00" <= char <= "\u9fff" for char in page.inner_text(f"{root} h2"))
    show_tool(page, "make")
    table = page.locator("#making .tool-scroll >> visible=true")
    assert table.evaluate("(box) => box.scrollWidth <= box.clientWidth"), "and a part can be removed"
    assert not visitor.errors
