"""Answers beside their labels, row by row: of one evaluation, or of several on the same rows.

The first run that is looked at, or the one chosen in the table, gives the order: worst first, or where it lost or won
most against the base. The others stand beside it, row for row, wherever their files hold it; a row that a run does not
have is left empty.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import gradio as gr
import numpy as np

from studio import runs
from studio.errors import StudioError
from studio.scoring import predictions
from studio.scoring.metrics import SCORES
from studio.scoring.predictions import Predictions
from studio.text import Catalogue
from studio.ui.parts import evaluating_frame as frame
from studio.ui.parts.evaluating_runs import facts_of
from studio.ui.parts.rounds import differences
from studio.ui.parts.tool import Asked, Words, text_of, whole_of

MOST_ROWS, MOST_CHARS, MOST_TEXT = 100, 280, 50_000
ORDERS = ("worst", "best", "lost", "won", "file")
AGAINST = ("lost", "won")
PREFERRED = ("judge", "sql", "f1", "rouge-l", "bleu-4", "sacrebleu", "exact_match")
MARKS = re.compile(r"<[|｜][^<>|｜]{1,40}[|｜]>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>")
ROLE = re.compile(r"\s*(?:system|user|human|assistant|model|tool|observation)\s*(?:\n|:|$)", re.IGNORECASE)
THOUGHT = re.compile(r"<think>\s*(?:</think>)?\s*$")
IN_HTML = ("title", "help", "search", "metric", "order", "of", "none_found", "first", "before", "after", "last", "size",
           *(f"order_{name}" for name in ORDERS))  # fmt: skip
IN_SCRIPT = ("number", "prompt", "label", "no_label", "range", "range_of", "others", "empty", "missing", "extra",
             "try_grammar")  # fmt: skip


def place(t: Catalogue) -> gr.HTML:
    """Put the table on the page."""
    return frame.place(t, "rows", Words(IN_HTML, IN_SCRIPT), [table, row])


def opened(asked: Asked) -> dict[str, Predictions]:
    """The predictions of the runs that the browser names, by run id; those without are left out."""
    found = {}
    for run in frame.runs_of(asked):
        one = read(run)
        if one is not None:
            found[run.id] = one
    return found


def read(run: runs.Run) -> Predictions | None:
    """The predictions of a run; None where it has none that can be read."""
    if not frame.has(run.folder, frame.PREDICTIONS):
        return None
    try:
        return predictions.read(run.folder)
    except StudioError:  # said by the report
        return None


def table(t: Catalogue, asked: Asked) -> dict[str, Any]:
    """Rows from the `offset`th on, in the order that is asked for."""
    found = opened(asked)
    if not found:
        return {"columns": []}
    of = text_of(asked, "of") if text_of(asked, "of") in found else next(iter(found))
    others = [name for name in found if name != of]
    base = text_of(asked, "base") if text_of(asked, "base") in others else next(iter(others), "")
    metrics = [key for key in (*PREFERRED, *SCORES) if key in found[of].columns]
    metrics = list(dict.fromkeys(metrics))
    metric = text_of(asked, "metric") if text_of(asked, "metric") in metrics else next(iter(metrics), "")
    orders = [name for name in ORDERS if name == "file" or (metric and (base or name not in AGAINST))]
    order = text_of(asked, "order") if text_of(asked, "order") in orders else orders[0]
    places = arranged(found[of], found.get(base), metric, order, text_of(asked, "search"))
    offset = max(0, whole_of(asked, "offset"))
    limit = min(max(whole_of(asked, "limit", 25), 1), MOST_ROWS)
    columns = [of, *others]
    sets = "," in facts_of(found[of].file.parent).what  # several were asked, and their rows have the same numbers
    return {
        "columns": columns,
        "of": of,
        "metrics": [[key, frame.metric_word(t, key)] for key in metrics],
        "metric": metric,
        "orders": orders,
        "order": order,
        "rows": [shown_row(t, [found[name] for name in columns], int(place), metric, sets)
                 for place in places[offset : offset + limit]],
        "offset": offset,
        "matched": len(places),
        "num_rows": found[of].num_rows,
    }  # fmt: skip


def arranged(of: Predictions, base: Predictions | None, metric: str, order: str, search: str) -> np.ndarray:
    """The places of the rows that are shown, in their order."""
    places = np.arange(of.num_rows)
    values = of.columns.get(metric)
    if order in AGAINST and base is not None and values is not None:
        there, theirs = of.places_in(base), base.columns.get(metric)
        other = np.full(of.num_rows, np.nan) if theirs is None else np.where(there < 0, np.nan, theirs[there])
        change = (values - other) * (1 if order == "lost" else -1)
        places = np.flatnonzero(change < 0)
        places = places[np.argsort(change[places], kind="stable")]
    elif order in ("worst", "best") and values is not None:
        places = np.argsort(values if order == "worst" else -values, kind="stable")  # rows without it come last
    return places[np.isin(places, of.fitting(search))] if search else places


def shown_row(t: Catalogue, found: list[Predictions], place: int, metric: str, sets: bool = False) -> dict[str, Any]:
    """One row of the table: brief texts, and each run's answer with the score; its set where there are several."""
    lines = beside(found, place)
    first = lines[0]
    return {
        "line": place,
        "number": str(first.get("row") or place + 1),
        "set": str(first.get("dataset") or "") if sets else "",
        "prompt": brief(spoken(first["prompt"]), from_end=True),
        "label": None if first["label"] is None else brief(first["label"]),
        "cells": [None if line is None else cell(t, line, metric) for line in lines],
    }


