"""What the Dataset tab asks of others: hubs for sets, a model for the columns of one, new answers, and questions."""

import json
import re

import pytest
from answering import Serving
from dataset_tools import EVIL, open_tool, pair, rows_of, there
from searched_hub import SearchedHub
from visiting import Studio

pytestmark = pytest.mark.browser
ODD = "".join(json.dumps({"frage": f"question {n}", "antwort": f"answer {n}"}) + "\n" for n in range(3))
POEMS = {"train.jsonl": "".join(json.dumps({"title": f"poem {n}", "verse": EVIL}) + "\n" for n in range(3)).encode()}
LONG = "a friendly answer that has become much too long for this set"
BOX = "#generate-knob-{} :is(input, textarea)".format


def answers(_model, messages):
    """A model that maps columns, judges, rewrites and asks, each as it is told to."""
    asked = messages[-1]["content"]
    if asked.startswith("These are rows"):
        return [json.dumps({"prompt": "frage", "response": "antwort"})]
    if asked.startswith("You judge"):
        return ["Score:", "2" if "answer 4" in asked else "9"]
    if asked.startswith("Below is a piece"):
        return ["1. Question: What is tea made of?\n1. Answer: Leaves.\n###"]
    number = re.search(r"question (\d)", asked)[1]
    return [LONG] if number == "1" else ["A", "friendly", f"answer {number}"]


@pytest.fixture(scope="module")
def hub():
    """Both hubs, with one set whose description is not to be trusted."""
    with SearchedHub() as there:
        there.about = EVIL
        there.add("datasets/ada/poems", POEMS)
        yield there


@pytest.fixture(scope="module")
def place(tmp_path_factory, hub):
    """A studio with a set of its own and these hubs."""
    home = tmp_path_factory.mktemp("asking")
    (home / "data").mkdir()
    (home / "data" / "mine.json").write_text(json.dumps([pair(f"question {n}", f"answer {n}") for n in range(5)]))
    (home / "data" / "dataset_info.json").write_text(json.dumps({"mine": {"file_name": "mine.json"}}))
    hubs = {"HF_ENDPOINT": hub.url, "MODELSCOPE_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(home / "hf"),
            "MODELSCOPE_CACHE": str(home / "ms"), "HF_TOKEN": "", "MODELSCOPE_API_TOKEN": ""}  # fmt: skip
    studio = Studio(home, only="dataset", **hubs)
    yield studio
    studio.stop()


@pytest.fixture(scope="module")
def model(place):
    """A server of the studio's own that does what it is asked."""
    serving = Serving(place.saves)
    serving.answers = answers
    yield serving
    serving.close("stopped")


def entries(place):
    return json.loads((place.home / "data" / "dataset_info.json").read_text())


def find(page, hub, words="poems"):
    page.select_option("#adding [data-part=hub]", hub)
    page.fill("#adding [data-part=hub-id]", words)
    page.click("#adding [data-part=find]")


def choose(page, knob, option):
    """An entry of a dropdown of the form."""
    page.click(BOX(knob))
    page.click(f"[role=option]:has-text({option!r}) >> visible=true")


def test_both_hubs_are_searched_and_what_is_found_is_added_and_brought(place, hub, visit):
    visitor = visit()
    page = open_tool(visitor, place, "rows")
    found = "#adding [data-part=hits] button"
    find(page, "hf", "prose")
    there(page, "#adding [data-part=hits-word]:has-text('Nothing found')")
    find(page, "ms")
    page.wait_for_selector(found)
    assert page.inner_text(f"{found} .run-name") == "ada/poems" and "12" in page.inner_text(f"{found} .run-figures")
    assert page.inner_text(f"{found} .run-about") == EVIL and page.locator("#adding img").count() == 0
    page.select_option("#adding [data-part=hub]", "hf")  # what was found stays where it was found
    page.click(found)
    page.click("#adding [data-part=add]")
    page.wait_for_selector("#shelf [data-set=poems][data-kind=hub]")
    find(page, "hf")
    page.click(found)
    page.fill("#adding [data-part=as]", "poems at home")
    page.click("#adding [data-part=add]")
    page.wait_for_function("studio.dataset.name === 'poems at home'")
    known = entries(place)
    assert known["poems"] == {"ms_hub_url": "ada/poems"} and known["poems at home"] == {"hf_hub_url": "ada/poems"}
    page.click("#chosen-set [data-part=bring]")
    page.wait_for_selector("#rows tbody >> text=poem 2")
    assert page.is_hidden("#chosen-set [data-part=fetch]") and page.locator("#rows img").count() == 0
    map_the_columns_of_what_came(page, place)
    searched = [path for path in hub.searches() if "search=poems" in path]
    assert [path.split("/")[1] for path in searched] == ["openapi", "api"]
    assert not visitor.errors and not visitor.foreign()


def map_the_columns_of_what_came(page, place):
    """Nobody knew them before."""
    page.wait_for_selector("#rows tbody .ds-why")
    page.click("#chosen-set [data-part=columns]")
    page.wait_for_selector("#adding dialog[open]")
    assert page.get_attribute("#adding [data-part=as]", "readonly") is not None
    page.select_option("#adding [data-column=prompt]", "title")
    page.select_option("#adding [data-column=response]", "verse")
    page.wait_for_selector("#adding .ds-turn[data-role=assistant]")
    page.click("#adding [data-part=add]")
    page.wait_for_selector("#rows tbody .ds-why", state="detached")
    columns = {"prompt": "title", "response": "verse"}
    assert entries(place)["poems at home"] == {"hf_hub_url": "ada/poems", "columns": columns}


