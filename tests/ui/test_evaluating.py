"""The form of the Evaluate tab: a job for each model and for its base, with the rows that a run held back."""

import json

import gradio as gr
import pytest
from acting import key_of

from studio.config import ConfigError
from studio.runs import folder as files
from studio.text import catalogue
from studio.ui import starting
from studio.ui.parts import evaluating_jobs as jobs
from studio.ui.parts.evaluating import Evaluating, wish

EN = catalogue("en")
TRAINED = {"kind": "train", "schema_version": 1, "model_name_or_path": "toy/base", "dataset": ["identity"],
           "val_size": 0.2, "seed": 7, "template": "chatml", "quantization_bit": 4, "max_samples": 50,
           "per_device_eval_batch_size": 1, "stage": "dpo", "cutoff_len": 512}  # fmt: skip


@pytest.fixture(scope="module")
def form():
    """The tool inside a page, with something in the place of the list of runs."""
    with gr.Blocks():
        return Evaluating(EN, gr.HTML())


@pytest.fixture
def trained(home):
    """A run that was trained: `trained("nova", val_size=0)` gives its id."""

    def write(name="nova", whole=False, **more):
        folder = home / "saves" / "toy" / "lora" / name
        folder.mkdir(parents=True)
        (folder / files.JOB).write_text(json.dumps(TRAINED | more))
        card = folder / ("config.json" if whole else "adapter_config.json")
        card.write_text(json.dumps({} if whole else {"base_model_name_or_path": "toy/base"}))
        return f"toy/lora/{name}"

    return write


def asked(keys, typed=None, with_base=True):
    return jobs.plan(keys, typed or {}, with_base)


def test_a_run_is_asked_about_the_rows_it_held_back_and_so_is_its_base(trained, home):
    nova = trained()
    tuned, base = asked([nova])
    job = tuned.reading.job
    assert job.adapter_name_or_path == [str(home / "saves" / nova)] and job.model_name_or_path == "toy/base"
    rows = (job.dataset, job.val_size, job.seed, job.max_samples)
    assert rows == (["identity"], 0.2, 7, 50) and job.held_back_of == str(home / "saves" / nova)
    assert (job.template, job.quantization_bit, job.cutoff_len, job.stage) == ("chatml", 4, 512, "sft")
    assert job.per_device_eval_batch_size is None  # the training's is about the training
    assert not tuned.is_base and not tuned.learned_rows and tuned.name == "nova-identity-val"
    other = base.reading.job
    assert base.is_base and other.adapter_name_or_path == [] and base.name == "base-identity-val"
    assert (other.dataset, other.val_size, other.seed, other.template) == (["identity"], 0.2, 7, "chatml")
    assert other.held_back_of == job.held_back_of
    [zero] = asked([trained("zero", seed=0)], with_base=False)
    assert zero.reading.job.seed == 0


def test_the_rows_it_learned_from_are_said_to_be_those(trained):
    assert all(one.learned_rows for one in asked([trained(val_size=0)]))
    assert asked(["toy/lora/nova"], {"dataset": ["alpaca_en_demo", "identity"]})[0].learned_rows
    assert not asked(["toy/lora/nova"], {"dataset": ["alpaca_en_demo"]})[0].learned_rows
    own = asked([trained("with-own-set", eval_dataset=["alpaca_en_demo"], val_size=0)])
    assert own[0].reading.job.eval_dataset == ["alpaca_en_demo"] and own[0].reading.job.dataset == []
    assert not own[0].learned_rows


def test_what_is_chosen_takes_the_place_of_the_runs_own_rows(trained):
    nova = trained()
    [one] = asked([nova], {"dataset": ["alpaca_en_demo"], "max_new_tokens": 32}, with_base=False)
    job = one.reading.job
    assert (job.dataset, job.val_size, job.max_samples, job.seed) == (["alpaca_en_demo"], 0, None, 42)
    assert job.max_new_tokens == 32 and job.template == "chatml" and one.name == "nova-alpaca_en_demo"
    [exam] = asked([nova], {"task": "mini"}, with_base=False)
    assert exam.reading.job.task == "mini" and exam.reading.job.dataset == [] and exam.name == "nova-mini"


def test_runs_of_one_base_have_it_asked_once_and_last(trained):
    found = asked([trained("a"), trained("b"), "toy/base"], {"dataset": ["identity"]})
    assert [one.name for one in found] == ["a-identity", "b-identity", "base-identity", "base-identity"]
    brought = [one.reading.job.template for one in found]
    assert brought == ["chatml", "chatml", None, "chatml"]  # a model by its name brings nothing: another evaluation
    whole = asked([trained("whole", whole=True)])
    assert whole[0].reading.job.adapter_name_or_path == [] and whole[1].reading.job.model_name_or_path == "toy/base"


def test_what_cannot_be_asked_is_said(trained):
    assert key_of(asked, []) == "evaluate_no_model"
    assert key_of(asked, [f"m{number}" for number in range(13)], {"task": "mini"}) == "evaluate_too_many"
    with pytest.raises(ConfigError) as found:
        asked(["toy/base"])
    assert [problem.key for problem in found.value.problems] == ["dataset"]
    [scored] = asked(["toy/base"], {"predictions_from": "/some/folder"})
    assert scored.reading.job.model_name_or_path is None and scored.name == "predictions-folder"
    assert scored.reading.job.predictions_from == "/some/folder"


def values(form, models, **typed):
    """What a listener is given where this was typed."""
    found = {control: typed.get(key, control.value) for key, control in form.form.controls.items()}
    return found | {form.models: models, form.base: True}


def test_the_form_starts_a_run_for_each_and_names_the_base(form, trained, monkeypatch):
    begun, told = [], []
    start = lambda job, name: begun.append((job, name)) or starting.Begun(f"toy/evaluate/{name}")  # noqa: E731
    monkeypatch.setattr(starting, "begin", start)
    monkeypatch.setattr(gr, "Info", lambda text, **_: told.append(text))
    updates = form.begin(values(form, [trained()], judge_api_base="http://127.0.0.1:9/v1", judge_model="toy",
                                judge_key="sekrit"))  # fmt: skip
    shown = updates[form.panel]
    assert shown["runs"] == ["toy/evaluate/nova-identity-val", "toy/evaluate/base-identity-val"]
    assert shown["base"] == shown["runs"][1] and any("2" in text for text in told)
    assert "sekrit" in begun[0][0].secrets().values() and "sekrit" not in begun[0][0].to_yaml()


def test_what_is_wrong_is_marked_and_nothing_starts(form, monkeypatch):
    monkeypatch.setattr(starting, "begin", lambda *_: pytest.fail("it started"))
    updates = form.begin(values(form, ["toy/base"], n_shot="3"))
    marks = updates[form.form.face]["value"]["marks"]
    assert {"dataset", "shots_dataset"} <= set(marks) and form.panel not in updates


def test_the_form_comes_back_as_it_was(form, trained):
    nova = trained()
    updates = form.arrive({"@models": [nova], "@base_too": False, "max_new_tokens": 64})
    assert updates[form.base] is False and wish([nova, 3]) == [nova] and "value" not in wish([])
    assert updates[form.form.controls["max_new_tokens"]]["value"] == 64
    assert nova in [key for _, key in updates[form.models]["choices"]]
