"""The chosen data set: what it is, what can be done with it, and the lens its rows are looked at through.

    chosen.place(t)
    source = chosen.source_of(asked)               # asked: {"name", "dataset_dir"} as a browser sends them
    lens = chosen.lens_of(source, asked["lens"])   # what is absent or empty has the default

Both raise StudioError for what there is not. Only names of a registry are taken here: a path is added first.
"""

import difflib
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from studio.config import STARTER, BuildJob
from studio.data import characters, register, registry, template
from studio.data.browse import views
from studio.data.source import Source
from studio.errors import StudioError
from studio.runs.requirements import live_build, needed_build
from studio.text import Catalogue
from studio.ui import choices, starting
from studio.ui.parts import set_facts, shelf
from studio.ui.parts.set_facts import USUAL_DIR
from studio.ui.theme import script

STAGES = ("sft", "pt", "dpo", "kto")
CUTOFF_LEN = 2048
MOST_TOKENS = 10_000_000
IN_HTML = (
    "label", "none_title", "none_text", "train", "columns", "remove", "fetch", "bring", "lens", "lens_help",
    "model", "template", "own_template", "stage", "stage_fits", "cutoff_len", "mask_history", "train_on_prompt",
)  # fmt: skip
IN_SCRIPT = (
    "remove_ask", "remove_yes", "cancel", "see_run", "own_template", "stage_fits", "mask_history", "train_on_prompt",
)  # fmt: skip


def place(t: Catalogue) -> gr.HTML:
    """Put the head of the chosen set on the page; it keeps the choice, the address and the lens."""
    words = {key: escape(t(f"dataset.chosen.{key}")) for key in IN_HTML}
    stages = "".join(f'<option value="{stage}">{escape(t(f"dataset.stage_{stage}"))}</option>' for stage in STAGES)
    return gr.HTML(
        html_template=script("chosen.html").format(stages=stages, cutoff=CUTOFF_LEN, **words),
        js_on_load=script("chosen.js"),
        server_functions=[told(t, one) for one in (offered, about, remove, bring)],
        words={key: t(f"dataset.chosen.{key}") for key in IN_SCRIPT},
        usual={"dataset_dir": USUAL_DIR, "model": STARTER, "cutoff_len": CUTOFF_LEN},
        elem_id="chosen-set",
        apply_default_css=False,
    )


def told(t: Catalogue, answer: Callable[[Catalogue, Mapping[str, Any]], Any]) -> Callable:
    """`answer` as the browser calls it, under the same name; a StudioError comes back as its sentence under `error`.

    A row or a name may hold half of a character, which no answer can carry: it comes escaped.
    """

    def ask(asked: object) -> Any:
        try:
            return characters.escaped(answer(t, asked if isinstance(asked, dict) else {}))
        except StudioError as error:
            return {"error": characters.escaped(error.text(t))}

    ask.__name__ = answer.__name__
    return ask


def offered(_t: Catalogue, _asked: Mapping[str, Any]) -> dict[str, list[str]]:
    """The models and templates to look through."""
    return {"models": choices.models(), "templates": sorted(template.names())}


def about(t: Catalogue, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The named set as the list shows it; of one on a hub, the `run` that is bringing it, if any. Raises StudioError
    where no registry has it."""
    name, entry, folder = entry_of(asked)
    found = set_facts.of_entry(t, folder, name, entry, str(asked.get("dataset_dir") or USUAL_DIR))
    return found | {"run": live_build(_set_build(name, asked))} if found["kind"] == "hub" else found


def remove(_t: Catalogue, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Take a set out of the user's own registry; its files stay."""
    name = str(asked.get("name") or "")
    register.remove(name)
    return {"removed": name}


def bring(_t: Catalogue, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Start the run that brings the set from its hub, or (`lens` given) the model it is looked at through."""
    source = source_of(asked)
    if asked.get("lens") is not None:
        job = needed_build(lens_of(source, asked["lens"]).job())
    else:
        job = _set_build(source.name, asked)
    return {"run": (live_build(job) or starting.start(job)) if job else None}


def model_run(lens: views.Lens) -> str | None:
    """The run that is bringing the model of a lens, if any."""
    job = needed_build(lens.job())
    return live_build(job) if job else None


def _set_build(name: str, asked: Mapping[str, Any]) -> BuildJob:
    return BuildJob(what="dataset", dataset=[name], dataset_dir=str(asked.get("dataset_dir") or USUAL_DIR))


def source_of(asked: Mapping[str, Any]) -> Source:
    """The data set a browser names, out of its registry. Raises StudioError naming the nearest."""
    return registry.parse_entry(*entry_of(asked))


def entry_of(asked: Mapping[str, Any]) -> tuple[str, object, Path]:
    """(name, entry, folder of the registry) of the set a browser names; another entry may be at fault."""
    name, dataset_dir = str(asked.get("name") or ""), str(asked.get("dataset_dir") or USUAL_DIR)
    known: dict[str, tuple[object, Path]] = {}
    for place, other, entry in shelf.entries(dataset_dir):
        known.setdefault(other, (entry, place))
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)[:8]
        raise StudioError("data_unknown", name=name[:80], nearest=", ".join(nearest), info=registry.INFO)
    return name, *known[name]


def lens_of(source: Source, asked: object) -> views.Lens:
    """What rows are looked at through; the stage is the set's own where none is asked for."""
    fields = asked if isinstance(asked, dict) else {}
    stage = fields.get("stage") if fields.get("stage") in STAGES else views.stage_of(source)
    cutoff_len = fields.get("cutoff_len")
    whole = type(cutoff_len) is int and 0 < cutoff_len <= MOST_TOKENS
    return views.Lens(
        model_name_or_path=str(fields.get("model_name_or_path") or STARTER),
        template=str(fields.get("template") or "") or None,
        stage=stage,
        cutoff_len=cutoff_len if whole else CUTOFF_LEN,
        mask_history=fields.get("mask_history") is True,
        train_on_prompt=fields.get("train_on_prompt") is True,
    )
