"""The commands `eval`, `report` and `postprocess`: what an evaluation has found, as a table; evaluations compared;
answers split into fields.

`eval` is a run like any other; a training file will do, and asks the model that it names or has made.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio import argv, runs, terminal
from studio.errors import StudioError
from studio.runs import folder as files
from studio.text import Catalogue

TABLE, BENCHMARKS, PREDICTIONS = "results.log", "benchmark_results.json", "predict_results.json"
COUNTS = ("num_rows", "num_scored", "num_broken", "runtime", "samples_per_second", "steps_per_second")
NOT_ASKED = "not_asked"
UNSHOWN = ("left_out", "model_preparation_time")


def show(run: runs.Run, t: Catalogue) -> None:
    """Print what a finished run has found; nothing where it has evaluated nothing."""
    told = [*_benchmarks(run.folder, t), *_predictions(run.folder, t)]
    if told:
        print("\n".join(told))


def report(words: list[str], t: Catalogue) -> int:
    """Compare runs, folders or files with a base: as Markdown here, or as a file of either form."""
    from studio.scoring import predictions
    from studio.scoring import report as comparing

    base, to = argv.option(words, "--base"), argv.option(words, "--to")
    if not words or any(word.startswith("-") for word in words):
        raise argv.Misuse
    places = [predictions.place_of(word).resolve() for word in words]
    found = comparing.compare(places, predictions.place_of(base).resolve() if base else None)
    if to is None:
        print(found.to_markdown(t))
        return 0
    file = Path(to).expanduser().resolve()
    if file.suffix.lower() not in (".html", ".md"):
        raise StudioError("report_form", path=file)
    try:
        files.write_text_atomic(file, found.to_markdown(t) if file.suffix.lower() == ".md" else found.to_html(t))
    except OSError as error:
        raise StudioError("report_unwritable", path=file, reason=error.strerror) from error
    print(t("terminal.report_written", file=file))
    return 0


def postprocess(words: list[str], t: Catalogue) -> int:
    """Split the predictions of a run, a folder or a file into the fields of a grammar: a YAML file, or its name."""
    if len(words) != 2:
        raise argv.Misuse
    from studio.scoring import grammar, predictions

    rules, place = grammar.load(words[1]), predictions.place_of(words[0])
    written = grammar.postprocess(place, rules)
    print(t("notices.postprocessed", **vars(written)))
    return 0


def _benchmarks(folder: Path, t: Catalogue) -> list[str]:
    """LLaMA-Factory's table of an exam, then a line for each of the harness's figures."""
    found = files.read_json(folder / BENCHMARKS)
    if not found:
        return []
    table = folder / TABLE
    told = table.read_text("utf-8").splitlines() if table.is_file() else []
    exams = found.get("categories", {})
    rows = [
        [task, metric, _number(value)]
        for task, metrics in found.get("tasks", {}).items()
        if task not in exams
        for metric, value in metrics.items()
    ]
    told += terminal.table(rows) if rows else []
    told += _left_out(found.get("left_out", {}), t)
    return [*told, t("terminal.eval_questions", count=found.get("num_questions", 0), scored=found.get("num_scored", 0))]


def _predictions(folder: Path, t: Catalogue) -> list[str]:
    """The figures of predictions, those of each system message beside each other."""
    found = files.read_json(folder / PREDICTIONS)
    if not found:
        return []
    listed = found.pop("by_system", [])
    names = [key for key in _figures(found) if _short(key) not in COUNTS]
    counts = [key for key in _figures(found) if _short(key) in COUNTS]
    named = [t("evaluate.rows.about_system", number=entry["system"] + 1) for entry in listed]
    head = [["", t("terminal.eval_all"), *named]] if listed else []
    rows = [[_short(key), *(_number(one.get(key)) for one in (found, *listed))] for key in (*names, *counts)]
    told = terminal.table([*head, *rows]) if rows else []
    return told + _left_out(found.get("predict_left_out", {}), t)


def _figures(found: Mapping[str, Any]) -> list[str]:
    return [key for key, value in found.items() if isinstance(value, int | float) and _short(key) not in UNSHOWN]


def _short(key: str) -> str:
    return key.removeprefix("predict_")


def _number(value: object) -> str:
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:.2f}"
    return "–"


def _left_out(found: Mapping[str, str], t: Catalogue) -> list[str]:
    """What was not scored, a line for each reason; what nobody asked for is no news."""
    told = []
    for why in dict.fromkeys(why for why in found.values() if why != NOT_ASKED):
        names = ", ".join(name for name, reason in found.items() if reason == why)
        key = f"scoring.left_out.{why}"
        told.append(t("terminal.eval_left_out", name=names, why=t(key) if key in t else why))
    return told
