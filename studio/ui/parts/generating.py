"""Generate: the form of a job that has an endpoint write rows, and the runs of that kind with what came of them.

The form is made from `GenerateJob` (form.py), its runs are runs like all others: they stand in the list of runs and in
the monitor too. What somebody uploads to be asked about is kept below `paths.data()`, so that a run can be resumed.
"""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import gradio as gr

from studio import paths, runs
from studio.config import ConfigError, GenerateJob, Knob, fields, read_mapping
from studio.data import asking
from studio.data.asking.documents import KINDS
from studio.errors import StudioError
from studio.runs import states
from studio.text import Catalogue, catalogue
from studio.ui import choices, events, starting
from studio.ui.form import Form
from studio.ui.parts import generated, run_cards

SECTIONS = ("generation", "endpoint", "criteria")
STORE = "generate"
PLACEHOLDERS = {
    "new_dataset": "my_tasks", "api_base": "https://api.example.com/v1", "model": "my-model",
}  # fmt: skip


def place(t: Catalogue, blocks: gr.Blocks) -> None:
    """Put the form and the runs on the page."""
    Generating(t).listen(blocks)


class Generating:
    """The controls of the tool. Use inside `gr.Blocks`."""

    def __init__(self, t: Catalogue) -> None:
        self.t = t
        knobs = {key: shown(knob) for key, knob in fields(GenerateJob).items() if knob.section in SECTIONS}
        suggested = dict.fromkeys(("server", "seed_tasks", "rewrite_dataset", "documents"), ())
        self.form = Form(t, knobs, suggested, store=STORE)
        with gr.Column(elem_classes=["card", "own"], elem_id="generating-form"):
            self._say("title", "help", "h2")
            self._say("what", "what_help")
            self.form.row("way", "new_dataset", "num_rows", "prompt_language")
            self.form.row("topic", "seed_tasks", "documents", "rewrite_dataset", "rewrite_instruction")
            self.upload = gr.UploadButton(
                t("dataset.generating.upload"), file_count="multiple", file_types=list(KINDS), size="sm",
                elem_id="generate-upload", visible=False, scale=0,
            )  # fmt: skip
            self._say("whom", "whom_help")
            self.form.row("server", "api_base", "model", "endpoint_key")
            with gr.Accordion(t("dataset.generating.words"), open=False, elem_classes=["fold"]):
                self.form.row("ask_prompt")
                self.words = gr.Button(t("dataset.generating.own_words"), size="sm", scale=0, elem_id="generate-words")
            for section in SECTIONS:
                self.form.section(section)
            self.form.done()
            self._name_choices()
            self.start = gr.Button(
                t("dataset.generating.start"), variant="primary", elem_id="generate-start", scale=0, min_width=180
            )
        self.panel = generated.place(t)

    def _say(self, title: str, text: str, tag: str = "h3") -> None:
        words = (self.t(f"dataset.generating.{key}") for key in (title, text))
        html = "<{0}>{1}</{0}><p class='quiet'>{2}</p>".format(tag, *words)
        gr.HTML(html, js_on_load=None, apply_default_css=False, elem_classes=["step"])

    def _name_choices(self) -> None:
        """The ways and languages in words, and what a box may hold."""
        t, controls = self.t, self.form.controls
        named = {"way": way_word, "prompt_language": language_word, "answer_language": script_word}
        for key, label in named.items():
            controls[key].choices = [(label(t, value), value) for _, value in controls[key].choices]
        for key, text in PLACEHOLDERS.items():
            controls[key].placeholder = text

    def listen(self, blocks: gr.Blocks) -> None:
        """Fill the dropdowns at each visit; start, take uploads, show the studio's own words."""
        t, form, controls = self.t, self.form, self.form.controls
        form.draft.on_load(t, blocks, self.arrive, list(controls.values()))
        events.on(t, controls["server"].focus, lambda: gr.update(choices=servers()), None, controls["server"])
        events.on(t, controls["way"].change, is_asked, controls["way"], self.upload, trigger_mode="always_last")
        events.on(t, self.upload.upload, keep, [self.upload, controls["documents"]], controls["documents"])
        taken = [controls["way"], controls["prompt_language"]]
        events.on(t, self.words.click, asking.default_prompt, taken, controls["ask_prompt"])
        outputs = [*form.outputs, self.panel]
        events.on(t, self.start.click, self.begin, form.inputs, outputs, show_progress="minimal")

    def arrive(self, kept: dict) -> dict:
        """What there is to choose from, and what was typed before."""
        sets = dict.fromkeys(("seed_tasks", "rewrite_dataset"), choices.datasets)
        live = self.form.suggest({"server": servers} | sets)
        typed = self.form.restore(kept)
        return {control: live.get(control, {}) | typed.get(control, {}) for control in {*live, *typed}}

    def begin(self, values: Mapping) -> dict:
        """Start the run, or mark what keeps it from starting."""
        try:
            reading = read_mapping("generate", self.form.read(values))
            run_id = starting.start(reading.job)
        except ConfigError as error:
            return self.form.mark(error.problems)
        for notice in reading.notices:
            gr.Info(notice.text(self.t), duration=events.TOAST_S)
        return {**self.form.mark(), self.panel: run_cards.show(run_id)}


def way_word(t: Catalogue, way: str) -> str:
    """A way of making rows in words."""
    return t(f"dataset.generating.way_{way}")


def language_word(_t: Catalogue, code: str) -> str:
    """A language in its own name."""
    return catalogue(code)("app.language")


def script_word(t: Catalogue, code: str) -> str:
    """The script of answers in words."""
    return t(f"dataset.generating.script_{code}")


def shown(knob: Knob) -> Knob:
    """The knob as this form shows it: nothing is hidden by its tier, the folds are enough."""
    return replace(knob, ui=replace(knob.ui, tier="basic"))


def servers() -> list[str]:
    """The servers of the studio that run, by their ids."""
    return [one.id for one in runs.listing() if one.kind == "serve" and one.state in states.ALIVE]


def is_asked(way: str) -> dict:
    """The button for documents, where documents are asked about."""
    return gr.update(visible=way == "questions")


def keep(files: list[str] | None, documents: list[str] | None) -> dict:
    """Add uploaded documents to those there are, kept where they stay."""
    return gr.update(value=[*(documents or []), *(str(kept(Path(file))) for file in files or ())])


def kept(file: Path) -> Path:
    """An uploaded document, copied below `paths.data()` under a free name."""
    folder = paths.data() / "documents"
    number, place = 1, folder / file.name
    while place.exists():
        number, place = number + 1, folder / f"{file.stem}_{number + 1}{file.suffix}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.part")
        shutil.copyfile(file, draft)
        draft.replace(place)
    except OSError as error:
        raise StudioError("document_not_kept", file=file.name, reason=error.strerror or error) from error
    return place
