"""`generated_predictions.jsonl`: its lines come as answers do, at the end they stand in the order of the questions;
after an interruption the questions without a line are asked.

`predicting.json` beside it says what the lines answer; where that is something else, they are begun anew.
"""

import hashlib
import json
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from studio.config import EvaluateJob
from studio.config.evaluating import BenchmarkSection, JudgeSection
from studio.config.knobs import fields
from studio.runs import folder as files
from studio.scoring import predictions, scored
from studio.worker.evaluate.turns import Question, chains

STATE = "predicting.json"
IDENTITY = ("dataset", "row", "turn", "system")
# What decides nothing about an answer: where it is computed, how many at once, what is done with it.
NO_MATTER = frozenset((
    "output_dir", "device", "devices", "stop_grace_s", "auto_resume", "per_device_eval_batch_size", "metrics",
    "compute_perplexity", "postprocess", "sql_databases", "sql_timeout_s", "predictions_from",
    *fields(BenchmarkSection), *fields(JudgeSection),
))  # fmt: skip


def fingerprint(job: EvaluateJob, data_sha256: dict[str, str], model: Path, words: object = None) -> str:
    """A digest of all that answers depend on. `model`: the folder of the base's weights; `words`: what stands around
    the questions, template and examples."""
    asked = {key: value for key, value in job.to_mapping().items() if key not in NO_MATTER}
    told = [asked, data_sha256, weights(job, model), words]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def weights(job: EvaluateJob, model: Path) -> list[tuple[int, int]]:
    """Another one where the weights of the base or of an adapter are others. `model`: the folder of the base's."""
    folders = (model, *map(Path, job.adapter_name_or_path))
    return [files.stamp(file) for folder in folders for kind in ("safetensors", "bin")
            for file in sorted(folder.glob(f"*.{kind}"))]  # fmt: skip


def forget(folder: Path) -> None:
    """Have the answers begun anew: their scores and figures go."""
    for name in (STATE, predictions.SCORES, scored.RESULTS):
        (folder / name).unlink(missing_ok=True)


def begin(folder: Path, key: str, questions: Sequence[Question]) -> set[int]:
    """Make the file ready for the lines that are still to come; returns the questions that have theirs.

    A torn last line is cut off, and so are the lines of a conversation that was answered in part.
    """
    path, known = folder / predictions.PREDICTIONS, files.read_json(folder / STATE) or {}
    data = path.read_bytes() if known.get("key") == key and path.is_file() else b""
    lines = _lines(data[: data.rfind(b"\n") + 1], questions)
    kept = [place for chain in chains(questions) if lines.keys() >= set(chain) for place in chain]
    _replace(path, [lines[place] for place in kept])
    if not kept:  # what is there was said of other answers
        forget(folder)
    files.write_json_atomic(folder / STATE, {"key": key})
    return set(kept)


def finish(folder: Path, questions: Sequence[Question]) -> list[Question]:
    """Put the lines into the order of the questions; returns those that have one."""
    path = folder / predictions.PREDICTIONS
    lines = _lines(path.read_bytes(), questions)
    places = sorted(lines)
    if places != list(lines):
        _replace(path, [lines[place] for place in places])
    return [questions[place] for place in places]


def _lines(data: bytes, questions: Sequence[Question]) -> dict[int, bytes]:
    """The line of each question that has one, as they stand in the file; nothing where a line answers none of them."""
    open_ones: dict[tuple, deque[int]] = {}
    for place, question in enumerate(questions):
        open_ones.setdefault(_identity(question.facts), deque()).append(place)
    found = {}
    for line in data.splitlines(keepends=True):
        try:
            found[open_ones[_identity(json.loads(line))].popleft()] = line
        except (ValueError, LookupError, AttributeError, TypeError):
            return {}
    return found


def _replace(path: Path, lines: Sequence[bytes]) -> None:
    files.write_text_atomic(path, b"".join(lines).decode())


def _identity(line: dict) -> tuple:
    return tuple(line.get(key) for key in IDENTITY)
