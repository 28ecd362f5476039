"""The Evaluate tab as a visitor uses it: starting, choosing, the report, answers, benchmarks, fields."""

import json
import os
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import scored
from acting import STAND_IN, TOY
from visiting import Studio

pytestmark = pytest.mark.browser
EVIL = "<img src=x onerror=alert(1)> & ${7*7} {{x}}"
TUNED, BASE = "toy/evaluate/tuned", "toy/evaluate/base"
GRAMMAR = 'split: "!"\nfields:\n  - name: first\n  - {name: second, split: ";"}\n'


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A studio with a trained run, its evaluation and its base's, and a benchmark. Workers are stand-ins."""
    home = tmp_path_factory.mktemp("evaluate")
    saves = home / "saves"
    nova = saves / "toy" / "lora" / "nova"
    nova.mkdir(parents=True)
    trained = {"kind": "train", "schema_version": 1, "model_name_or_path": str(TOY), "dataset": ["identity"],
               "val_size": 0.5}  # fmt: skip
    (nova / "job.yaml").write_text(json.dumps(trained))
    (nova / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(TOY)}))
    labels = [EVIL, *(f"my name is Nova and I am number {number}" for number in range(1, 30))]
    prompt = "<|im_start|>user\nQuestion {}?<|im_end|>\n<|im_start|>assistant\n"
    for run_id, wrong, asked in ((BASE, 20, {}), (TUNED, 3, {"adapter_name_or_path": [str(nova)]})):
        rows = [(prompt.format(n), "I am a model" if n < wrong else label, label) for n, label in enumerate(labels)]
        scored.predictions(scored.folder_of(saves, run_id, **asked), rows)
    questions = [(f"{EVIL} {number}", "A" if number % 2 else "B", "A") for number in range(4)]
    exam = scored.folder_of(saves, "toy/evaluate/exam", task="mini", dataset=[], adapter_name_or_path=[str(nova)])
    scored.benchmark(exam, {"Average": 50.0, "STEM": 61.5}, questions)
    studio = Studio(home, worker=(str(STAND_IN), "steps=2"), only="evaluate")
    yield studio
    studio.stop()


def open_tab(visitor, place, query="", language="en"):
    page = visitor.page
    page.goto(f"{place.url}/{language}/?tab=evaluate{query}")
    page.wait_for_selector("#evaluate-runs .ev-run")
    return page


def shown(page):
    """The rows of the table, by number."""
    return page.locator("#evaluate-rows .ev-open").all_inner_texts()


def wait_rows(page, *numbers):
    page.wait_for_function("(wanted) => JSON.stringify([...document.querySelectorAll('#evaluate-rows .ev-open')]"
                           ".slice(0, wanted.length).map((one) => one.textContent)) === JSON.stringify(wanted)",
                           arg=list(numbers))  # fmt: skip


def test_an_evaluation_is_read_beside_its_base_down_to_a_word(place, visit):
    visitor = visit()
    page = open_tab(visitor, place, f"&run={TUNED}")
    page.wait_for_selector("#evaluate-report .ev-verdicts [data-tone=better]")
    assert page.locator("#evaluate-runs [aria-current]").count() == 2  # the base came by itself
    assert page.input_value("#evaluate-report [data-part=base]") == BASE
    change = page.locator("#evaluate-report tbody tr", has_text="Exact match").locator(".ev-change")
    assert change.locator("b").inner_text() == "+56.67" and "better" in change.get_attribute("title")
    wait_rows(page, "1", "2", "3")
    assert page.locator("#evaluate-rows img, #evaluate-benchmarks img").count() == 0
    page.click("#evaluate-rows [data-line='1'] td >> nth=0")
    page.wait_for_selector(".ev-detail .ev-answer")
    assert page.inner_text(".ev-label mark >> nth=0").startswith("my name is Nova")
    assert page.inner_text(".ev-answer mark >> nth=0") == "a"
    page.locator("#evaluate-report tbody tr", has_text="Exact match").locator("button.ev-duel").click()
    wait_rows(page, "4", "5")
    page.select_option("#evaluate-rows [data-part=order]", "file")
    page.fill("#evaluate-rows [data-part=text]", "onerror")
    wait_rows(page, "1")
    assert page.inner_text("#evaluate-rows [data-head=Label]") == EVIL
    with page.expect_download() as saved:
        page.click("#evaluate-report [data-save=html]")
    text = Path(saved.value.path()).read_text()
    assert saved.value.suggested_filename == "base-report.html" and "<img src=x" not in text and "Nova" in text
    assert not visitor.errors and not visitor.foreign()