def test_a_model_maps_the_columns_and_what_hinders_it_is_in_sight(place, model, visit, tmp_path):
    visitor = visit()
    page = open_tool(visitor, place, "rows")
    (tmp_path / "odd.jsonl").write_text(ODD)
    page.set_input_files("#adding [data-part=file]", tmp_path / "odd.jsonl")
    page.wait_for_selector("#adding dialog[open]")
    guess = page.inner_text("#adding [data-part=guess]")
    assert "frage, antwort" in guess and "uploads" not in guess
    page.click("#adding [data-part=ask] summary")
    page.wait_for_selector(f"#adding [data-ask=server] option[value='{model.id}']", state="attached")
    page.select_option("#adding [data-ask=server]", "")
    page.fill("#adding [data-ask=base]", "nowhere")
    page.click("#adding [data-part=suggest]")
    box = there(page, "#adding [data-part=dialog-error]").bounding_box()
    assert 0 < box["y"] < page.viewport_size["height"] - box["height"]
    page.select_option("#adding [data-ask=server]", model.id)
    assert page.is_hidden("#adding [data-ask=key]")
    page.click("#adding [data-part=suggest]")
    page.wait_for_selector("#adding .ds-turn[data-role=assistant] >> text=answer 0")
    assert page.input_value("#adding [data-column=prompt]") == "frage"
    assert page.inner_text("#adding [data-part=verdict]") == "The first 3 rows can be used."
    assert page.is_hidden("#adding [data-part=dialog-error]")
    page.click("#adding [data-part=add]")
    page.wait_for_function("studio.dataset.name === 'odd'")
    assert entries(place)["odd"]["columns"] == {"prompt": "frage", "response": "antwort"}
    assert not visitor.errors and not visitor.foreign()


def test_answers_are_written_anew_and_join_only_if_they_pass(place, model, visit):
    visitor = visit()
    page = open_tool(visitor, place, "generate")
    page.wait_for_selector("#generate-knob-way .knob-help")
    choose(page, "way", "answers written anew")
    page.wait_for_selector("#generate-knob-rewrite_dataset", state="visible")
    choose(page, "rewrite_dataset", "mine")
    choose(page, "server", model.id)
    page.fill(BOX("rewrite_instruction"), "friendlier")
    page.fill(BOX("new_dataset"), "friendly")
    page.click("#generating-form .fold > button.label-wrap >> nth=3")
    page.fill(BOX("max_answer_chars"), "40")
    page.fill(BOX("judge_min_score"), "6")
    page.click("#generate-start")
    page.wait_for_selector("#generated [data-run][data-state=finished]")
    assert [one.inner_text() for one in page.locator("#generated [data-reason]").all()]
    page.click("#generated [data-reason=too_long]")
    page.wait_for_selector(f"#generated .tool-turns >> text={LONG}")
    page.click("#generated [data-reason=judged_low]")
    page.wait_for_selector("#generated .tool-turns b >> text=2")
    rows = {row["instruction"]: row for row in rows_of(place, "friendly")}
    assert sorted(rows) == ["question 0", "question 2", "question 3"]
    assert rows["question 2"]["output"] == "A friendly answer 2" and rows["question 2"]["original"] == "answer 2"
    asked = [body["messages"][-1]["content"] for body in model.asked]
    assert sum("as this asks for: friendlier" in text for text in asked) == 5
    page.click("#generated [data-set=friendly]")
    page.wait_for_function("studio.dataset.name === 'friendly'")
    assert not visitor.errors and not visitor.foreign()


def test_a_document_is_uploaded_and_becomes_questions_in_words_of_ones_own(place, model, visit, tmp_path):
    visitor = visit()
    page = open_tool(visitor, place, "generate")
    (tmp_path / "notes.md").write_text("# Tea\nIt is made of leaves.")
    page.wait_for_selector("#generate-knob-way .knob-help")
    assert page.is_hidden("#generate-knob-documents")
    choose(page, "way", "documents")
    with page.expect_file_chooser() as chooser:
        page.click("#generate-upload")
    chooser.value.set_files(tmp_path / "notes.md")
    page.wait_for_selector("#generate-knob-documents >> text=notes.md")
    assert (place.home / "data" / "documents" / "notes.md").read_text().startswith("# Tea")
    page.click("#generating-form .fold > button.label-wrap >> nth=0")
    page.click("#generate-words")
    page.wait_for_function("document.querySelector('#generate-knob-ask_prompt textarea')?.value.includes('{text}')")
    words = page.input_value(BOX("ask_prompt"))
    page.fill(BOX("ask_prompt"), words + "\nSpeak plainly.")
    page.fill(BOX("new_dataset"), "tea")
    choose(page, "server", model.id)
    page.click("#generate-start")
    page.click("#generated [data-set=tea]")
    page.wait_for_function("studio.dataset.name === 'tea'")
    (row,) = rows_of(place, "tea")
    assert "What is tea made of?" in row.values() and "Leaves." in row.values()
    asked = model.asked[-1]["messages"][-1]["content"]
    assert "It is made of leaves." in asked and asked.endswith("Speak plainly.")
    assert not visitor.errors and not visitor.foreign()
