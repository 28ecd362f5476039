"""The evaluations there are: how far each is, what it came to, and which of them are looked at.

    screen = evaluating_runs.place(t)
    on(t, button.click, start, …, screen)     # start() gives evaluating_runs.show([run_id, …])

Runs of training that predicted at their end stand here too, LLaMA-Factory's among them. All of it follows from the run
folders: every browser sees the same, also after a restart.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
import yaml

from studio import runs
from studio.config import files as config_files
from studio.runs import folder as files
from studio.runs import jobfile, states
from studio.text import Catalogue
from studio.ui.parts import evaluating_frame as frame
from studio.ui.parts import run_cards, serving, summary
from studio.ui.parts.tool import Asked, Words, text_of, whole_of

SHOWN, MOST_SHOWN = 10, 400
FIGURES = ("exact_match", "f1", "sql", "json", "rouge-l", "bleu-4", "sacrebleu", "judge", "perplexity")
NUM_FIGURES = 4
OF_THE_ROWS = ("task", "dataset", "eval_dataset", "val_size", "max_samples", "split", "n_shot", "predict_turns",
               "system_prompts", "shots_dataset", "dataset_dir")  # fmt: skip
IN_HTML = ("title", "help", "none_title", "none_text", "more", "search")
IN_SCRIPT = ("stop", "now", "resume", "monitor", "compare", "elapsed")


def place(t: Catalogue) -> gr.HTML:
    """Put the list on the page."""
    return frame.place(t, "runs", Words(IN_HTML, IN_SCRIPT), [listing, act])


def show(run_ids: Sequence[str], base: str = "") -> dict[str, Any]:
    """The value that makes the list look at once, and choose the runs that were just started."""
    return {"runs": list(run_ids), "base": base, "at": time.time()}


@dataclass(frozen=True)
class Facts:
    """What a run was asked: by which model, and (`rows`) about what, under which system messages. `before`: the model
    before its training."""

    model: str = ""
    adapters: tuple[str, ...] = ()
    before: str = ""
    what: str = ""
    rows: str = ""
    systems: tuple[str, ...] = ()


def listing(t: Catalogue, asked: Asked) -> dict[str, Any] | None:
    """The evaluations in words, the newest first; None if the browser's token says that it has them."""
    limit = min(max(whole_of(asked, "limit", SHOWN), 1), MOST_SHOWN)
    wanted = text_of(asked, "search").lower()
    every = [one for one in runs.listing() if is_evaluation(one)]
    found = [one for one in every if wanted in f"{one.id} {facts_of(Path(one.folder)).what}".lower()]
    bases = {(fact.model, fact.rows): one.id for one in reversed(every)
             if not (fact := facts_of(Path(one.folder))).adapters and _has_results(Path(one.folder))}  # fmt: skip
    rows = [row(t, runs.Run(Path(one.folder)), bases) for one in found[:limit]]
    return run_cards.news(asked, rows, found=len(found), all=len(every))


def is_evaluation(one: runs.Summary) -> bool:
    """Whether a run is an evaluation, or a training that predicted."""
    return one.kind == "evaluate" or (one.kind == "train" and frame.has(Path(one.folder), frame.PREDICTIONS))


def row(t: Catalogue, run: runs.Run, bases: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """One run as the list shows it. `base`: the evaluation of what it was before, on the same rows."""
    shown, fact = run_cards.card(t, run), facts_of(run.folder)
    base = bases.get((fact.before, fact.rows), "") if fact.before else ""
    return shown | {
        "about": about(t, run, fact),
        "figures": figures(t, run.folder),
        "has_results": _has_results(run.folder),
        "stamp": _stamp(run.folder, shown["state"]),
        "base": base if base != run.id else "",
        "can": shown["can"] if run.kind == "evaluate" else [],
    }


def about(t: Catalogue, run: runs.Run, fact: Facts) -> str:
    """Who answered what, and when."""
    who = serving.shown_model(fact.model) if fact.model else ""
    if fact.adapters:
        who += " + " + ", ".join(Path(one).name for one in fact.adapters)
    kind = summary.kind_word(t, run.kind) if run.kind != "evaluate" else ""
    when = summary.moment(run.status.created) if run.status.created else ""
    return " · ".join(filter(None, [kind, who, fact.what, when]))


def figures(t: Catalogue, folder: Path) -> list[str]:
    """The scores that say most, in words."""
    found = files.read_json(folder / frame.RESULTS) or {}
    told = [f"{frame.metric_word(t, key)} {frame.shown(value)}" for key in FIGURES
            if isinstance(value := found.get(f"predict_{key}"), int | float)]  # fmt: skip
    tasks = (files.read_json(folder / frame.BENCHMARK) or {}).get("tasks")
    for name, values in (tasks if isinstance(tasks, dict) else {}).items():
        first = next((one for one in values.items() if isinstance(one[1], int | float)), None) if values else None
        told += [f"{name} {frame.shown(first[1])}"] if first else []
    return told[:NUM_FIGURES]


def facts_of(folder: Path) -> Facts:
    """What a run was asked, read once a file's state."""
    for name in (files.JOB, files.ARGUMENTS):
        stamp = files.stamp(folder / name)
        if any(stamp):
            return _facts(folder / name, stamp)
    return Facts(what=folder.name)


@lru_cache(maxsize=1024)
def _facts(path: Path, _stamp: tuple[int, int]) -> Facts:
    try:
        found = config_files.parse(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return Facts()
    if not isinstance(found, dict):
        return Facts()
    adapters = found.get("adapter_name_or_path") or []
    adapters = tuple(map(str, adapters if isinstance(adapters, list) else [adapters]))
    model = str(found.get("model_name_or_path") or "")
    names = next(filter(None, map(found.get, ("task", "eval_dataset", "dataset", "predictions_from"))), "")
    what = ", ".join(map(str, names)) if isinstance(names, list) else str(names)
    keys = (*OF_THE_ROWS, *(("seed", "held_back_of") if found.get("val_size") else ()))
    rows = json.dumps([found.get(key) for key in keys], default=str)
    systems = found.get("system_prompts")
    systems = tuple(map(str, systems)) if isinstance(systems, list) else ()
    return Facts(model, adapters, model if adapters else _before(model), what, rows, systems)


def _before(model: str) -> str:
    """What a model that a run of the studio trained whole was before."""
    trained = serving.run_of(model)[0] if model and Path(model).is_dir() else None
    return jobfile.value(trained.folder, "model_name_or_path") or "" if trained else ""


def _has_results(folder: Path) -> bool:
    return any(frame.has(folder, name) for name in (frame.PREDICTIONS, frame.BENCHMARK))


def _stamp(folder: Path, state: str) -> str:
    """Another one when there is something else to be seen."""
    names = (frame.RESULTS, frame.BENCHMARK, files.RESULT, *((frame.PREDICTIONS,) if state in states.LIVE else ()))
    seen = [state, frame.has(folder, frame.PREDICTIONS), *(files.stamp(folder / name) for name in names)]
    return hashlib.sha256(str(seen).encode()).hexdigest()[:8]


def act(_t: Catalogue, asked: Asked) -> dict[str, Any]:
    """Do what a button asks."""
    return run_cards.act("evaluate", asked)
