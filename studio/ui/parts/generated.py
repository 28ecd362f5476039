"""The runs that had, or have, an endpoint write rows: how far they are, what they made, what was refused and why.

    screen = generated.place(t)
    on(t, button.click, start, …, screen)     # start() gives run_cards.show(run_id)

All of it follows from the run folders (`studio.data.asking.journal`): every browser sees the same, also after a
restart.
"""

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from studio import paths, runs
from studio.data import reading, registry
from studio.data.asking import journal
from studio.data.source import Source
from studio.errors import StudioError
from studio.runs import folder as files
from studio.text import Catalogue
from studio.ui.parts import run_cards, tool
from studio.ui.parts.tool import Asked, Words, text_of

REFUSED_SHOWN = 30
MOST_CHARS = 600
IN_HTML = ("runs", "runs_help", "no_runs")
IN_SCRIPT = ("stop", "now", "resume", "monitor", "refused", "elapsed")


def place(t: Catalogue) -> gr.HTML:
    """Put the runs on the page."""
    return tool.place(t, "generated", Words(IN_HTML, IN_SCRIPT), {}, [listing, act, refused])


def listing(t: Catalogue, asked: Asked) -> dict[str, Any] | None:
    """The latest runs in words; None if the browser's token says that it has them."""
    shown = run_cards.latest("generate")
    known = registry.entries(paths.data()) if shown else {}
    return run_cards.news(asked, [row(t, run, known) for run in shown])


def row(t: Catalogue, run: runs.Run, known: Mapping[str, object]) -> dict[str, Any]:
    """One run as the panel shows it."""
    card = run_cards.card(t, run)  # first: the figures of a run that has finished are its last ones
    figures = files.read_json(run.folder / journal.FIGURES) or {}
    wanted, about = _asked_of(run)
    name = figures.get("dataset") or wanted
    renamed = " " + t("asking.renamed", wanted=wanted, name=name) if name != wanted and figures.get("rows") else ""
    return card | {
        "name": name,
        "about": about,
        "facts": facts(t, figures) + renamed,
        "refused": refusals(t, figures),
        "set": name if name in known and figures.get("rows") else "",
    }


def _asked_of(run: runs.Run) -> tuple[str, str]:
    """The name of the set to be, and what its rows are about, in the words of the job."""
    try:
        job = run.job()
    except StudioError:
        return run.folder.name, ""
    about = job.topic or job.rewrite_dataset or job.seed_tasks or ", ".join(Path(one).name for one in job.documents)
    return job.new_dataset or run.folder.name, f"{job.model or job.server or ''} · {about}"


def facts(t: Catalogue, figures: Mapping[str, Any]) -> str:
    """Rows, tokens and pace so far, in one line."""
    if not figures:
        return ""
    numbers = {key: f"{figures.get(key) or 0:,}" for key in ("rows", "requests", "prompt_tokens", "completion_tokens")}
    return t("dataset.generated.facts", **numbers)


def refusals(t: Catalogue, figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Why rows did not join, the most frequent reason first."""
    counts = figures.get("refused")
    pairs = counts.items() if isinstance(counts, dict) else ()
    return [{"reason": code, "text": reason(t, code), "count": count} for code, count in pairs]


def reason(t: Catalogue, code: object) -> str:
    """A reason in words."""
    key = f"asking.refused_{code}"
    return t(key) if key in t else str(code)


def refused(t: Catalogue, asked: Asked) -> dict[str, Any]:
    """Examples of the rows that a run refused for one reason, as text."""
    file = runs.find(text_of(asked, "run")).folder / journal.REJECTED
    wanted = text_of(asked, "reason")
    if not file.is_file() or not file.stat().st_size:
        return {"rows": []}
    found = (one for _, one in reading.read_rows(Source(name=file.name, path=file)))
    fitting = (one for one in found if isinstance(one, dict) and one.get("reason") == wanted)
    return {"rows": [_shown(one) for one in islice(fitting, REFUSED_SHOWN)]}


def _shown(one: Mapping[str, Any]) -> dict[str, str]:
    text = json.dumps(one.get("row"), ensure_ascii=False, indent=1)
    return {"detail": str(one.get("detail") or "")[:MOST_CHARS], "text": text[:MOST_CHARS]}


def act(_t: Catalogue, asked: Asked) -> dict[str, Any]:
    """Do what a button asks."""
    return run_cards.act("generate", asked)
