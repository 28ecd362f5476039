"""Starting and resuming from the page. The processor is taken meanwhile, so that what is started waits."""

import os

import pytest
from quickstart import begin, state
from run_folder import RunFolder
from stand_in import save

from studio.runs import locks

pytestmark = pytest.mark.browser


@pytest.fixture
def studio(start_studio):
    """A studio whose processor somebody else has: nothing starts to compute."""
    page = start_studio(CUDA_VISIBLE_DEVICES="", ASCEND_RT_VISIBLE_DEVICES="")
    lock = page.home / "cache" / "devices" / "cpu-0.lock"
    lock.parent.mkdir(parents=True)
    held = locks.acquire(lock)
    yield page
    page.stop()  # before the processor is free
    os.close(held)


def runs_of(studio) -> list[str]:
    return sorted(path.parent.relative_to(studio.saves).as_posix() for path in studio.saves.rglob("job.yaml"))


def test_a_double_click_on_the_quickstart_starts_one_run_after_the_starter_model(studio, visit):
    visitor = visit()
    page = visitor.open(studio.url)
    run = begin(page, "Pixel", "the tests")
    page.click("#quickstart", click_count=2)
    page.wait_for_timeout(1500)
    trained = [name for name in runs_of(studio) if "/build/" not in name]
    assert trained == [run] and len(runs_of(studio)) == 2
    assert state(page) == "queued" and page.inner_text("#monitor [data-part=phase]").startswith("First: ")
    job = (studio.saves / run / "job.yaml").read_text()
    assert "Pixel" in job and "the tests" in job
    page.click("#monitor [data-action=stop]")
    page.wait_for_selector("#monitor [data-part=root][data-state=stopped]")
    assert visitor.errors == []


def test_the_form_starts_what_it_shows(studio, visit):
    page = visit().open(studio.url)
    page.click("#settings > button")
    for knob, value in (("model_name_or_path", "builtin/starter"), ("dataset", "identity")):
        page.click(f"#knob-{knob} input")
        page.fill(f"#knob-{knob} input", value)
        page.keyboard.press("Enter")
    page.fill("#knob-output_dir input", str(studio.saves / "mine" / "lora" / "one"))
    page.click("#start", click_count=2)
    page.wait_for_selector("#monitor [data-part=root]:not([hidden])")
    assert "mine/lora/one" in page.url
    page.wait_for_timeout(1500)
    assert [name for name in runs_of(studio) if "/build/" not in name] == ["mine/lora/one"]
    page.click("#fold-training > button")
    page.fill("#knob-num_train_epochs input", "7")
    page.click("#start")  # another job for a folder in use
    page.wait_for_selector(".toast-body")
    assert "mine/lora/one" in page.inner_text(".toast-body")


def test_a_stopped_run_is_resumed_from_its_checkpoint(studio, visit):
    run = RunFolder(studio.saves, "starter/lora/old")
    run.train(10)
    save(run.folder, 10)
    run.end("stopped")
    page = visit().open(f"{studio.url}/en/?run={run.id}")
    page.click("#monitor [data-action=resume]")
    page.wait_for_selector("#monitor [data-part=root][data-state=queued]")
    assert "checkpoint-10" in (run.folder / "job.yaml").read_text()
