"""A run in words, in both languages."""

import json
import os
import time
from dataclasses import replace

import pytest

from studio import runs
from studio.runs import folder as files
from studio.runs import locks, states
from studio.text import catalogue, languages
from studio.ui.parts import summary

T = catalogue("en")


@pytest.fixture
def make_run(home):
    def make(run_id="starter/lora/one", state="finished", **status):
        folder = home / "saves" / run_id
        folder.mkdir(parents=True)
        kind = status.pop("kind", "train")
        (folder / files.JOB).write_text(
            f"kind: {kind}\nschema_version: 1\nmodel_name_or_path: builtin/starter\n"
            "dataset: [d]\nnum_train_epochs: 3.0\n"
        )
        states.write(folder, replace(states.new(kind), state=state, attempts=1, **status))
        return runs.find(run_id)

    return make


def test_a_finished_run(make_run):
    run = make_run(started=100.0, ended=160.0)
    files.append_metrics(run.folder, {"current_steps": 30, "total_steps": 30, "loss": 0.5, "epoch": 3.0})
    found = summary.summarise(T, run)
    assert found["state_word"] == "finished" and found["fraction"] == 1.0 and not found["active"]
    assert found["phase"] == "Step 30 of 30 · epoch 3"
    assert found["can"] == ["longer", "rename", "delete"] and not found["leads"] and found["epochs"] == 6.0
    assert found["about"].startswith("Training · starter model")


def test_a_waiting_run_tells_how_far_what_it_waits_for_is(make_run):
    build = make_run("starter/build/b", "running", kind="build", started=1.0)
    lock = locks.acquire(build.folder / files.LOCK)
    run = make_run(state="queued", needs=(build.id,))
    files.write_json_atomic(build.folder / files.PROGRESS, {"phase": "starter", "done": 40, "total": 100, "unit": ""})
    found = summary.summarise(T, run)
    assert found["phase"] == "First: Building the starter model · 40 %" and found["fraction"] == 0.4
    before = summary.token_of(run)
    files.write_json_atomic(build.folder / files.PROGRESS, {"phase": "starter", "done": 55, "total": 100, "unit": ""})
    assert summary.token_of(run) != before, "the browser has to be told"
    assert lock is not None


def test_a_resumed_run_does_not_tell_of_its_earlier_attempt(make_run):
    run = make_run(state="running", started=time.time() + 1)
    lock = locks.acquire(run.folder / files.LOCK)
    line = {"current_steps": 30, "total_steps": 30, "loss": 0.5, "remaining_time": "0:00:00"}
    files.append_metrics(run.folder, line)
    found = summary.summarise(T, run)
    assert found["phase"] == "Starting" and found["fraction"] is None and found["ends_at"] is None
    os.close(lock)


def test_a_run_that_was_cut_off_changes_its_token(make_run):
    run = make_run(state="running", started=1.0)
    lock = locks.acquire(run.folder / files.LOCK)
    before = summary.token_of(run)
    assert summary.summarise(T, run)["state"] == "running"
    os.close(lock)
    assert summary.token_of(run) != before and summary.summarise(T, run)["state"] == "lost"


def test_a_failed_run_says_why_in_the_pages_language(make_run):
    error = {"key": "disk_full", "values": {"path": "/x"}, "text": "told"}
    run = make_run(state="failed", error=error, started=1.0, ended=2.0)
    sentences = {summary.summarise(catalogue(language), run)["error"] for language in languages()}
    assert len(sentences) == len(languages()) and all("/x" in sentence for sentence in sentences)
    assert summary.summarise(T, run)["can"] == ["again", "rename", "delete"], "there is no checkpoint"


@pytest.mark.parametrize(("phase", "words"), [
    ({"phase": "download", "done": 1536, "total": 3 * 2**20, "unit": "bytes"}, "Downloading · 1.5 KiB of 3.0 MiB"),
    ({"phase": "tokenizing", "done": 5, "total": 20, "unit": "rows"}, "Preparing the rows · 5 of 20"),
    ({"phase": "model", "done": 0, "total": 0, "unit": ""}, "Loading the model"),
    ({"phase": "a new one", "done": 0, "total": 0, "unit": ""}, "a new one"),
])  # fmt: skip
def test_phases(make_run, phase, words):
    run = make_run(state="finished")
    files.write_json_atomic(run.folder / files.PROGRESS, phase)
    assert summary.phase_words(T, run.progress()) == words


@pytest.mark.parametrize(("kind", "key"), [("evaluate", "run"), ("export", "result")])
def test_what_was_evaluated_or_exported_leads_to_its_result(make_run, kind, key):
    run = make_run(f"starter/{kind}/one two", kind=kind)
    assert summary.summarise(T, run)["leads"] == {"result": f"?tab={kind}&{key}=starter/{kind}/one%20two"}


def test_a_run_with_weights_leads_on_and_one_at_work_cannot_be_renamed(make_run):
    run = make_run(started=1.0, ended=2.0)
    (run.folder / "adapter_model.safetensors").write_bytes(b"x")
    model = "&model=starter/lora/one"
    leads = {tab: f"?tab={tab}{model}" for tab in ("chat", "evaluate")} | {"export": "?tab=export&run=starter/lora/one"}
    assert summary.summarise(T, run)["leads"] == leads
    (run.folder / "generated_predictions.jsonl").touch()
    assert summary.summarise(T, run)["leads"] == leads | {"result": "?tab=evaluate&run=starter/lora/one"}
    live = make_run("starter/lora/two", "running", started=1.0)
    lock = locks.acquire(live.folder / files.LOCK)
    assert summary.summarise(T, live)["can"] == ["stop", "now"]
    os.close(lock)


def test_a_run_by_a_newer_version_says_so(make_run):
    run = make_run(started=1.0, ended=2.0)
    job = (run.folder / files.JOB).read_text()
    (run.folder / files.JOB).write_text(job.replace("schema_version: 1", "schema_version: 99"))
    found = summary.summarise(T, run)
    assert "99" in found["notices"][0] and found["epochs"] is None
    status = json.loads((run.folder / files.STATUS).read_text()) | {"state": "dreaming", "kind": "dream", "new": 1}
    (run.folder / files.STATUS).write_text(json.dumps(status))
    found = summary.summarise(T, run)
    assert found["state"] == "unknown" and found["about"].startswith("dream · ")
