"""Generate: the form starts a job and names what is missing; the panel tells of runs by their folders."""

import json
from dataclasses import replace

import gradio as gr
import pytest

from studio import runs
from studio.config import read_mapping
from studio.data import register, registry
from studio.data.asking import journal
from studio.errors import StudioError
from studio.runs import folder as files
from studio.runs import states
from studio.text import catalogue
from studio.ui import starting
from studio.ui.parts import generated
from studio.ui.parts.generating import Generating, is_asked, keep

EN, ZH = catalogue("en"), catalogue("zh")
ASKED = {"new_dataset": "tasks", "topic": "tea", "api_base": "http://127.0.0.1:9/v1", "model": "toy", "num_rows": 7}


@pytest.fixture(scope="module")
def form():
    """The tool inside a page."""
    with gr.Blocks():
        return Generating(EN)


def values(form, **typed):
    """What a listener is given where this was typed."""
    return {control: typed.get(key, control.value) for key, control in form.form.controls.items()}


@pytest.fixture
def ran(home):
    """A folder of a run of this kind: `ran("finished", figures={…}, rejected=[…])` gives the run."""

    def write(state, figures=None, rejected=(), **more):
        folder = home / "saves" / "toy" / "generate" / f"run{len(runs.listing())}"
        folder.mkdir(parents=True)
        (folder / files.JOB).write_text(read_mapping("generate", ASKED | more).job.to_yaml())
        states.write(folder, replace(states.new("generate"), state=state, started=1.0, ended=2.0, attempts=1))
        if figures:
            (folder / journal.FIGURES).write_text(json.dumps(figures))
        (folder / journal.REJECTED).write_text("".join(json.dumps(one) + "\n" for one in rejected))
        return runs.Run(folder)

    return write


# ---- the form --------------------------------------------------------------------------------------------------------


def test_the_form_starts_what_was_typed(form, monkeypatch):
    begun = []
    monkeypatch.setattr(starting, "start", lambda job: begun.append(job) or "toy/generate/x")
    updates = form.begin(values(form, **ASKED, endpoint_key="sekrit"))
    job = begun[0]
    assert (job.kind, job.new_dataset, job.topic, job.num_rows) == ("generate", "tasks", "tea", 7)
    assert job.secrets() == {"ENDPOINT_API_KEY": "sekrit"} and "sekrit" not in job.to_yaml()
    assert updates[form.panel]["run"] == "toy/generate/x"


def test_what_is_missing_is_marked_and_nothing_starts(form, monkeypatch):
    monkeypatch.setattr(starting, "start", lambda job: pytest.fail("it started"))
    updates = form.begin(values(form, way="questions"))
    marks = updates[form.form.face]["value"]["marks"]
    assert {"new_dataset", "api_base", "documents"} <= set(marks) and form.panel not in updates


def test_every_way_is_offered_in_words(form):
    offered = dict(form.form.controls["way"].choices)
    assert set(offered.values()) == {"self_instruct", "questions", "rewrite"} and "new tasks" in offered
    assert is_asked("questions")["visible"] and not is_asked("rewrite")["visible"]


def test_uploaded_documents_are_kept_each_under_its_own_name(home, tmp_path):
    (tmp_path / "notes.md").write_text("# first")
    first = keep([str(tmp_path / "notes.md")], ["/old.pdf"])["value"]
    (tmp_path / "notes.md").write_text("# second")
    second = keep([str(tmp_path / "notes.md")], first)["value"]
    folder = home / "data" / "documents"
    assert first[0] == "/old.pdf" and second[:2] == first and len(second) == 3
    assert sorted(file.read_text() for file in folder.iterdir()) == ["# first", "# second"]
    assert keep(None, None)["value"] == []


# ---- the runs --------------------------------------------------------------------------------------------------------


def test_a_run_is_told_with_its_set_its_figures_and_its_refusals(ran, home):
    figures = {"rows": 5, "requests": 3, "prompt_tokens": 1200, "completion_tokens": 900, "refused": {"similar": 4}}
    run = ran("finished", figures)
    (home / "data").mkdir()
    (home / "data" / registry.INFO).write_text(json.dumps({"tasks": {"file_name": "tasks.jsonl"}}))
    found = generated.listing(EN, {})
    row = found["rows"][0]
    assert (row["id"], row["name"], row["set"], row["fraction"], row["can"]) == (run.id, "tasks", "tasks", 1.0, [])
    assert "5 rows" in row["facts"] and "1,200" in row["facts"] and "tea" in row["about"]
    assert row["refused"] == [{"reason": "similar", "text": EN("asking.refused_similar"), "count": 4}]
    assert generated.listing(EN, {"token": found["token"]}) is None
    assert generated.listing(ZH, {})["rows"][0]["facts"] != row["facts"]


def test_a_set_that_had_to_take_another_name_is_the_one_that_is_linked(ran):
    ran("finished", figures={"rows": 4, "dataset": "tasks_2"})
    register.register("tasks", {"file_name": "others.jsonl"})
    register.register("tasks_2", {"file_name": "tasks_2.jsonl"})
    row = generated.listing(EN, {})["rows"][0]
    assert row["name"] == row["set"] == "tasks_2" and "taken" in row["facts"]


def test_a_run_without_rows_has_no_set_and_resumes(ran):
    ran("stopped", {"rows": 0, "refused": {}})
    row = generated.listing(EN, {})["rows"][0]
    assert row["set"] == "" and row["can"] == ["resume"] and not row["refused"]


def test_refused_rows_are_shown_by_reason_as_text(ran):
    evil = {"instruction": "<b>x</b>" * 500}
    rejected = [{"reason": "similar", "detail": "0.91", "row": evil}, {"reason": "too_long", "detail": "", "row": {}}]
    run = ran("finished", {"rows": 1}, rejected)
    found = generated.refused(EN, {"run": run.id, "reason": "similar"})["rows"]
    assert len(found) == 1 and found[0]["detail"] == "0.91" and "<b>x</b>" in found[0]["text"]
    assert len(found[0]["text"]) <= generated.MOST_CHARS
    assert generated.refused(EN, {"run": run.id, "reason": "nothing"}) == {"rows": []}


def test_only_what_makes_sense_is_done_to_runs_of_this_kind(ran, home, monkeypatch):
    stopped = ran("stopped")
    resumed = []
    monkeypatch.setattr(runs, "resume", resumed.append)
    generated.act(EN, {"run": stopped.id, "action": "resume"})
    assert [run.id for run in resumed] == [stopped.id]
    for asked in ({"run": stopped.id, "action": "delete"}, {"run": stopped.id, "action": "stop"}):
        with pytest.raises(StudioError):
            generated.act(EN, asked)
    other = home / "saves" / "toy" / "lora" / "trained"
    other.mkdir(parents=True)
    (other / files.JOB).write_text("kind: train\n")
    states.write(other, replace(states.new("train"), state="stopped", attempts=0))
    with pytest.raises(StudioError):
        generated.act(EN, {"run": "toy/lora/trained", "action": "resume"})
