"""`generated_predictions.jsonl` as it grows: in the order of the questions, and gone on with after an interruption.

`predicting.json` beside it says what the lines answer; where that is something else, they are begun anew.
"""

import hashlib
import json
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


def begin(folder: Path, key: str, questions: Sequence[Question]) -> int:
    """Make the file ready for the lines that are still to come; returns the question they begin with.

    A torn last line is cut off, and so is a conversation that was answered in part.
    """
    path, known = folder / predictions.PREDICTIONS, files.read_json(folder / STATE) or {}
    data = path.read_bytes() if known.get("key") == key and path.is_file() else b""
    lines = places(data[: data.rfind(b"\n") + 1], questions)
    first = lines[-1][0] + 1 if lines else 0
    first = next((chain.start for chain in chains(questions) if first in chain), first)
    ends = [end for place, end in lines if place < first]
    with open(path, "ab") as file:
        file.truncate(ends[-1] if ends else 0)
    if not first:  # what is there was said of other answers
        forget(folder)
    files.write_json_atomic(folder / STATE, {"key": key})
    return first


def places(data: bytes, questions: Sequence[Question]) -> list[tuple[int, int]]:
    """(question, where its line ends) of each line of a file; nothing where a line answers none of them."""
    found, at, number = [], 0, 0
    for line in data.splitlines(keepends=True):
        at += len(line)
        try:
            wanted = _identity(json.loads(line))
        except ValueError:
            return []
        while number < len(questions) and _identity(questions[number].facts) != wanted:
            number += 1
        if number == len(questions):
            return []
        found.append((number, at))
        number += 1
    return found


def _identity(line: dict) -> tuple:
    return tuple(line.get(key) for key in IDENTITY)
