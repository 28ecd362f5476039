"""Whose folder it is: where a job's run goes, and what becomes of a folder that was used before.

    empty, or only foreign files        the run begins there
    a run waits or goes on there        refused
    overwrite_output_dir                what the old run left moves into previous-<time>/, the new one begins
    resume_from_checkpoint, or a whole checkpoint (LLaMA-Factory's rule)      the run goes on there
    results or weights                  refused, with the ways out
    a run that left neither             as with overwrite_output_dir: there is nothing to lose
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio import paths
from studio.errors import FULL_DISK, StudioError
from studio.runs import checkpoints, ids, jobfile, records, states
from studio.runs import folder as files

PREVIOUS = "previous-*"
_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "pytorch_model*.bin", "adapter_model.bin")
_STAYING = (files.LOCK, files.STOP)


def output_folder(job: Any, name: str | None = None) -> Path:
    """Where the job's run goes. Without `output_dir`: `saves/<model>/<finetuning_type or kind>/<name or time>`, unused.

    Raises StudioError for a folder that would hide other runs or lie inside one.
    """
    if job.output_dir:
        folder = paths.output(job.output_dir)
    else:
        adopts = "predictions" if getattr(job, "predictions_from", None) else None
        others = (*getattr(job, "dataset", ()), getattr(job, "local_dir", None), adopts)
        named = job.model_name_or_path or next(filter(None, others), None)
        model = re.sub(r"[^\w.\-]+", "-", Path(str(named)).name).lstrip(".") or "model"
        parent = paths.saves() / model / getattr(job, "finetuning_type", job.kind)
        folder = parent / (name or time.strftime("%Y-%m-%d-%H-%M-%S"))
        folder = _unused(folder) if name is None else folder
    if paths.saves().is_relative_to(folder):
        raise StudioError("output_dir_refused", path=folder)
    run_id = ids.checked(ids.id_of(folder))
    if not ids.is_elsewhere(run_id):
        around = [parent for parent in folder.parents if parent.is_relative_to(paths.saves()) and files.is_run(parent)]
        if around or (not files.is_run(folder) and next(records.runs_below(folder), None)):
            raise StudioError("output_dir_refused", path=folder)
    return folder


def check_disk(folder: Path) -> None:
    """Raise StudioError where the disk has less than `STUDIO_MIN_FREE_GIB` (1) left."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    needed_gib = float(os.environ.get("STUDIO_MIN_FREE_GIB", "1"))
    free_gib = shutil.disk_usage(existing).free / 2**30
    if free_gib < needed_gib:
        raise StudioError("disk_full_soon", path=folder, free_gib=f"{free_gib:.2f}", needed_gib=f"{needed_gib:g}")


def claim(folder: Path, job: Any) -> tuple[Any, tuple[dict, ...]]:
    """Make the folder ready for the job; returns the job, pointed at a checkpoint where it goes on, and what to tell.

    The caller holds the queue. Raises StudioError where the folder is taken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = getattr(job, "resume_from_checkpoint", None)
    last = checkpoints.last_checkpoint(folder) if job.kind == "train" else None
    if not files.is_run(folder) and not (last or _holds_weights(folder)):
        return (_pointed(job, None), (_notice("run_resume_nothing"),)) if wanted is True else (job, ())
    if states.state_of(folder) in states.LIVE:
        raise StudioError("run_folder_busy", path=folder, run=ids.id_of(folder))
    if not wanted and getattr(job, "overwrite_output_dir", False):
        return job, (_move_aside(folder),)
    if isinstance(wanted, str) or last:
        if (folder / files.JOB).exists():
            jobfile.keep(folder)
        checkpoint = wanted if isinstance(wanted, str) else str(last)
        return _pointed(job, checkpoint), (_notice("run_resumed", checkpoint=Path(checkpoint).name),)
    if _holds_weights(folder) or (folder / files.RESULTS).exists():
        raise StudioError("run_folder_used", path=folder, run=ids.id_of(folder))
    return _pointed(job, None), (_move_aside(folder),)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the system says about a disk or a folder into a StudioError."""
    try:
        yield
    except OSError as error:
        path = error.filename or folder
        key = "disk_full" if error.errno in FULL_DISK else "folder_unwritable"
        raise StudioError(key, path=path, reason=error.strerror or error) from error


def _move_aside(folder: Path) -> dict:
    target = _unused(folder / time.strftime("previous-%Y-%m-%d-%H-%M-%S"))
    target.mkdir()
    for path in belongings(folder):
        if path.name not in _STAYING:
            path.rename(target / path.name)
    return _notice("run_moved_aside", path=str(target))


def belongings(folder: Path) -> list[Path]:
    """What a run has left in the folder, by its names; files of others are never among them."""
    return sorted({path for pattern in files.BELONGINGS for path in folder.glob(pattern)})


def _holds_weights(folder: Path) -> bool:
    return any(next(folder.glob(pattern), None) for pattern in _WEIGHTS)


def _pointed(job: Any, checkpoint: str | None) -> Any:
    return job.model_copy(update={"resume_from_checkpoint": checkpoint}) if job.kind == "train" else job


def _notice(code: str, **values: str) -> dict:
    return {"code": code, "values": values}


def _unused(path: Path) -> Path:
    number, free = 2, path
    while free.exists():
        free, number = path.with_name(f"{path.name}-{number}"), number + 1
    return free