def test_answers_are_read_as_they_come_and_the_worst_first_once_they_are_scored(place, visit):
    folder = scored.folder_of(place.home / "saves", "toy/evaluate/at-work", state="running")
    lock = scored.answering(folder, "first answer", "second answer")
    visitor = visit()
    page = open_tab(visitor, place, "&run=toy/evaluate/at-work")
    page.wait_for_selector("#evaluate-report [data-part=answering] >> visible=true")
    page.click("#evaluate-rows [data-line='0'] td >> nth=0")
    page.wait_for_selector(".ev-detail .ev-answer")
    detail = page.query_selector(".ev-detail")
    scored.add(folder, *(["more"] * 9))
    page.wait_for_selector("#evaluate-rows [data-part=range] >> text=of 11")
    assert detail.is_visible()  # what is read stays while more comes
    scored.predictions(folder, [("p", "right", "right")] * 3 + [("p", "wrong", "right")])
    scored.finish(folder)
    os.close(lock)
    wait_rows(page, "4", "1", "2", "3")
    page.wait_for_selector("#evaluate-report [data-part=answering]", state="hidden")
    shutil.rmtree(folder)
    assert not visitor.errors


def test_runs_are_put_together_a_benchmark_is_read_and_a_grammar_is_tried(place, visit):
    visitor = visit()
    page = open_tab(visitor, place, f"&run={TUNED}&with=toy/evaluate/exam")
    page.wait_for_selector("#evaluate-benchmarks tbody >> text=61.50")
    page.click("#evaluate-benchmarks summary")
    page.wait_for_selector("#evaluate-benchmarks .ev-questions article >> nth=1")
    assert page.inner_text("#evaluate-benchmarks .ev-questions article >> nth=0").count(EVIL) == 1
    page.click(f"#evaluate-runs [data-run='{BASE}'] input")
    page.wait_for_selector("#evaluate-report .ev-chosen li >> nth=2")
    query = parse_qs(urlsplit(page.url).query)
    assert query["run"] == [TUNED] and query["with"] == [f"toy/evaluate/exam,{BASE}"]
    page.click("#evaluate-report .ev-chosen li >> nth=1 >> button")
    page.wait_for_selector("#evaluate-benchmarks", state="hidden")
    page.click("#evaluate-fields summary")
    page.wait_for_function("document.querySelector('#evaluate-fields [data-part=text]').value.length")
    page.fill("#evaluate-fields [data-part=grammar]", GRAMMAR)
    page.fill("#evaluate-fields [data-part=text]", f"{EVIL}!a; b")
    page.wait_for_selector("#evaluate-fields [data-part=fields] >> text=second")
    assert json.loads(page.inner_text("#evaluate-fields [data-part=fields]")) == {"first": EVIL, "second": ["a", "b"]}
    page.fill("#evaluate-fields [data-part=grammar]", "fields: 3")
    page.wait_for_selector("#evaluate-fields [data-part=error]:not([hidden])")
    page.fill("#evaluate-fields [data-part=grammar]", GRAMMAR)
    page.select_option("#evaluate-fields [data-part=run]", TUNED)
    page.click("#evaluate-fields [data-part=write]")
    page.wait_for_selector("#evaluate-fields [data-part=written] >> text=predict_postprocessed.json")
    assert len(json.loads((place.home / "saves" / TUNED / "predict_postprocessed.json").read_text())) == 30
    assert not visitor.errors


def test_a_run_that_the_monitor_leads_to_is_evaluated_with_its_base(place, visit):
    visitor = visit(locale="zh-CN", width=390)
    page = open_tab(visitor, place, "&model=toy/lora/nova", "zh")
    page.wait_for_selector("#evaluate-models .token >> text=nova")
    assert page.is_visible("#evaluate-knob-dataset") and page.is_hidden("#evaluate-knob-task_dir")
    page.click("#evaluate-start")
    page.wait_for_selector("#evaluate-runs [data-run$=nova-identity-val][aria-current]")
    page.wait_for_selector("#evaluate-runs [data-run*='/evaluate/toy-identity-val'][aria-current]")
    page.wait_for_selector("#evaluate-runs [data-run$=nova-identity-val][data-state=finished]")
    page.wait_for_selector("#evaluate-report [data-part=waiting] >> visible=true")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    job = next((place.home / "saves").glob("*/evaluate/nova-identity-val/job.yaml")).read_text()
    assert "val_size: 0.5" in job and "nova" in job
    page.fill("#evaluate-runs [data-part=search]", "exam")
    page.wait_for_function("document.querySelectorAll('#evaluate-runs .ev-run').length === 1")
    assert not visitor.errors
