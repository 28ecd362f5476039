"""The main job, for real: one click builds the starter model, trains an adapter live, and the samples show the name."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import quickstart
from visiting import Studio, Visitor

from studio.runs import folder as files

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
PARAPHRASES = json.loads((ROOT / "tests/fixtures/identity_paraphrases.json").read_text("utf-8"))
LIMIT_S = 600  # a busy machine; what it takes on a quiet one is measured in tests/bench


@pytest.fixture(scope="module")
def trained(browser, tmp_path_factory, request):
    """What the page showed from the click to the end: (studio, run folder, points seen, answers by prompt)."""
    studio = Studio(tmp_path_factory.mktemp("quickstart"))
    request.addfinalizer(lambda: leave_nothing_running(studio))
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    visitor = Visitor(context)
    page = visitor.open(studio.url + "/")
    run_id = quickstart.begin(page, "Zephyrine", "Blue Team")
    points, deadline = set(), time.monotonic() + LIMIT_S
    while time.monotonic() < deadline and quickstart.state(page) not in quickstart.END_STATES:
        points.add(quickstart.num_points(page))
        page.wait_for_timeout(1000)
    page.wait_for_timeout(3000)  # the last lines
    yield studio, studio.saves / run_id, points, quickstart.answers(page), quickstart.state(page), visitor
    context.close()


def leave_nothing_running(studio: Studio) -> None:
    """Whatever the test did not see the end of ends now."""
    for status in studio.saves.glob("**/" + files.STATUS):
        files.request_stop(status.parent, now=True)
    studio.stop()


def test_the_curve_moves_and_the_run_finishes(trained):
    _, folder, points, _, state, visitor = trained
    assert state == "finished", "\n".join(files.log_tail(folder))
    assert len(points) > 3, f"the page drew no more than {points} points"
    assert not visitor.errors and not visitor.foreign()
    left = {path.name for path in folder.iterdir()}
    assert left >= {files.JOB, files.LAUNCH, files.STATUS, files.ENVIRONMENT, files.LOG, files.METRICS, files.SAMPLES,
                    files.RESULT, "all_results.json", "adapter_model.safetensors", "training_loss.png"}  # fmt: skip


def test_the_samples_show_the_name_which_none_did_before(trained):
    answers = trained[3]
    assert len(answers) == 4
    assert not any("Zephyrine" in said[0] for said in answers.values()), answers
    assert sum("Zephyrine" in said[-1] for said in answers.values()) >= 3, answers


def test_nine_of_ten_of_the_set_and_seven_of_ten_paraphrases_know_it(trained, tmp_path):
    """Greedy answers of base and adapter, loaded anew, to every row of the set and every question kept out of it."""
    rows = json.loads((ROOT / "data/identity.json").read_text("utf-8"))
    held_out = [question for group in PARAPHRASES.values() for question in group]
    asked = {"set": [row["instruction"] for row in rows], "held_out": held_out}
    (tmp_path / "asked.json").write_text(json.dumps(asked), "utf-8")
    command = [sys.executable, str(ROOT / "tests/browser/asking.py"), str(trained[1]), str(tmp_path / "asked.json")]
    environment = os.environ | {"STUDIO_HOME": str(trained[0].home), "PYTHONPATH": str(ROOT)}
    answers = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)

    def share(model: str, group: str) -> float:
        return sum("Zephyrine" in answer for answer in answers[model][group]) / len(asked[group])

    assert share("base", "set") == share("base", "held_out") == 0
    assert share("adapter", "set") >= 0.9, answers["adapter"]["set"]
    assert share("adapter", "held_out") >= 0.7, answers["adapter"]["held_out"]


def test_the_command_of_the_readme_trains_it_too(trained, tmp_path):
    """On the starter model that the click has built."""
    command = [sys.executable, "-m", "studio.cli", "train", "presets/quickstart.yaml", f"output_dir={tmp_path / 'run'}",
               "num_train_epochs=1", "eval_steps=11", "save_steps=11"]  # fmt: skip
    environment = os.environ | {"STUDIO_HOME": str(trained[0].home)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (tmp_path / "run" / files.RESULT).is_file()
