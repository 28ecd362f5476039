"""Where an export, or a converted model, is written: into `<folder>.part`, which takes its name when it is whole.

A folder that is there is never written over by accident: without `overwrite_export_dir` it is refused; with it, an
export of ours is replaced as far as its files are as they were written, and whatever else lies there moves to
`<folder>.previous-<time>`.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from studio import paths
from studio.config import exporting_size
from studio.errors import StudioError
from studio.runs import folder as run_folder
from studio.runs import locks
from studio.worker import full_disk
from studio.worker.export import manifest
from studio.worker.export.source import Source

MARK = ".export"  # in a draft: it is ours, and may be cleared away while nobody holds it locked
DONE = ".exported"  # in a finished export: it is ours
ENDED_AT_ONCE = 128 + signal.SIGTERM  # the exit code, as a shell has it
SPARE_BYTES = 64 * 2**20  # tokenizer, card, what the file system takes for itself


def check(target: Path, job, folder: Path) -> None:
    """Raise StudioError for a folder that is in use, or whose disk has no room for what is asked for. `folder` is that
    of the run."""
    homes = (paths.home(), paths.saves(), Path.home(), folder)
    taken = (target.exists() and not target.is_dir()) or run_folder.is_run(target)
    if taken or any(path.resolve().is_relative_to(target) for path in homes):
        raise StudioError("export_dir_refused", path=target)
    if is_used(target) and not job.overwrite_export_dir:
        raise StudioError("export_dir_used", path=target)
    existing = clear(target)
    needed = sum(exporting_size.estimate(job).values()) + SPARE_BYTES
    free = shutil.disk_usage(existing).free
    if needed > free:
        told = {"needed": f"{needed / 1e9:.2f} GB", "free": f"{free / 1e9:.2f} GB"}
        raise StudioError("export_no_room", path=existing, **told)


def clear(target: Path) -> Path:
    """Delete the draft that a killed process has left of this folder; returns the folder on the disk that a new one
    will stand in.

    Raises StudioError where another process is writing there, the draft's name is taken, or the folder could not make
    room in the end.
    """
    part = _part(target)
    if is_used(part) and not (part / MARK).exists():
        raise StudioError("export_dir_used", path=part)
    if not locks.is_free(part / MARK):
        raise StudioError("export_dir_busy", path=target)
    if part.exists():
        shutil.rmtree(part)
    existing = next(path for path in target.parents if path.exists())
    if not os.access(existing, os.W_OK) or not _can_make_room(target):
        raise StudioError("export_dir_fixed", path=target, parent=existing)
    return existing


def keep_apart(target: Path, source: Source) -> None:
    """Raise StudioError where the export would take the place of what it is made from."""
    for path in (source.base, source.voice, *source.adapters, *filter(None, [source.run])):
        if path.resolve().is_relative_to(target):
            raise StudioError("export_dir_refused", path=target)


@contextmanager
def draft(target: Path, overwrite: bool = True) -> Iterator[Path]:
    """The folder to write into, held against other processes; one that was not `put` in its place is gone afterwards.

    Raises StudioError where another process has just begun there or, unless it may `overwrite`, has just ended; and
    where the disk becomes full.
    """
    part = _part(target)
    clear(target)
    held = locks.acquire(part / MARK)
    if held is None:
        raise StudioError("export_dir_busy", path=target)
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED_AT_ONCE))  # by way of what follows
    try:
        if is_used(target) and not overwrite:
            raise StudioError("export_dir_used", path=target)
        yield part
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if full_disk.is_full(error):
            raise StudioError("export_disk_full", path=target.parent) from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(held)


def put(part: Path, target: Path) -> None:
    """Give the finished draft its name; what had it before makes room. A draft has its mark until then, so that one
    of a process that was killed is known for what it is."""
    for path in (*part.rglob("*"), part):  # on the disk before it has the name
        _flush(path)
    old = None
    if target.exists():
        old = target.with_name(f"{target.name}.previous-{time.strftime('%Y-%m-%d-%H-%M-%S')}")
        target.rename(old)
    part.rename(target)
    (target / MARK).rename(target / DONE)
    if old is not None:
        _drop(old)
        if old.exists():
            print(f"what was in {target} and was no export of ours is in {old}", flush=True)


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _drop(old: Path) -> None:
    """Delete the files of an earlier export that are as it wrote them, by its own list of sums; anything else stays."""
    if (old / DONE).exists():
        with suppress(OSError, ValueError):
            for line in (old / manifest.SUMS).read_text("utf-8").splitlines():
                digest, _, name = line.partition("  ")
                path = old / name
                if path.resolve().is_relative_to(old.resolve()) and path.is_file() and manifest.sum_of(path) == digest:
                    path.unlink()
            (old / manifest.SUMS).unlink()
        (old / DONE).unlink()
    for folder in sorted((path for path in old.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    if not any(old.iterdir()):
        old.rmdir()


def is_used(folder: Path) -> bool:
    """Whether there is something in a folder."""
    return folder.is_dir() and any(folder.iterdir())


def _can_make_room(target: Path) -> bool:
    """Whether a folder that is there can be renamed, which is tried: the top of a mounted disk cannot, nor can one
    that came with a container's image."""
    if not target.is_dir():
        return True
    aside = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        target.rename(aside)
    except OSError:
        aside.rmdir()
        return False
    aside.rename(target)
    return True


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")
