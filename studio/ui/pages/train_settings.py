"""All settings of a training run: the generated form, presets, the job as YAML, Start."""

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr
import yaml

from studio.config import (
    ConfigError,
    Problem,
    Reading,
    TrainJob,
    fields,
    files,
    list_presets,
    load_preset,
    read_mapping,
)
from studio.errors import StudioError
from studio.text import Catalogue
from studio.ui import choices, events, starting
from studio.ui.form import Form, Values
from studio.ui.parts import monitor

FIRST_ROWS = (
    ("model_name_or_path", "dataset", "template"),
    ("stage", "finetuning_type", "output_dir"),
)
EXTRA = "extra"


class Settings:
    """The form and what stands around it."""

    def __init__(self, t: Catalogue, screen: gr.HTML) -> None:
        self.t = t
        self.screen = screen
        with gr.Accordion(t("train.settings"), open=False, elem_classes=["card", "settings"], elem_id="settings"):
            gr.Markdown(t("train.settings_help"), elem_classes=["quiet"])
            with gr.Row(elem_classes=["preset-bar"], equal_height=True):
                self.preset = gr.Dropdown([], label=t("train.preset"), elem_id="preset", elem_classes=["knob"])
                self.fill = gr.Button(t("train.fill"), elem_id="fill", scale=0, min_width=110)
                self.reset = gr.Button(t("train.reset"), elem_id="reset", scale=0, min_width=110)
            self.form = Form(t, fields(TrainJob), suggested=dict.fromkeys(choices.LIVE, ()))
            for row in FIRST_ROWS:
                self.form.row(*row)
            self.form.rest()
            with gr.Accordion(t("train.extra"), open=False, elem_classes=["fold"]):
                self.extra = gr.Textbox(
                    label=t("train.extra"),
                    info=t("train.extra_help"),
                    lines=3,
                    max_lines=12,
                    elem_id="knob-extra",
                    elem_classes=["knob", "mono"],
                )
            with gr.Accordion(t("train.yaml"), open=False, elem_classes=["fold"]) as self.yaml_fold:
                gr.Markdown(t("train.yaml_help"), elem_classes=["quiet"])
                self.yaml_show = gr.Button(t("train.yaml_show"), size="sm", elem_id="yaml-show")
                self.yaml = gr.Textbox(
                    label=t("train.yaml"),
                    lines=12,
                    max_lines=30,
                    interactive=False,
                    buttons=["copy"],
                    elem_id="yaml",
                    elem_classes=["mono"],
                )
            self.problems = gr.HTML(visible=False, js_on_load=None, elem_classes=["note"], elem_id="problems")
            self.start = gr.Button(t("train.start"), variant="primary", size="lg", elem_id="start")
        self.form.done()

    @property
    def inputs(self) -> set:
        """What a listener takes to read everything."""
        return {*self.form.inputs, self.extra}

    @property
    def outputs(self) -> list:
        """What a listener may change."""
        return [*self.form.outputs, self.extra, self.problems]

    def read(self, values: Values) -> Reading:
        """The job as it stands; ConfigError names what is wrong."""
        return read_mapping("train", self.form.read(values) | self.read_extra(values[self.extra]))

    def read_extra(self, text: str) -> dict[str, Any]:
        """The other keys; ConfigError where the text is no mapping."""
        try:
            found = files.parse(text or "") or {}
        except yaml.YAMLError as error:
            raise StudioError("extra_wrong", reason=str(error).partition("\n")[0]) from error
        if not isinstance(found, dict):
            raise StudioError("extra_wrong", reason=type(found).__name__)
        return {str(key): value for key, value in found.items()}

    def marked(self, problems: Sequence[Problem]) -> dict:
        """Updates that mark what is wrong, and say all of it above Start (a key may have no control)."""
        updates = self.form.mark(problems)
        items = "".join(f"<li>{escape(problem.text(self.t))}</li>" for problem in problems)
        head = self.t("train.problem") if len(problems) == 1 else self.t("train.problems", count=len(problems))
        updates[self.problems] = gr.update(value=f"<b>{escape(head)}</b><ul>{items}</ul>", visible=bool(problems))
        return updates


def build(t: Catalogue, blocks: gr.Blocks, screen: gr.HTML) -> None:
    """Place the settings below the monitor and listen."""
    settings = Settings(t, screen)
    form = settings.form

    def arrive(draft: dict) -> dict:
        presets = [(preset.words(t), preset.name) for preset in list_presets()]
        updates = {settings.preset: gr.update(choices=presets)}
        live, kept = form.suggest(choices.LIVE), form.restore(draft)
        return updates | {control: live.get(control, {}) | kept.get(control, {}) for control in {*live, *kept}}

    def fill(name: str | None) -> dict:
        mapping = dict(load_preset(name).mapping) if name else {}
        extra = {key: value for key, value in mapping.items() if key not in form.knobs}
        return {
            **form.write(mapping),
            form.draft: form.kept(mapping),
            settings.problems: gr.update(visible=False),
            settings.extra: files.dump(extra) if extra else "",
        }

    def start(values: Values) -> dict:
        try:
            reading = settings.read(values)
            run_id = starting.start(reading.job)
        except ConfigError as error:
            return settings.marked(error.problems)
        for notice in reading.notices:
            gr.Info(notice.text(t), duration=events.TOAST_S, title=t("app.notice_title"))
        return {**settings.marked(()), settings.screen: monitor.show(run_id)}

    def show_yaml(values: Values) -> dict:
        try:
            return {**settings.marked(()), settings.yaml: settings.read(values).job.to_yaml()}
        except ConfigError as error:
            return settings.marked(error.problems)

    written = [*settings.outputs, form.draft]
    events.on(t, blocks.load, arrive, form.draft, [settings.preset, *form.outputs])
    events.on(t, settings.fill.click, fill, settings.preset, written)
    events.on(t, settings.reset.click, lambda: fill(None), None, written)
    events.on(t, settings.start.click, start, settings.inputs, [*settings.outputs, screen], show_progress="minimal")
    events.on(t, settings.yaml_show.click, show_yaml, settings.inputs, [*settings.outputs, settings.yaml])