def beside(found: list[Predictions], place: int) -> list[dict[str, Any] | None]:
    """The same row in each; None where a run has another one there. Raises StudioError where the first has none."""
    if not 0 <= place < found[0].num_rows:
        raise StudioError("evaluate_row_gone", row=place + 1)
    first = found[0].line(place)
    lines: list[dict[str, Any] | None] = [first]
    for other in found[1:]:
        line = other.line(place) if place < other.num_rows else None
        if line is None or any(line.get(key) != first.get(key) for key in predictions.IDENTITY):
            there = int(found[0].places_in(other)[place])  # which reads both files whole
            line = other.line(there) if there >= 0 else None
        lines.append(line)
    return lines


def cell(t: Catalogue, line: Mapping[str, Any], metric: str) -> dict[str, Any]:
    """An answer in the table. `share`: how good it is, 0 to 1."""
    value = line["scores"].get(metric)
    is_number = isinstance(value, int | float)
    share = min(1.0, max(0.0, value / (10 if metric == "judge" else 100))) if is_number else None
    return {"text": brief(line["predict"]), "score": frame.shown(value, 1) if is_number else None, "share": share,
            "metric": frame.metric_word(t, metric) if metric else ""}  # fmt: skip


def row(t: Catalogue, asked: Asked) -> dict[str, Any]:
    """One row whole: the prompt, the label, every answer with its scores and where it differs from the label."""
    found = opened(asked)
    if not found:
        raise StudioError("evaluate_none_chosen")
    names = sorted(found, key=lambda name: name != text_of(asked, "of"))
    lines = beside([found[name] for name in names], whole_of(asked, "line", -1))
    first = lines[0]
    label = first["label"]
    others = first.get("others")
    return {
        "prompt": first["prompt"][:MOST_TEXT],
        "label": None if label is None else label[:MOST_TEXT],
        "lacking": [] if label is None else differences(first["predict"][:MOST_TEXT], label[:MOST_TEXT]),
        "others": json.dumps(others, ensure_ascii=False, indent=1)[:MOST_TEXT] if others else "",
        "about": about(t, first),
        "answers": [answer(t, name, line, label) for name, line in zip(names, lines, strict=True) if line],
    }


def answer(t: Catalogue, name: str, line: Mapping[str, Any], label: str | None) -> dict[str, Any]:
    """An answer whole. `marks`: where it has words that the label has not."""
    text, scores = line["predict"][:MOST_TEXT], line["scores"]
    numbers = [(key, value) for key, value in scores.items() if key in SCORES and isinstance(value, int | float)]
    tokens = scores.get("num_label_tokens")
    told = [{"label": frame.metric_word(t, key), "text": frame.shown(value, 1)} for key, value in numbers]
    if isinstance(scores.get("nll"), int | float) and isinstance(tokens, int) and tokens:
        told.append({"label": frame.metric_word(t, "nll"), "text": frame.shown(scores["nll"] / tokens)})
    verdict = f"evaluate.rows.judge_{scores.get('judge_verdict')}"
    told += [{"label": t("evaluate.rows.judged"), "text": t(verdict)}] if verdict in t else []
    notes = [str(scores[key])[:2000] for key in ("sql_error", "judge_reason") if scores.get(key)]
    marks = [] if label is None else differences(label[:MOST_TEXT], text)
    return {"id": name, "text": text, "marks": marks, "scores": told, "notes": notes}


def about(t: Catalogue, line: Mapping[str, Any]) -> str:
    """Which row of which set it is, which turn, which system message."""
    told = [str(line["dataset"])] if line.get("dataset") else []
    for key in ("row", "turn", "system"):
        if isinstance(line.get(key), int):
            told.append(t(f"evaluate.rows.about_{key}", number=line[key] + (key == "system")))
    return " · ".join(told)


def spoken(prompt: str) -> str:
    """What was said last in a prompt, without the marks of a chat template; all of it where there are no such marks."""
    parts = MARKS.split(THOUGHT.sub("", prompt.rstrip()))
    if len(parts) < 2:
        return prompt
    bare = (ROLE.sub("", part, count=1) if ROLE.match(part) else part for part in parts)
    said = [text for part in bare if (text := part.strip())]
    return said[-1] if said else prompt


def brief(text: str, from_end: bool = False) -> str:
    """How a text begins, or ends, on one line."""
    line = " ".join(text[-4 * MOST_CHARS :].split() if from_end else text[: 4 * MOST_CHARS].split())
    if len(line) <= MOST_CHARS:
        return line
    return f"… {line[-MOST_CHARS:]}" if from_end else f"{line[:MOST_CHARS]} …"
