"""From what the page holds to a run: read the job, start it once."""

import hashlib
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studio import paths, runs
from studio.config import Job, load_preset, read_mapping
from studio.data import registry
from studio.errors import StudioError
from studio.runs import claim

SAME_CLICK_S = 5.0
_lock = threading.Lock()
_latest: dict[str, "tuple[float, Begun]"] = {}  # job and name → (when, run)


@dataclass(frozen=True)
class Begun:
    """A run that was started. `renamed`: its name was taken, so it got another."""

    run_id: str
    renamed: bool = False


def quickstart(placeholders: Mapping[str, str]) -> str:
    """Start the quickstart with the name and author asked for, as a run of that name; the run's id."""
    preset = load_preset("quickstart")
    rows = [_shipped(name) for name in preset.mapping["dataset"]]
    mapping = dict(preset.mapping) | {"placeholders": dict(placeholders), "dataset": rows}
    name = re.sub(r"[^\w.\-]+", "-", placeholders.get("name", "")).strip("-.")[:60]
    return begin(read_mapping("train", mapping).job, name).run_id


def _shipped(name: str) -> str:
    """A set that ships, by its path where the user's own registry has another of that name."""
    found, shipped = registry.find(name, "data").path, paths.resource("data") / f"{name}.json"
    return name if found and found.resolve() == shipped.resolve() else str(shipped)


def start(job: Job) -> str:
    """Start a job; the run's id."""
    return begin(job).run_id


def begin(job: Job, name: str = "") -> Begun:
    """Start a job under a name (empty: that of its `output_dir`, else one made from the time).

    The same job and name again within seconds is a second click: it gives the same run. A name that is taken, by
    whomever, gets a number. Raises StudioError as `runs.submit` does.
    """
    job, name = named(job, name)
    asked = hashlib.sha256(f"{name}\n{job.to_yaml()}".encode()).hexdigest()
    with _lock:
        for old in [key for key, (when, _) in _latest.items() if time.monotonic() - when >= SAME_CLICK_S]:
            del _latest[old]
        if asked in _latest:
            return _latest[asked][1]
        free = free_name(job, name) if name else None
        begun = Begun(runs.submit(job, free).id, renamed=bool(name) and free != name)
        _latest[asked] = (time.monotonic(), begun)
        return begun


def named(job: Job, name: str) -> tuple[Job, str]:
    """The job with the name as the last part of its `output_dir`; without an `output_dir` the name stands beside it."""
    name = checked_name(name)
    if not name or not job.output_dir:
        return job, "" if job.output_dir else name
    return job.model_copy(update={"output_dir": str(Path(job.output_dir).parent / name)}), ""


def checked_name(name: str) -> str:
    """The name of a run, without spaces around it. Raises StudioError for one that leads into another folder."""
    if "/" in name:
        raise StudioError("run_id_refused", run=name)
    return name.strip()


def free_name(job: Job, name: str) -> str:
    """The name, with a number behind it if a folder has it already."""
    number, free = 2, name
    while claim.output_folder(job, free).exists():
        free, number = f"{name}-{number}", number + 1
    return free
