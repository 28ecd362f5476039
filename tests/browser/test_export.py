"""The Export tab: a run is chosen, adapters are put in order, forms are ticked, an export starts and is told."""

import json
import os

import pytest
from exported import at_work, exported, model, trained, written
from visiting import busy_studio

from studio.config import files
from studio.runs import folder as run_files

pytestmark = pytest.mark.browser
DRAFT = "studio.read('export')"


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A studio whose processor is taken: an export that is started waits."""
    with busy_studio(tmp_path_factory.mktemp("export")) as page:
        base = str(model(page.home / "Qwen3-0.6B"))
        for name in ("nova", "second"):
            trained(page.saves, f"Qwen3-0.6B/lora/{name}", base)
        yield page


def open_tab(visitor, studio, language="en", query=""):
    page = visitor.page
    page.goto(f"{studio.url}/{language}/?tab=export{query}")
    page.wait_for_selector("#exporting [data-format=merged]")
    page.wait_for_function("studio.hasBegun('export') && studio.exportPlan")
    return page


def test_a_run_leaves_with_two_adapters_in_the_order_that_was_made(studio, visit):
    visitor = visit()
    page = open_tab(visitor, studio, query="&run=Qwen3-0.6B/lora/nova")
    nova, second = (str(studio.saves / "Qwen3-0.6B" / "lora" / name) for name in ("nova", "second"))
    page.wait_for_selector(f"[data-adapter='{nova}']")
    page.wait_for_selector("[data-format=merged] .export-size:text('about 1.2 GB')")
    page.fill("#exporting [data-part=adapter]", second)
    page.keyboard.press("Enter")
    page.click(f"[data-adapter='{second}'] [data-move=up]")
    page.wait_for_function(f"{DRAFT}.adapter_name_or_path[0] === {json.dumps(second)}")
    page.check("[data-format=gguf] input")
    page.click("[data-choice=q8_0]")
    page.click("[data-choice=f16]")
    page.wait_for_selector("[data-choice=gptq][title]:disabled", state="attached")  # it needs a card
    page.wait_for_function("document.querySelector('#export-room').textContent.includes('1.8 GB')")
    page.fill("#export-knob-export_dir input, #export-knob-export_dir textarea", str(studio.home / "out"))
    page.keyboard.press("Tab")
    page.wait_for_function(f"{DRAFT}.export_dir")
    page.click("#export-start")
    page.wait_for_selector("#exports [data-state=queued]")
    run_id = page.get_attribute("#exports article", "data-run")
    asked = files.load(studio.saves / run_id / "job.yaml")
    assert asked["adapter_name_or_path"] == [second, nova] and asked["gguf_types"] == ["q8_0"]
    assert (asked["kind"], asked["export_formats"]) == ("export", ["merged", "gguf"])
    page.click("#exports [data-action=stop]")
    page.wait_for_selector("#exports [data-state=stopped]")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth") and visitor.errors == []
    page.reload()  # the address names the run still, and does not undo what was made of it
    page.wait_for_function("studio.hasBegun?.('export') && document.querySelector('[data-format=gguf][data-ticked]')")
    assert page.evaluate(f"{DRAFT}.adapter_name_or_path") == [second, nova]
    # What is wrong is marked where it stands.
    for form in ("merged", "gguf"):
        page.uncheck(f"[data-format={form}] input")
    page.click("#export-start")
    page.wait_for_selector("#exporting [data-problem=export_formats]:not([hidden])")
    page.check("[data-format=merged] input")
    page.wait_for_selector("#exporting [data-problem=export_formats]", state="hidden")
    assert visitor.errors == [] and visitor.foreign() == []


def test_exports_tell_what_came_of_them_as_text_and_fit_a_phone(studio, visit):
    evil = {"next": ["vllm serve <img src=x onerror=studio.evil=1>"], "pushed": "javascript:studio.evil=1"}
    done = exported(studio.saves, "done", result=evil)
    unsent = exported(studio.saves, "unsent", "failed")  # as where a hub refuses what was written
    (unsent / run_files.RESULT).write_text(json.dumps(written(unsent / "model")))
    lock = at_work(exported(studio.saves, "busy", "stopped"), "verifying", 40, 100)
    visitor = visit(width=390)
    page = open_tab(visitor, studio)
    page.wait_for_selector("#exports [data-run$=done] .export-verdicts")
    box = page.locator("#exports [data-run$=done]")
    said = box.inner_text()
    for words in ("largest difference of logits 0.0003", "not all greedy answers equal", "as expected", "onerror="):
        assert words in said
    assert str(done / "model") in said
    assert box.locator("[data-ok=no]").count() == 1 and box.locator("a[href^=javascript]").count() == 0
    assert page.inner_text("#exports [data-run$=unsent] [data-action=resume]") == "Send it again"
    box.locator("summary").click()
    assert "model.safetensors" in box.inner_text()
    with page.expect_download() as download:
        box.locator("a[download]").click()
    assert download.value.suggested_filename == "adapter.zip"
    assert "40" in page.inner_text("#exports [data-run$=busy] .mon-line")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth && !studio.evil")
    os.close(lock)
    page.wait_for_selector("#exports [data-run$=busy][data-state=lost]")
    page.click("#exports [data-run$=done] .text-button:text('Log and details')")  # the monitor shows it
    page.click("#monitor [data-lead=result]")  # and leads back to it
    page.wait_for_selector("#exports [data-run$=done][aria-current]")
    assert page.locator("#exports [aria-current]").count() == 1
    # The monitor of a training leads on to the tabs in which its run is chosen.
    run = "Qwen3-0.6B/lora/nova"
    page.evaluate("run => window.dispatchEvent(new CustomEvent('studio:open', { detail: run }))", run)
    page.wait_for_selector("#monitor .leads:not([hidden])")
    for name, key in (("chat", "model"), ("evaluate", "model"), ("export", "run")):
        assert page.get_attribute(f"#monitor [data-lead={name}]", "href") == f"?tab={name}&{key}={run}"
    assert visitor.errors == []
