"""The form of a job: controls made from its fields, placed by the page, read and written as one mapping.

    form = Form(t, fields(TrainJob), suggested={"dataset": []})
    form.row("model_name_or_path", "template")      # placed by hand where order matters
    form.section("lora")                            # a fold with the knobs of a section that are not placed yet
    form.rest()                                     # a fold for each section that still has some
    form.done()                                     # every field placed exactly once, listeners attached
    on(t, button.click, start, form.inputs, …)      # start(values): form.read(values) -> {key: value}

A control that does not apply (`when`) is hidden by the browser itself, keeps its value and is absent from what `read`
gives. What was typed is kept in the browser, under the same name in every language.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.context import Context

from studio.config import Knob, Problem, applies
from studio.text import Catalogue
from studio.ui import widgets
from studio.ui.draft import QUIET, Draft
from studio.ui.theme import script

Values = Mapping[Component, Any]


class Form:
    """The controls of one kind of job. Use inside `gr.Blocks`."""

    def __init__(self, t: Catalogue, knobs: Mapping[str, Knob], suggested: Mapping[str, Sequence[Any]]) -> None:
        self.t = t
        self.knobs = dict(knobs)
        self.suggested = suggested
        self.controls: dict[str, Component] = {}
        self.folds: dict[str, tuple[gr.Accordion, list[str]]] = {}
        self.draft = Draft("train")

    # ---- placing ----

    def place(self, key: str) -> Component:
        """One control where the page stands. A second time is a mistake."""
        if key in self.controls:
            raise ValueError(f"{key} is placed twice")
        label, info = self.words(key)
        self.controls[key] = widgets.widget(self.knobs[key], label, info, self.suggested.get(key))
        return self.controls[key]

    def row(self, *keys: str) -> None:
        """Controls side by side, as many as the width takes."""
        with gr.Row(elem_classes=["knobs"]):
            for key in keys:
                self.place(key)

    def section(self, name: str, *, opened: bool = False) -> None:
        """A fold with the knobs of a section that are not placed yet, the advanced ones below the others."""
        keys = [key for key, knob in self.knobs.items() if knob.section == name and key not in self.controls]
        if not keys:
            return
        title = self.t(f"sections.{name}")
        with gr.Accordion(title, open=opened, elem_id=f"fold-{name}", elem_classes=["fold"]) as fold:
            for tier in ("basic", "advanced"):
                of_tier = [key for key in keys if self.knobs[key].ui.tier == tier]
                if of_tier:
                    with gr.Group(elem_classes=["tier", tier]):
                        self.row(*of_tier)
        self.folds[name] = (fold, keys)

    def rest(self) -> None:
        """A fold for each section that still has knobs to place."""
        for name in dict.fromkeys(knob.section for knob in self.knobs.values()):
            self.section(name)

    def done(self) -> None:
        """Check that every field has its control and listen to what the visitor does."""
        missing = self.knobs.keys() - self.controls.keys()
        if missing:
            raise ValueError(f"not placed: {', '.join(sorted(missing))}")
        triggers = self.triggers()
        watched, js = [self.controls[key] for key in triggers], self._hiding_script(triggers)
        for control in watched:
            control.change(None, watched, None, js=js, **QUIET)
        Context.root_block.load(None, watched, None, js=js, **QUIET)
        for key, control in self.controls.items():
            if not self.knobs[key].shape.secret:
                self.draft.keep(key, control)

    # ---- values ----

    @property
    def inputs(self) -> set[Component]:
        """What a listener takes to read the form."""
        return set(self.controls.values())

    @property
    def outputs(self) -> list[Component]:
        """What a listener gives to write or mark the form."""
        return [*self.controls.values(), *(fold for fold, _ in self.folds.values())]

    def read(self, values: Values) -> dict[str, Any]:
        """The job as a mapping: what applies and differs from its default."""
        typed = {key: widgets.from_control(knob, values.get(self.controls[key])) for key, knob in self.knobs.items()}
        full = {key: self.knobs[key].default if value is None else value for key, value in typed.items()}
        return {
            key: value
            for key, value in typed.items()
            if applies(self.knobs[key].ui.when, full) and not self._is_default(key, values.get(self.controls[key]))
        }

    def write(self, mapping: Mapping[str, Any]) -> dict[Component, Any]:
        """Updates that show a job: its values, defaults for the rest, no marks."""
        return {
            control: gr.update(
                value=widgets.to_control(self.knobs[key], mapping.get(key, self.knobs[key].default)), **self._plain(key)
            )
            for key, control in self.controls.items()
        }

    def restore(self, draft: Mapping[str, Any] | None) -> dict[Component, Any]:
        """Updates that show a draft: only what it holds, the rest as it stands."""
        return {
            self.controls[key]: gr.update(value=value) for key, value in (draft or {}).items() if key in self.controls
        }

    def suggest(self, lists: Mapping[str, Callable[[], Sequence[Any]]]) -> dict[Component, Any]:
        """Updates that fill the dropdowns whose choices are alive: models, data sets, templates."""
        return {
            self.controls[key]: gr.update(choices=widgets.choices_of(self.knobs[key], make()))
            for key, make in lists.items()
            if key in self.controls
        }

    def mark(self, problems: Iterable[Problem] = ()) -> dict[Component, Any]:
        """Updates that mark the controls with a problem, in words, and free the others of their marks."""
        updates = {control: gr.update(**self._plain(key)) for key, control in self.controls.items()}
        for problem in problems:
            if problem.key in self.controls:
                control = self.controls[problem.key]
                updates[control] = gr.update(info=problem.text(self.t), elem_classes=["knob", "problem"])
                updates |= {fold: gr.update(open=True) for fold, keys in self.folds.values() if problem.key in keys}
        return updates

    # ---- inside ----

    def words(self, key: str) -> tuple[str, str]:
        """Label and help of a knob; English help is the field's own."""
        help_key = f"knobs.{key}.help"
        return self.t(f"knobs.{key}.label"), self.t(help_key) if help_key in self.t else self.knobs[key].help

    def triggers(self) -> list[str]:
        """The keys that some `when` asks about."""
        parts = {part for knob in self.knobs.values() for part in knob.ui.when.split("&")}
        named = {part.partition("=")[0].strip(" !") for part in parts}
        return [key for key in self.controls if key in named]

    def _hiding_script(self, triggers: Sequence[str]) -> str:
        """A function of the triggers' values that hides what does not apply."""
        rules = {f"knob-{key}": [knob.ui.when] for key, knob in self.knobs.items() if knob.ui.when}
        for name, (_, keys) in self.folds.items():
            rules |= {f"fold-{name}": [self.knobs[key].ui.when for key in keys]}
        code = script("form.js").replace("KEYS", json.dumps(list(triggers))).replace("RULES", json.dumps(rules))
        return code.strip()

    def _is_default(self, key: str, value: Any) -> bool:
        return value in (None, "", []) or value == widgets.to_control(self.knobs[key], self.knobs[key].default)

    def _plain(self, key: str) -> dict[str, Any]:
        return {"info": self.words(key)[1] or None, "elem_classes": ["knob"]}
