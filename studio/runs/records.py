"""All runs below `saves/`, one run as an object, and finding one by what a person types."""

import difflib
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from studio import paths
from studio.errors import StudioError
from studio.runs import folder as files
from studio.runs import ids, jobfile, metrics, reasons, states
from studio.text import Catalogue

_DEPTH = 6  # folders below saves/ in which runs are looked for


@dataclass(frozen=True)
class Run:
    """A run folder. Everything is read anew from its files when asked for; nothing is kept."""

    folder: Path

    @property
    def id(self) -> str:
        """Its path below `saves/`, or its pointer's."""
        return ids.id_of(self.folder)

    @property
    def status(self) -> states.Status:
        """`status.json`; for a folder without one, what can be told from its other files."""
        return states.read(self.folder) or states.Status(states.state_of(self.folder), self.kind, 0.0)

    @property
    def state(self) -> str:
        """The state now: written, or computed (`lost`, `unknown`)."""
        return states.state_of(self.folder)

    @property
    def kind(self) -> str:
        """The job's kind; what LLaMA-Factory left is training."""
        status = states.read(self.folder)
        return status.kind if status else jobfile.value(self.folder, "kind") or "train"

    def job(self):
        """The job as asked, resolved (`studio.config`). Raises StudioError where the folder holds none."""
        from studio import config  # here, so that listing runs does not load the schema

        if (self.folder / files.JOB).is_file():
            return config.read_run(self.folder)
        if (self.folder / files.ARGUMENTS).is_file():
            return config.read_arguments("train", [str(self.folder / files.ARGUMENTS)]).job
        raise StudioError("run_without_job", run=self.id)

    def progress(self) -> metrics.Progress:
        """How far it has come."""
        return metrics.progress(self.folder)

    def reason(self, t: Catalogue) -> str | None:
        """Why it failed, was ended, is held or lost, in words; None where there is nothing to say."""
        error = self.status.error
        if error is None and self.state == "lost":
            error = {"key": "run_lost"}
        return reasons.sentence(error, t) if error else None

    def notices(self, t: Catalogue) -> list[str]:
        """What was worth telling when it was asked for, in words."""
        return [t(f"notices.{notice['code']}", **notice["values"]) for notice in self.status.notices]

    def log_tail(self, num_lines: int = 20) -> list[str]:
        """The last lines of its log."""
        return files.log_tail(self.folder, num_lines)


@dataclass(frozen=True)
class Summary:
    """One line of the list of runs. Times are seconds since the epoch."""

    id: str
    folder: str
    kind: str
    state: str
    step: int | None
    total_steps: int | None
    loss: float | None
    started: float | None
    ended: float | None


_cache: dict[Path, tuple[tuple, Summary, float]] = {}  # folder → (times of its files, summary, created)


def listing() -> list[Summary]:
    """All runs, the newest first. A folder that vanishes meanwhile is left out."""
    found = {}
    for folder in folders():
        entry = _summarise(folder)
        if entry is not None:
            found[folder] = entry
    for gone in _cache.keys() - found.keys():
        _cache.pop(gone, None)
    return [summary for _, summary in sorted(found.values(), key=lambda entry: entry[0], reverse=True)]


def folders() -> Iterator[Path]:
    """Every run folder there is, pointers followed."""
    root = paths.saves()
    pointed = (Path(entry.path).resolve() for entry in _entries(root / ids.ELSEWHERE))
    yield from (folder for folder in pointed if files.is_run(folder))
    yield from runs_below(root)


def find(name: str | Path) -> Run:
    """The run of an id, of a path, or of the end of an id that only one run has. Raises StudioError for others.

    Only runs below `saves/` and those with a pointer are found, so that a name from a browser opens nothing else.
    """
    text = str(name).strip().rstrip("/")
    for folder in _candidates(text):
        if files.is_run(folder) and _is_known(folder):
            return Run(folder)
    known = {ids.id_of(folder): folder for folder in folders()}
    fitting = [run_id for run_id in known if text and f"/{run_id}".endswith(f"/{text}")]
    if len(fitting) == 1:
        return Run(known[fitting[0]])
    if fitting:
        raise StudioError("run_ambiguous", run=text, runs=", ".join(sorted(fitting)[:5]))
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.4)
    raise StudioError("run_unknown_near" if near else "run_unknown", run=text, near=near[0] if near else "")


def _candidates(text: str) -> Iterator[Path]:
    with suppress(StudioError):  # not an id, perhaps a path
        yield ids.folder_of(text)
    if text and "\0" not in text:
        path = Path(os.path.expanduser(text))
        if path.parts[:1] == ("saves",):  # as a job's output_dir has it
            yield paths.home() / path
        yield Path(os.path.abspath(path))


def _is_known(folder: Path) -> bool:
    run_id = ids.id_of(folder)
    return not ids.is_elsewhere(run_id) or (paths.saves() / run_id).is_symlink()


def runs_below(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """The run folders below a folder; a run is not searched for more runs."""
    for entry in _entries(folder):
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if files.is_run(path):
            yield path
        elif depth > 1:
            yield from runs_below(path, depth - 1)


def _entries(folder: Path) -> list[os.DirEntry]:
    try:
        return [entry for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return []


def _summarise(folder: Path) -> tuple[float, Summary] | None:
    """(time of creation, summary), from the cache where no file has changed and no lock has to be asked."""
    stamp = tuple(_stamp(folder / name) for name in (files.STATUS, files.METRICS, files.RESULTS, files.JOB))
    if not any(stamp):
        return None
    cached = _cache.get(folder)
    if cached and cached[0] == stamp and cached[1].state not in states.ALIVE:
        return cached[2], cached[1]
    summary, created = _read(folder, stamp)
    _cache[folder] = (stamp, summary, created)
    return created, summary


def _read(folder: Path, stamp: tuple) -> tuple[Summary, float]:
    run = Run(folder)
    status, state, done = run.status, run.state, run.progress()
    changed = max(time_ns for time_ns, _ in filter(None, stamp)) / 1e9
    ended = status.ended if status.created else changed
    loss = done.loss if isinstance(done.loss, int | float) and math.isfinite(done.loss) else None
    step, total = done.step, done.total_steps
    summary = Summary(run.id, str(folder), status.kind, state, step, total, loss, status.started, ended)
    return summary, status.created or changed


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


