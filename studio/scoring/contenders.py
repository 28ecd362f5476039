"""Who is compared: evaluate runs read for a report, and put together where one model answered in several of them.

A folder of predictions, or of a benchmark, is one source; sources of the same model and adapters are one contender, as
long as no part (a data set or a benchmark's task) is answered twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from studio import paths
from studio.errors import StudioError
from studio.runs import folder as run_files
from studio.scoring import metrics, predictions

BENCHMARK_SAMPLES = "benchmark_samples.jsonl"
CORRECT = "correct"
NATS = "nll"  # of a label's token; the lower, the better
# What decides about an answer besides who gives it, and about a judge's score besides the answer.
ASKED = ("template", "system_prompts", "n_shot", "shots_dataset", "predict_turns", "cutoff_len", "max_new_tokens",
         "do_sample", "enable_thinking", "quantization_bit")  # fmt: skip
EXAMINED = ("template", "n_shot", "split", "lang", "apply_chat_template", "quantization_bit")
JUDGED = ("judge_model", "judge_rubric", "judge_api_base", "judge_server")

Key = tuple  # what an answer answers: the same in every run of the same rows


@dataclass(frozen=True)
class Answers:
    """A contender's answers to one part. `values`: score → (rows,), NaN where there is none; `tokens`: of each label.
    `labels` and `questions` (None where unknown) tell whether two runs had the same rows; `places`: the lines in
    `source`, for showing them. `asked`: the keys and values that they were asked and judged by, as far as known."""

    source: Path
    keys: tuple[Key, ...]
    labels: tuple[str | None, ...]
    values: dict[str, np.ndarray]
    tokens: np.ndarray
    places: tuple[int, ...]
    questions: tuple[str | None, ...]
    asked: dict[str, Any] = field(default_factory=dict)

    def unlike(self, other: "Answers") -> dict[str, tuple[Any, Any]]:
        """What was asked or judged otherwise than there: key → the value there, and here."""
        both = self.asked.keys() & other.asked.keys()
        pairs = {key: (other.asked[key] or None, self.asked[key] or None) for key in self.asked if key in both}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True)
class Contender:
    """One model with its adapters. `parts`: name of a data set or task → its answers; `figures`: all
    results of each folder."""

    name: str
    folders: tuple[Path, ...]
    model: str
    adapters: tuple[str, ...]
    figures: tuple[dict[str, Any], ...]
    parts: dict[str, Answers]
    benchmarks: frozenset[str]  # names of parts
    own_sets: frozenset[str]  # data sets of its training, as far as its adapters' runs tell; of a path, its name too
    before: str  # the model that its own weights were trained from; "" where no run tells


def gather(folders: Sequence[Path]) -> list[Contender]:
    """The contenders of the folders, in their order.

    Raises StudioError for a folder with neither predictions nor a benchmark's answers.
    """
    found: list[Contender] = []
    for read in _aligned([_read(Path(folder)) for folder in folders]):
        place = next((at for at, other in enumerate(found) if _joins(other, read)), None)
        if place is None:
            found.append(read)
        else:
            found[place] = _joined(found[place], read)
    names = [contender.name for contender in found]
    return [_renamed(contender) if names.count(contender.name) > 1 else contender for contender in found]


def _read(folder: Path) -> Contender:
    own_job = _yaml(folder / run_files.JOB)
    job = _answered(own_job)
    model, adapters = str(job.get("model_name_or_path") or ""), tuple(_listed(job.get("adapter_name_or_path")))
    parts, exams = {}, {}
    if predictions.file_of(folder):
        asked = _chosen(job, ASKED) | (_chosen(own_job, JUDGED) if any(map(own_job.get, JUDGED)) else {})
        parts = {part: replace(answers, asked=asked) for part, answers in _predicted(predictions.read(folder))}
    sat = folder.is_dir() and (folder / BENCHMARK_SAMPLES).is_file()
    if sat:
        asked = _chosen(own_job, EXAMINED)
        exams = {task: replace(answers, asked=asked) for task, answers in _examined(folder)}
    if not parts and not sat:  # a benchmark whose right answers are not published has no part
        raise StudioError("predictions_missing", path=folder, name=predictions.PREDICTIONS)
    name = Path((adapters or (model,))[-1]).name or folder.name
    figures = run_files.read_json(folder / run_files.RESULTS) or {}
    own = frozenset(dataset for path in (*adapters, model) for dataset in _sets(_training(path)))
    before = str(_training(model).get("model_name_or_path") or "")
    return Contender(name, (folder,), model, adapters, (figures,), parts | exams, frozenset(exams), own, before)


def _answered(job: dict[str, Any]) -> dict[str, Any]:
    """The job that answered: of one which only scored or judged what was there, that of those predictions."""
    seen = set()
    while (name := job.get("predictions_from")) and name not in seen:
        seen.add(name)
        try:
            place = predictions.place_of(str(name))
        except StudioError:  # they are there no more
            break
        job = _yaml((place if place.is_dir() else place.parent) / run_files.JOB)
    return job


def _chosen(job: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: job[key] for key in keys if key in job}


def _predicted(found: predictions.Predictions) -> Iterator[tuple[str, Answers]]:
    """(data set, answers) of a file of predictions; "" where the lines name no data set."""
    groups: dict[str, list[tuple[int, Key, str | None, str | None]]] = {}
    for place, line in enumerate(found.lines()):
        numbered = tuple(line.get(key) for key in ("system", "row", "turn")) if "row" in line else (None, place, None)
        if not all(isinstance(number, int | str | None) for number in numbered):  # another program's
            numbered = (None, place, None)
        dataset = line.get("dataset") if isinstance(line.get("dataset"), str) else ""
        question = line.get("question") if isinstance(line.get("question"), str) else None
        groups.setdefault(dataset, []).append((place, numbered, line.get("label"), question))
    columns = {key: found.columns[key] for key in (*metrics.SCORES, NATS) if key in found.columns}
    tokens = found.columns.get("num_label_tokens", np.full(found.num_rows, np.nan))
    for dataset, rows in groups.items():
        places, keys, labels, questions = zip(*rows, strict=True)
        chosen = np.array(places)
        values = {key: column[chosen] for key, column in columns.items()}
        if NATS in values:
            with np.errstate(divide="ignore", invalid="ignore"):
                values[NATS] = values[NATS] / tokens[chosen]
        yield dataset, Answers(found.file, keys, labels, values, tokens[chosen], places, questions)


def _examined(folder: Path) -> Iterator[tuple[str, Answers]]:
    """(task, answers) of a benchmark's questions."""
    groups: dict[str, list[dict[str, Any]]] = {}
    with open(folder / BENCHMARK_SAMPLES, "rb") as file:
        for place, line in enumerate(file):
            row = predictions.json_object(line)
            if row is not None and isinstance(row.get("correct"), bool | int | float):
                groups.setdefault(str(row.get("task")), []).append(row | {"place": place})
    for task, rows in groups.items():
        keys = tuple((str(row.get("subject")), str(row.get("index"))) for row in rows)
        labels = tuple(str(row.get("label")) for row in rows)
        right = np.array([100.0 * float(row["correct"]) for row in rows])
        source, places, unknown = folder / BENCHMARK_SAMPLES, tuple(row["place"] for row in rows), (None,) * len(rows)
        yield task, Answers(source, keys, labels, {CORRECT: right}, np.full(len(rows), np.nan), places, unknown)


