"""One run through everything that may happen to it: start, watch, stop, resume, reload, the page's server killed."""

import pytest
from acting import STAND_IN, wait_until
from quickstart import begin, num_points, state
from visiting import Studio

from studio.runs import folder as files

pytestmark = pytest.mark.browser
PLAY = """
import runpy, sys
from pathlib import Path
folder = Path(sys.argv[-1])
steps = 3 if (folder / "job.yaml").read_text().startswith("kind: build") else 100_000
sys.argv = [{stand_in!r}, f"steps={{steps}}", "pace=0.1", "save=50", str(folder)]
runpy.run_path({stand_in!r}, run_name="__main__")
"""


@pytest.fixture
def studio(tmp_path):
    """A studio whose workers are played: the build of the starter model is over soon, the run is not."""
    play = tmp_path / "play.py"
    play.write_text(PLAY.format(stand_in=str(STAND_IN)))
    page = Studio(tmp_path, worker=(str(play),), only="train")
    yield page
    for status in page.saves.glob("**/" + files.STATUS):
        files.request_stop(status.parent, now=True)
    wait_until(lambda: not list(page.saves.glob("**/" + files.STOP)) or all_ended(page))
    page.stop()


def all_ended(page) -> bool:
    found = [files.read_json(path)["state"] for path in page.saves.glob("**/" + files.STATUS)]
    return not set(found) & {"running", "stopping", "queued"}


def until(page, wanted: str) -> None:
    page.wait_for_selector(f"#monitor [data-part=root][data-state={wanted}]:not([hidden])")


def come_again(page):
    """Load the page anew until no event of it is open: where one is cut off, gradio itself loads the page anew."""
    from playwright.sync_api import TimeoutError as Late

    for patience_ms in (15_000, 15_000, 60_000):  # once in hundreds of times gradio leaves one open
        page.reload()
        until(page, "running")
        try:
            return page.wait_for_load_state("networkidle", timeout=patience_ms)
        except Late:
            continue
    raise AssertionError("events stay open")


def test_a_run_outlives_everything(studio, visit):
    visitor = visit()
    page = visitor.open(studio.url)
    run = begin(page, "Pixel", "the tests")
    until(page, "running")
    page.wait_for_function("Number(document.querySelector('#monitor [data-part=root]')?.dataset.points) > 5")
    assert page.title().endswith("Finetune Studio") and "%" in page.title()
    page.wait_for_function("Number(document.querySelector('#monitor [data-part=root]')?.dataset.devicePoints) > 0")
    page.click("#monitor [data-action=stop]")
    until(page, "stopped")
    page.click("#monitor [data-action=resume]")
    until(page, "running")
    come_again(page)
    assert f"run={run}" in page.url
    page.evaluate("window.sameDocument = true")
    studio.kill()
    page.wait_for_selector("#monitor [data-part=offline]:not([hidden])")
    before = num_points(page)
    studio.start()
    page.wait_for_selector("#monitor [data-part=offline]", state="hidden")
    page.wait_for_selector("#monitor [data-part=root][data-points]")  # it may draw itself anew
    page.wait_for_function(f"Number(document.querySelector('#monitor [data-part=root]')?.dataset.points) > {before}")
    assert state(page) == "running" and f"run={run}" in page.url
    assert page.evaluate("window.sameDocument"), "the page was loaded anew"
    page.click("#monitor [data-action=now]")
    until(page, "stopped")
    assert [name for name in studio.runs() if "/build/" not in name] == [run]
