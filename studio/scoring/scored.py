"""A folder of predictions scored: `scores.jsonl`, line for line with the predictions, and the results files.

    wanted = scored.Wanted(tuple(job.metrics), job.sql_databases, job.sql_timeout_s)
    scored.adopt(source, folder)                             # predictions that are there already, taken over
    scored.add_scores(folder, {0: {"nll": 12.5, "num_label_tokens": 7}})      # what a model or a judge has measured
    scored.score_folder(folder, wanted, {"predict_runtime": 3.2}, progress)   # again after more scores have come

Scoring again keeps what others have measured and replaces the rest, so every step may be run twice.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.data.sql import databases
from studio.errors import StudioError
from studio.runs import folder as run_files
from studio.scoring import metrics, predictions, sql

RESULTS = "predict_results.json"
OWN = frozenset(key for keys in metrics.KEYS.values() for key in keys) | {"sql_error"}  # the others' scores are kept
TOTALS = (*(f"predict_{key}" for key in metrics.SCORES), "predict_perplexity", "by_system")  # not left of earlier ones

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Wanted:
    """Which metrics (none named: all that apply), and the folder of databases for SQL, with seconds for a query."""

    metrics: Sequence[str] = ()
    sql_databases: str | None = None
    sql_timeout_s: float = sql.TIMEOUT_S


def score_folder(
    folder: Path, wanted: Wanted | None = None, facts: Mapping[str, Any] | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Score all predictions of the folder; returns what `predict_results.json` then holds. `facts`: figures of the
    run that go in beside (`predict_runtime` …). `progress(done, total)` may raise to call it off; nothing is lost.

    Raises StudioError where there are no predictions, or no databases where they are said to be.
    """
    wanted = wanted or Wanted()
    found = predictions.read(folder)
    lines = list(found.lines())
    known = databases.find(Path(wanted.sql_databases)) if wanted.sql_databases else None
    pairs = [(line["predict"], line["label"]) for line in lines]
    applied = metrics.applies([label for _, label in pairs], wanted.metrics, known is not None)
    computed = metrics.score_all(pairs, applied.metrics, progress)
    if known is not None and "sql" in applied.metrics:
        for place, line in enumerate(lines):
            computed[place] |= sql.score_row(line, known, wanted.sql_timeout_s)
            if progress:
                progress(place + 1, len(lines))
        sql.write_predicted(folder, lines)
    rows = [_others(old) | new for old, new in zip(predictions.scores_of(found), computed, strict=True)]
    predictions.write_scores(folder, rows)
    left_out = dict(applied.left_out) | _not_measured(rows, applied)
    figures = dict.fromkeys(TOTALS) | (facts or {}) | _figures(lines, rows, pairs) | {"predict_left_out": left_out}
    return write_results(folder, figures)


def add_scores(folder: Path, found: Mapping[int, Mapping[str, Any]]) -> None:
    """Add to the scores of single rows: place of the line (from 0) → what has been measured."""
    opened = predictions.read(folder)
    rows = predictions.scores_of(opened)
    for place, values in found.items():
        rows[place] = rows[place] | values
    predictions.write_scores(folder, rows)


def adopt(source: Path, folder: Path) -> int:
    """Take predictions from another folder or file, and the perplexity measured there; the folder's own stay as they
    are. Returns how many.

    Raises StudioError where there are none.
    """
    found = predictions.read(source)
    if not found.num_rows:
        raise StudioError("predictions_empty", path=found.file)
    own = predictions.file_of(folder)
    if own and own.samefile(found.file):
        return found.num_rows
    lines = ({key: value for key, value in line.items() if key != "place"} for line in found.lines())
    words = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    run_files.write_text_atomic(folder / predictions.PREDICTIONS, words)
    measured = ("nll", "num_label_tokens")
    rows = [{key: row[key] for key in measured if key in row} for row in predictions.scores_of(found)]
    predictions.write_scores(folder, rows)
    return found.num_rows


def write_results(folder: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Put figures into `predict_results.json` (None takes one away), and all results files together into
    `all_results.json`."""
    found = (run_files.read_json(folder / RESULTS) or {}) | dict(values)
    results = {key: value for key, value in found.items() if value is not None}
    run_files.write_text_atomic(folder / RESULTS, _written(results))
    names = sorted(file for file in folder.glob("*_results.json") if file.name != run_files.RESULTS)
    union = {key: value for file in names for key, value in (run_files.read_json(file) or {}).items()}
    run_files.write_text_atomic(folder / run_files.RESULTS, _written(union))
    return results


def _figures(lines: Sequence[Mapping], rows: Sequence[Mapping], pairs: Sequence[metrics.Pair]) -> dict[str, Any]:
    """The totals, and those of each system message where there are several."""
    found: dict[str, Any] = metrics.totals(rows, pairs)
    found["predict_num_broken"] = sum(bool(line.get("broken")) for line in lines)
    systems = sorted({line["system"] for line in lines if isinstance(line.get("system"), int)})
    if len(systems) > 1:
        found["by_system"] = []
        for system in systems:
            places = [place for place, line in enumerate(lines) if line.get("system") == system]
            part = metrics.totals([rows[place] for place in places], [pairs[place] for place in places])
            found["by_system"].append({"system": system, **part})
    return found


def _not_measured(rows: Sequence[Mapping], applied: metrics.Applied) -> dict[str, str]:
    """SQL that was to be scored, but of no row could be."""
    asked = "sql" in applied.metrics
    return {"sql": "no_sql_scored"} if asked and not any("sql" in row for row in rows) else {}


def _others(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in OWN}


def _written(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=4, sort_keys=True) + "\n"
