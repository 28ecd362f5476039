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
                self.fill_in = gr.Button(t("train.fill"), elem_id="fill", scale=0, min_width=110)
                self.reset = gr.Button(t("train.reset"), elem_id="reset", scale=0, min_width=110)
            self.form = Form(t, fields(TrainJob), suggested=dict.fromkeys(choices.LIVE, ()))
            for row in FIRST_ROWS:
                self.form.row(*row)
            self.form.rest()
            self._place_extra()
            self._place_yaml()
            self.problems = gr.HTML(visible=False, js_on_load=None, elem_classes=["note"], elem_id="problems")
            self.start = gr.Button(t("train.start"), variant="primary", size="lg", elem_id="start")
        self.form.done()
        self.form.draft.keep(EXTRA, self.extra)

    def _place_extra(self) -> None:
        t = self.t
        words = {"label": t("train.extra"), "info": t("train.extra_help")}
        with gr.Accordion(t("train.extra"), open=False, elem_classes=["fold"]):
            self.extra = gr.Textbox(
                **words, lines=3, max_lines=12, elem_id=f"knob-{EXTRA}", elem_classes=["knob", "mono"]
            )

    def _place_yaml(self) -> None:
        t = self.t
        looks = {"lines": 12, "max_lines": 30, "elem_id": "yaml", "elem_classes": ["mono"]}
        with gr.Accordion(t("train.yaml"), open=False, elem_classes=["fold"], elem_id="fold-yaml"):
            gr.Markdown(t("train.yaml_help"), elem_classes=["quiet"])
            self.yaml_show = gr.Button(t("train.yaml_show"), size="sm", elem_id="yaml-show")
            self.yaml = gr.Textbox(label=t("train.yaml"), interactive=False, buttons=["copy"], **looks)

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

    # ---- what the listeners do ----

    def arrive(self, draft: dict) -> dict:
        """Fill the dropdowns with what there is now, and bring back what was typed."""
        updates = {self.preset: gr.update(choices=[(preset.words(self.t), preset.name) for preset in list_presets()])}
        live, kept = self.form.suggest(choices.LIVE), self.form.restore(draft)
        updates |= {control: live.get(control, {}) | kept.get(control, {}) for control in {*live, *kept}}
        return updates | {self.extra: gr.update(value=draft[EXTRA]) if EXTRA in draft else gr.skip()}

    def fill(self, name: str | None = None) -> dict:
        """Show a preset, or the defaults."""
        mapping = dict(load_preset(name).mapping) if name else {}
        extra = {key: value for key, value in mapping.items() if key not in self.form.knobs}
        return {
            **self.form.write(mapping),
            self.extra: files.dump(extra) if extra else "",
            self.problems: gr.update(visible=False),
        }

    def begin(self, values: Values) -> dict:
        """Start the job, or mark what keeps it from starting."""
        try:
            reading = self.read(values)
            run_id = starting.start(reading.job)
        except ConfigError as error:
            return self.marked(error.problems)
        for notice in reading.notices:
            gr.Info(notice.text(self.t), duration=events.TOAST_S)
        return {**self.marked(()), self.screen: monitor.show(run_id)}

    def show_yaml(self, values: Values) -> dict:
        """The job as a file."""
        try:
            return {**self.marked(()), self.yaml: self.read(values).job.to_yaml()}
        except ConfigError as error:
            return self.marked(error.problems)


def build(t: Catalogue, blocks: gr.Blocks, screen: gr.HTML) -> None:
    """Place the settings below the monitor and listen."""
    settings = Settings(t, screen)
    form, outputs = settings.form, settings.outputs
    form.draft.on_load(t, blocks, settings.arrive, [settings.preset, settings.extra, *form.outputs])
    events.on(t, settings.fill_in.click, settings.fill, settings.preset, outputs)
    events.on(t, settings.reset.click, lambda: settings.fill(), None, outputs)
    events.on(t, settings.start.click, settings.begin, settings.inputs, [*outputs, screen], show_progress="minimal")
    events.on(t, settings.yaml_show.click, settings.show_yaml, settings.inputs, [*outputs, settings.yaml])
