"""Export: choose a run or a model with adapters, tick the forms, see what they take, start; the exports stand below.

The form is made from `ExportJob` (form.py). Four of its controls are worked by the board (`assets/exporting.js`), which
shows them as cards and as a list: the forms, the types of GGUF, what makes weights small, and the adapters in order.
What the board tells beside them comes from the plan (exporting_plan.py).
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from studio.config import ConfigError, ExportJob, Knob, Problem, fields, read_mapping
from studio.text import Catalogue
from studio.ui import choices, events, starting
from studio.ui.form import Form
from studio.ui.parts import exporting_plan as plans
from studio.ui.parts import exporting_runs, run_cards, serving
from studio.ui.parts.chosen import told
from studio.ui.theme import script

STORE = "export"
LEFT_OUT = ("export_legacy_format", "om_hub_token")  # off is all there is; of data sets alone
ON_BOARD = ("adapter_name_or_path", "export_formats", "gguf_types", "export_quantization_method")
OF_THE_SOURCE = ("model_name_or_path", "adapter_name_or_path", *(
    key for key in serving.INHERITED if key in fields(ExportJob)
))  # fmt: skip
VOICE = ("template", "default_system", "tool_format", "enable_thinking")
PUSH = ("push_to_hub", "push_hub", "export_hub_model_id", "push_private")
FOLDS = ("export", "gguf", "few_bits", "hub", "model", "run")
# The run that an address asks for (`?tab=export&run=ID`), beside what the browser has kept.
WISH = (
    "((asked) => ({'@run': asked.get('tab') === 'export' ? asked.get('run') : null}))"
    "(new URL(location.href).searchParams)"
)
IN_HTML = (
    "adapters", "adapters_help", "no_adapters", "adapter", "adapter_hint", "add", "forms", "forms_help",
)  # fmt: skip
IN_SCRIPT = ("up", "down", "remove", "size")


def place(t: Catalogue, blocks: gr.Blocks) -> None:
    """Put the form and the exports on the page."""
    Exporting(t).listen(blocks)


class Exporting:
    """The controls of the tab. Use inside `gr.Blocks`."""

    def __init__(self, t: Catalogue) -> None:
        self.t = t
        knobs = {key: shown(knob) for key, knob in fields(ExportJob).items() if key not in LEFT_OUT}
        suggested = dict.fromkeys(("model_name_or_path", "template", "export_quantization_dataset"), ())
        self.form = Form(t, knobs, suggested, store=STORE)
        with gr.Column(elem_classes=["card", "own"], elem_id="exporting-form"):
            self._say("title", "help", "h2")
            with gr.Row(elem_classes=["knobs"]):
                self.source = gr.Dropdown(
                    [], label=t("export.source"), info=t("export.source_help"), allow_custom_value=True, value="",
                    elem_id="export-source", elem_classes=["knob"],
                )  # fmt: skip
                self.form.place("model_name_or_path")
            with gr.Column(elem_id="export-held"):
                self.form.row(*ON_BOARD)
            self.board = self._board()
            self.form.row("export_quantization_bit", "export_dir", "export_device", "expected_sha256")
            with self._fold("voice", "export.voice"):
                self.form.row(*VOICE)
            for section in FOLDS:
                self.form.section(section)
            with self._fold("push", "sections.push"):
                self._say_tokens()
                self.form.row(*PUSH)
            self.form.rest()
            self.form.done()
            for key in ("export_dir", "expected_sha256"):
                self.form.controls[key].placeholder = t(f"export.hint_{key}")
            gr.HTML(
                html_template='<p class="preflight" role="status" data-part="room" hidden></p>',
                js_on_load=script("exporting_room.js"), elem_id="export-room", apply_default_css=False,
            )  # fmt: skip
            with gr.Row(elem_classes=["start-bar"]):
                self.start = gr.Button(
                    t("export.start"), variant="primary", elem_id="export-start", scale=0, min_width=180
                )
        self.panel = exporting_runs.place(t)

    def _fold(self, name: str, title: str) -> gr.Accordion:
        return gr.Accordion(self.t(title), open=False, elem_id=f"{STORE}-fold-{name}", elem_classes=["fold"])

    def _say(self, title: str, text: str, tag: str) -> None:
        html = "<{0}>{1}</{0}><p class='quiet'>{2}</p>".format(tag, *(self.t(f"export.{key}") for key in (title, text)))
        gr.HTML(html, js_on_load=None, apply_default_css=False, elem_classes=["step"])

    def _say_tokens(self) -> None:
        """Where the tokens of the hubs stand, and which of them are there."""
        lines = "".join(f"<p class='quiet'>{escape(line)}</p>" for line in plans.tokens(self.t))
        gr.HTML(lines, js_on_load=None, apply_default_css=False, elem_id="export-tokens")

    def _board(self) -> gr.HTML:
        t = self.t

        def plan(_: Catalogue, asked: Mapping[str, Any]) -> dict[str, Any]:
            draft = asked.get("draft")
            return self.plan(draft if isinstance(draft, dict) else {})

        words = {key: escape(t(f"export.{key}")) for key in IN_HTML}
        return gr.HTML(
            html_template=script("exporting.html").format(**words),
            js_on_load=script("exporting.js"),
            css_template=script("tools.css"),
            server_functions=[told(t, plan)],
            words={key: t(f"export.{key}") for key in IN_SCRIPT},
            store=STORE,
            held=ON_BOARD,
            cards=plans.cards(t),
            elem_id="exporting",
            apply_default_css=False,
        )

    # ---- listening ----

    def listen(self, blocks: gr.Blocks) -> None:
        """Fill the dropdowns at each visit, take a run from the address, work the board, start."""
        t, form, controls = self.t, self.form, self.form.controls
        form.draft.keep("source", self.source)
        held = [*controls.values(), self.source]
        form.draft.on_load(t, blocks, self.arrive, held, more=WISH)
        events.on(t, self.source.focus, lambda: gr.update(choices=serving.sources()), None, self.source)
        events.on(t, self.source.input, self.choose, self.source, held, trigger_mode="always_last")
        # In the browser alone, so that picks stay in their order and Start sees the last of them.
        picked = f"(board) => {json.dumps(ON_BOARD)}.map((key) => board.picked[key])"
        boards = [controls[key] for key in ON_BOARD]
        events.on(t, self.board.pick, None, self.board, boards, js=picked, trigger_mode="multiple")
        events.on(
            t, self.start.click, self.begin, form.inputs, [*form.outputs, self.board, self.panel],
            show_progress="minimal",
        )  # fmt: skip

    def arrive(self, kept: dict) -> dict:
        """What there is to choose from, and what was typed before; a run in the address goes before that."""
        live = self.form.suggest({"model_name_or_path": choices.models, "template": choices.templates,
                                  "export_quantization_dataset": choices.datasets})  # fmt: skip
        live[self.source] = gr.update(choices=serving.sources())
        typed = self.form.restore({key: value for key, value in kept.items() if isinstance(key, str)})
        wish, held = kept.get("@run"), kept.get("source")
        typed |= {self.source: gr.update(value=held)} if held else {}
        if wish and wish != held and is_source(wish):
            typed |= self.choose(wish) | {self.source: gr.update(value=wish)}
        return {control: live.get(control, {}) | typed.get(control, {}) for control in {*live, *typed}}

    def choose(self, key: str | None) -> dict:
        """Show what a run, a checkpoint or a model brings: its base, its adapters in order, how it is loaded."""
        if not (key or "").strip():
            return {self.source: gr.skip()}
        found = serving.source_of(key)
        settings = {name: value for name, value in found.settings.items() if name in OF_THE_SOURCE}
        mapping = {**settings, "model_name_or_path": found.model, "adapter_name_or_path": list(found.adapters)}
        updates = self.form.write(mapping)
        return {self.form.controls[name]: updates[self.form.controls[name]] for name in OF_THE_SOURCE}

    # ---- what would happen, and Start ----

    def plan(self, draft: Mapping[str, Any]) -> dict[str, Any]:
        """What the board tells of a draft: sizes, room on the disk, what cannot be made here and why."""
        mapping = self.form.read_draft(draft) | explicit(draft)
        try:
            job, problems = read_mapping("export", mapping).job, {}
        except ConfigError as error:
            job, problems = plans.lenient(mapping), self.form.marks(error.problems)
        return plans.plan(self.t, job, problems)

    def begin(self, values: Mapping) -> dict:
        """Start the run, or mark what keeps it from starting."""
        held = {key: values.get(self.form.controls[key]) for key in ON_BOARD}
        try:
            reading = read_mapping("export", self.form.read(values) | explicit(held))
            plans.check(self.t, reading.job)
            run_id = starting.start(plans.placed(reading.job))
        except ConfigError as error:
            return self._marked(error.problems)
        for notice in reading.notices:
            gr.Info(notice.text(self.t), duration=events.TOAST_S)
        return {**self._marked(()), self.panel: run_cards.show(run_id)}

    def _marked(self, problems: tuple[Problem, ...] | list[Problem]) -> dict:
        return {**self.form.mark(problems), self.board: {"marks": self.form.marks(problems)}}


def explicit(held: Mapping[str, Any]) -> dict[str, list]:
    """No form ticked is none, not the usual ones: a list that was emptied says so."""
    return {"export_formats": []} if held.get("export_formats") == [] else {}


def shown(knob: Knob) -> Knob:
    """The knob as this form shows it: nothing is hidden by its tier, the folds are enough."""
    return replace(knob, ui=replace(knob.ui, tier="basic"))


def is_source(key: object) -> bool:
    """Whether an address names a run that has left something; any other is passed over."""
    run, folder = serving.run_of(str(key))
    return run is not None and serving.is_loadable(folder)
