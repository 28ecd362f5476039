"""Several devices: each has a process that answers every n-th row in a folder of its own; then the lines are joined.

    python -m studio.worker.evaluate.parts DIR INDEX COUNT        one part of the run in DIR

A part goes on after an interruption as a whole run does, and heeds the run's stop file; an error of one ends them all.
The parts stay until the run has its result, so that one stopped while it scores or judges need not answer anew.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from studio.config import EvaluateJob, read_run
from studio.errors import StudioError
from studio.runs import folder as files
from studio.runs import launch, states, watchdog
from studio.scoring import predictions
from studio.worker.evaluate.benchmark_pace import speed
from studio.worker.progress import Progress, StopRequested

FINISHED, STOPPED, USER_ERROR = 0, 3, 4
ORDER = "order.json"  # of a part: which rows it has, how many it answered at this start, how many at once, what was odd
LOOK_S, LEAVING_S = 0.2, 10.0
PHASES = ("model", "tokenizing", "predicting", "measuring")  # in their order


class PartProgress(Progress):
    """Progress of a part, which stops when the whole run is to."""

    def __call__(self, phase: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        super().__call__(phase, done, total, unit)
        if files.stop_requested(self.folder.parent):
            raise StopRequested


def devices_of(folder: Path) -> tuple[str, ...]:
    """The devices that the run has taken, as "cuda:0"."""
    status = states.read(folder)
    return status.devices if status else ()


def part_folder(folder: Path, index: int, count: int) -> Path:
    """Where a part of the run is answered."""
    return folder / f"part-{index + 1}-of-{count}"


def run(folder: Path, job: EvaluateJob, progress: Progress, taken: Sequence[str]) -> dict:
    """Answer the rows on all devices; the figures of that. Raises StudioError, and StopRequested where it is to end."""
    began_s, count = time.monotonic(), len(taken)
    children = [_start(folder, index, taken) for index in range(count)]
    try:
        while any(child.poll() is None for child in children):
            _tell(folder, count, progress)
            _check(folder, [child.poll() for child in children])
            time.sleep(LOOK_S)
        _check(folder, [child.returncode for child in children])
        if any(child.returncode == STOPPED for child in children):
            raise StopRequested
    finally:
        _end(children)
    if not join(folder, count):
        raise StudioError("evaluate_no_rows", names=", ".join(job.eval_dataset or job.dataset), why="–")
    return figures(folder, count, time.monotonic() - began_s)


def figures(folder: Path, count: int, runtime_s: float) -> dict:
    """Those of the parts together: what was left out or cut, and the speed where rows were answered at this start."""
    told = [_told(part_folder(folder, index, count)) for index in range(count)]
    odd = dict(sum((Counter(part["counts"]) for part in told), Counter()))
    num_answers = sum(part["num_answers"] for part in told)
    if not num_answers:
        return odd
    return odd | speed(num_answers, sum(part["batch"] for part in told), runtime_s)


def answer(folder: Path, job: EvaluateJob, index: int, count: int) -> int:
    """Answer the part `index` of the rows. Returns the process's exit code."""
    from studio.worker.evaluate import predict

    own = part_folder(folder, index, count)
    own.mkdir(exist_ok=True)
    try:
        order, answered = predict.run_part(own, job, PartProgress(own), index, count)
        earlier = {} if answered.num_answers else _told(own).get("counts", {})
        told = {"rows": order, "num_answers": answered.num_answers, "batch": answered.batch,
                "counts": earlier | answered.odd}  # fmt: skip
        files.write_json_atomic(own / ORDER, told)
    except StopRequested:
        return STOPPED
    except StudioError as error:
        print(error, file=sys.stderr, flush=True)
        files.write_json_atomic(own / files.ERROR, {"key": error.key, "values": _plain(error.values)})
        return USER_ERROR
    return FINISHED


def join(folder: Path, count: int) -> int:
    """Put the lines of all parts into the run's files, in the order of the rows; returns how many there are."""
    places = [part_folder(folder, index, count) for index in range(count)]
    orders = [_told(place)["rows"] for place in places]
    found = [predictions.read(place) for place in places]
    lines = [list(zip(part.lines(), predictions.scores_of(part), strict=True))[::-1] for part in found]
    joined, scores = [], []
    for row in range(sum(map(len, orders))):
        part = lines[row % count]
        identity = orders[row % count][row // count]
        while part and [part[-1][0].get("dataset"), part[-1][0].get("row")] == identity:
            line, values = part.pop()
            joined.append({key: value for key, value in line.items() if key != "place"})
            scores.append(values)
    words = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in joined)
    files.write_text_atomic(folder / predictions.PREDICTIONS, words)
    predictions.write_scores(folder, scores)
    for name in (files.DATA_REPORT, files.ENVIRONMENT):
        shutil.copy(places[0] / name, folder / name)
    return len(joined)


def clear(folder: Path) -> None:
    """Delete the parts of a run whose lines are joined and scored."""
    for place in folder.glob("part-*-of-*"):
        shutil.rmtree(place)


def _told(part: Path) -> dict:
    return files.read_json(part / ORDER) or {}


def _start(folder: Path, index: int, taken: Sequence[str]) -> subprocess.Popen:
    own = launch.visible_devices([taken[index]])
    words = [sys.executable, "-m", __name__, str(folder), str(index), str(len(taken))]
    return subprocess.Popen(words, env=os.environ | own)


def _tell(folder: Path, count: int, progress: Progress) -> None:
    """The progress of the parts, added up, in the phase of the slowest."""
    told = [files.read_json(part_folder(folder, index, count) / files.PROGRESS) or {} for index in range(count)]
    phase = min((one.get("phase") for one in told), key=lambda phase: PHASES.index(phase) if phase in PHASES else -1)
    sums = {name: sum(one.get(name) or 0 for one in told if one.get("phase") == phase) for name in ("done", "total")}
    progress(phase or PHASES[0], sums["done"], sums["total"], "rows")


def _check(folder: Path, codes: Sequence[int | None]) -> None:
    for index, code in enumerate(codes):
        if code == USER_ERROR:
            error = files.read_json(part_folder(folder, index, len(codes)) / files.ERROR) or {}
            raise StudioError(error.get("key", "model_not_loaded"), **error.get("values", {}))
        if code not in (None, FINISHED, STOPPED):
            raise RuntimeError(f"part {index + 1} of {len(codes)} ended with exit code {code}")


def _end(children: Sequence[subprocess.Popen]) -> None:
    """Those that are left have been told to stop by the run's file, or are in the way."""
    deadline_s = time.monotonic() + LEAVING_S
    for child in children:
        try:
            child.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _plain(values: dict) -> dict:
    return {name: value if isinstance(value, int | float) else str(value) for name, value in values.items()}


def main(argv: Sequence[str]) -> int:
    """Answer one part of a run."""
    folder = Path(argv[0])
    watchdog.start(folder)
    return answer(folder, read_run(folder), int(argv[1]), int(argv[2]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
