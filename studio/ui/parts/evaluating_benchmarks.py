"""Benchmarks: the figures of each category and task, runs side by side, and the questions with what was answered."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr

from studio import runs
from studio.runs import folder as files
from studio.text import Catalogue
from studio.ui.parts import evaluating_frame as frame
from studio.ui.parts.tool import Asked, Words, text_of, whole_of

SAMPLES = "benchmark_samples.jsonl"
MOST_ROWS, MOST_CHARS, MOST_LINES = 50, 6_000, 400
LOWER = re.compile(r" · (?:\w*perplexity|bits_per_byte|ter|brier_score)(?: \(|$)")  # metrics whose least is best
IN_HTML = ("title", "help", "questions", "of", "task", "every_task", "only", "only_wrong", "only_right", "only_all",
           "before", "after", "none")  # fmt: skip
IN_SCRIPT = ("name", "answer", "label", "range", "right", "wrong")


@dataclass(frozen=True)
class Question:
    """Where a question stands in the file, and whether it was answered right; None where no right answer is known."""

    begin: int
    task: str
    correct: bool | None


def place(t: Catalogue) -> gr.HTML:
    """Put the part on the page."""
    return frame.place(t, "benchmarks", Words(IN_HTML, IN_SCRIPT), [figures, questions])


def figures(t: Catalogue, asked: Asked) -> dict[str, Any]:
    """The figures of the benchmarks of the runs, one line a category or task; runs without one are left out."""
    found = {run.id: result for run in frame.runs_of(asked) if (result := _result(run))}
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for name, result in found.items():
        for group, label, value in _lines(result):
            lines.setdefault((group, label), {})[name] = value
    return {
        "columns": list(found),
        "asked": [_count(result) for result in found.values()],
        "rows": [
            {"group": group, "label": label, "values": [_shown(values.get(name)) for name in found],
             "best": _best(label, [values.get(name) for name in found])}
            for (group, label), values in islice(lines.items(), MOST_LINES)
        ],
        "notes": list(dict.fromkeys(note for result in found.values() for note in _left_out(t, result))),
        "with_questions": [run.id for run in frame.runs_of(asked) if frame.has(run.folder, SAMPLES)],
    }  # fmt: skip


def _left_out(t: Catalogue, result: Mapping[str, Any]) -> list[str]:
    """The exams that were asked and not scored, and why."""
    found = result.get("left_out")
    pairs = found.items() if isinstance(found, dict) else ()
    named = {why: f"scoring.left_out.{why}" for _, why in pairs if isinstance(why, str)}
    return [t("evaluate.report.left_out", metrics=exam, reason=t(named[why]) if named[why] in t else why)
            for exam, why in pairs if isinstance(why, str)]  # fmt: skip


def _result(run: runs.Run) -> dict[str, Any] | None:
    return files.read_json(run.folder / frame.BENCHMARK)


def _lines(result: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """(group, name, figure): categories first, then each task's metrics."""
    told = []
    for part in ("categories", "tasks"):
        values = result.get(part)
        for name, value in (values if isinstance(values, dict) else {}).items():
            inner = value.items() if isinstance(value, dict) else [("", value)]
            told += [(part, f"{name} · {key}" if key else str(name), one) for key, one in inner if _is_number(one)]
    return told


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(result: Mapping[str, Any]) -> int:
    return result["num_questions"] if isinstance(result.get("num_questions"), int) else 0


def _shown(value: Any) -> str:
    return frame.shown(value) if value is None or not isinstance(value, int) else f"{value:,}"


def _best(label: str, values: list[Any]) -> int:
    """The place of the best; -1 where there is but one, or all are the same."""
    numbers = [value for value in values if _is_number(value)]
    if len(numbers) < 2 or max(numbers) == min(numbers):
        return -1
    return values.index((min if LOWER.search(label) else max)(numbers))


def questions(_t: Catalogue, asked: Asked) -> dict[str, Any]:
    """The questions of one run from the `offset`th on: all, or those answered right or wrong."""
    file = frame.run_of(asked).folder / SAMPLES
    if not file.is_file():
        return {"tasks": [], "rows": [], "matched": 0, "offset": 0}
    every = _index(file, files.stamp(file))
    task, only = text_of(asked, "task"), text_of(asked, "only")
    wanted = {"right": (True,), "wrong": (False,)}.get(only, (True, False, None))
    fitting = [one for one in every if task in ("", one.task) and one.correct in wanted]
    offset = max(0, whole_of(asked, "offset"))
    limit = min(max(whole_of(asked, "limit", 10), 1), MOST_ROWS)
    with open(file, "rb") as stream:
        rows = [_question(stream, one) for one in fitting[offset : offset + limit]]
    return {"tasks": sorted({one.task for one in every}), "rows": rows, "matched": len(fitting), "offset": offset}


def _question(stream: Any, one: Question) -> dict[str, Any]:
    stream.seek(one.begin)
    line = json.loads(stream.readline())
    texts = {key: _text(line.get(key))[-MOST_CHARS:] for key in ("prompt", "answer", "label")}
    subject = line.get("subject") if isinstance(line.get("subject"), str) else ""
    return texts | {"task": one.task, "subject": subject, "index": str(line.get("index", "")), "correct": one.correct}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=8)
def _index(file: Path, _stamp: tuple[int, int]) -> list[Question]:
    """Every whole line of the file."""
    found, begin = [], 0
    with open(file, "rb") as lines:
        for line in lines:
            try:
                read = json.loads(line)
            except ValueError:  # a line that is being written
                read = None
            if isinstance(read, dict):
                right = read.get("correct")
                found.append(Question(begin, str(read.get("task", "")), None if right is None else right in (True, 1)))
            begin += len(line)
    return found
