"""Answers split into named fields: a grammar tried on one answer as it is typed, then on all answers of a run."""

import json
from typing import Any

import gradio as gr

from studio.errors import StudioError
from studio.scoring import grammar
from studio.text import Catalogue
from studio.ui.parts import evaluating_frame as frame
from studio.ui.parts.evaluating_rows import read
from studio.ui.parts.tool import Asked, Words, text_of, whole_of

MOST_CHARS = 50_000
IN_HTML = ("title", "help", "grammar", "usual", "shipped", "answer", "answer_help", "fields", "run", "write",
           "another")  # fmt: skip
IN_SCRIPT = ("written", "nothing")


def place(t: Catalogue) -> gr.HTML:
    """Put the tool on the page."""
    return frame.place(t, "fields", Words(IN_HTML, IN_SCRIPT), [readable, shipped, attempt, answer, write])


def readable(_t: Catalogue, asked: Asked) -> dict[str, list[str]]:
    """Which of the runs that are looked at have answers."""
    return {"runs": [run.id for run in frame.runs_of(asked) if read(run)]}


def shipped(_t: Catalogue, _asked: Asked) -> dict[str, Any]:
    """The grammars that come along, as text."""
    return {"grammars": [[name, (grammar.SHIPPED / f"{name}.yaml").read_text("utf-8")] for name in grammar.shipped()]}


def attempt(_t: Catalogue, asked: Asked) -> dict[str, Any]:
    """The fields of one answer, as JSON. Raises StudioError that says what is wrong with the grammar."""
    found = grammar.split(parsed(asked), str(asked.get("text") or "")[:MOST_CHARS])
    return {"fields": json.dumps(found, ensure_ascii=False, indent=2)}


def answer(_t: Catalogue, asked: Asked) -> dict[str, Any]:
    """An answer of a run to try on."""
    found = read(frame.run_of(asked))
    if not found or not found.num_rows:
        return {"text": "", "number": 0, "num_rows": 0}
    number = whole_of(asked, "number") % found.num_rows
    return {"text": found.line(number)["predict"][:MOST_CHARS], "number": number, "num_rows": found.num_rows}


def write(_t: Catalogue, asked: Asked) -> dict[str, Any]:
    """Split every answer of a run into its `predict_postprocessed.json`."""
    written = grammar.postprocess(frame.run_of(asked).folder, parsed(asked))
    return {"path": str(written.path), "count": written.count, "odd": written.odd}


def parsed(asked: Asked) -> grammar.Grammar:
    """The grammar that was typed; a path is none here."""
    written = text_of(asked, "grammar")
    if not written:
        raise StudioError("evaluate_no_grammar")
    return grammar.parse(written[:MOST_CHARS])
