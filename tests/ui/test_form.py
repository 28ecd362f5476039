"""The form: every field placed once, values read and written as one mapping, problems at their control."""

import gradio as gr
import pytest

from studio.config import ConfigError, TrainJob, fields, read_mapping
from studio.text import catalogue, languages
from studio.ui.form import Form

KNOBS = fields(TrainJob)


@pytest.fixture(params=languages())
def form(request):
    with gr.Blocks():
        made = Form(catalogue(request.param), KNOBS, suggested={"dataset": []})
        made.row("stage", "finetuning_type")
        made.rest()
        made.done()
    return made


def values(form, **typed):
    """What a listener gets: each control's value."""
    return {control: typed.get(key, control.value) for key, control in form.controls.items()}


def test_every_field_has_its_control(form):
    assert form.controls.keys() == KNOBS.keys()


def test_a_field_left_out_or_placed_twice_is_found():
    with gr.Blocks():
        form = Form(catalogue("en"), KNOBS, {})
        form.place("stage")
        with pytest.raises(ValueError, match="stage is placed twice"):
            form.place("stage")
        with pytest.raises(ValueError, match=r"not placed: .*lora_rank"):
            form.done()


def test_an_untouched_form_asks_for_nothing(form):
    assert form.read(values(form)) == {}


def test_what_is_touched_is_read(form):
    read = form.read(values(form, lora_rank=16, dataset=["a", "b"], learning_rate=1e-4, placeholders="name: Nova"))
    assert read == {"lora_rank": 16, "dataset": ["a", "b"], "learning_rate": 1e-4, "placeholders": {"name": "Nova"}}


def test_what_does_not_apply_is_absent(form):
    assert form.read(values(form, finetuning_type="full", lora_rank=16)) == {"finetuning_type": "full"}


def test_a_job_survives_the_form(form):
    asked = {"model_name_or_path": "org/m", "dataset": ["d"], "lora_alpha": 3, "max_samples": 7, "bf16": True,
             "sample_prompts": ["Who, then?"], "eval_strategy": "steps", "eval_steps": 5, "val_size": 0.1}  # fmt: skip
    job = read_mapping("train", asked).job
    updates = form.write(job.to_mapping())
    shown = {control: updates[control]["value"] for control in form.controls.values()}
    assert read_mapping("train", form.read(shown)).job == job


def test_a_problem_marks_its_control_in_the_forms_language(form):
    with pytest.raises(ConfigError) as caught:
        read_mapping("train", form.read(values(form, model_name_or_path="m", dataset=["d"], learning_rate=-1)))
    updates = form.mark(caught.value.problems)
    marked = {key for key, control in form.controls.items() if "problem" in updates[control]["elem_classes"]}
    assert marked == {"learning_rate"}
    control = form.controls["learning_rate"]
    assert updates[control]["info"] == caught.value.problems[0].text(form.t)
    fold, _ = form.folds["training"]
    assert updates[fold]["open"] is True
    freed = form.mark()
    assert freed[control]["elem_classes"] == ["knob"] and freed[control]["info"] == form.words("learning_rate")[1]


def test_a_draft_brings_back_only_what_it_holds(form):
    updates = form.restore({"lora_rank": 32, "no_such_key": 1})
    assert {control.elem_id: update["value"] for control, update in updates.items()} == {"knob-lora_rank": 32}


def test_no_secret_is_kept_in_the_browser(form):
    secrets = {control._id for key, control in form.controls.items() if KNOBS[key].shape.secret}
    root = gr.context.Context.root_block or form.controls["stage"].parent
    while root.parent is not None:
        root = root.parent
    kept = {target for fn in root.fns.values() if "studio.keep" in str(fn.js) for target, _ in fn.targets}
    assert secrets and kept and not secrets & kept