def _aligned(found: list[Contender]) -> list[Contender]:
    """A file without numbers of rows (LLaMA-Factory's) takes those of another run with the same labels in order."""
    known = {answers.labels: (name, answers.keys) for contender in found for name, answers in contender.parts.items()
             if name}
    aligned = []
    for contender in found:
        bare = contender.parts.get("")
        if bare is not None and bare.labels in known and known[bare.labels][0] not in contender.parts:
            name, keys = known[bare.labels]
            others = {part: answers for part, answers in contender.parts.items() if part}
            contender = replace(contender, parts=others | {name: replace(bare, keys=keys)})
        aligned.append(contender)
    return aligned


def _joins(other: Contender, read: Contender) -> bool:
    same = (other.model, other.adapters) == (read.model, read.adapters) and bool(read.model)
    return same and not other.parts.keys() & read.parts.keys()


def _joined(other: Contender, read: Contender) -> Contender:
    return replace(
        other, folders=other.folders + read.folders, figures=other.figures + read.figures,
        parts=other.parts | read.parts, benchmarks=other.benchmarks | read.benchmarks,
    )  # fmt: skip


def _renamed(contender: Contender) -> Contender:
    return replace(contender, name=f"{contender.name} ({contender.folders[0].name})")


def _training(path: str) -> dict[str, Any]:
    """The job of the run that made this adapter or model, or one of its checkpoints; empty where none did."""
    folder = next(filter(Path.is_dir, (Path(path), paths.home() / path)), Path(path))
    for place in (folder, folder.parent) if folder.name.startswith("checkpoint-") else (folder,):
        for name in (run_files.JOB, run_files.ARGUMENTS):
            job = _yaml(place / name) if path else {}
            if job:
                return job
    return {}


def _sets(job: dict[str, Any]) -> list[str]:
    names = [*_listed(job.get("dataset")), *_listed(job.get("eval_dataset"))]
    return [*names, *(Path(name).name for name in names)]


def _yaml(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [str(part) for part in value] if isinstance(value, list) else []
