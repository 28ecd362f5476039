"""From a data set to what is kept of it: found, or made once for each state of its files, by one at a time.

    cache/browse/<key>/     one state of one set, as `building` writes it

The key stands for the files (path, size, time of change) and for how the registry reads them. What an earlier state of
the same set left is removed, and of all the longest unused beyond MAX_BYTES.
"""

import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from studio import paths
from studio.data import reading
from studio.data.browse import building, salvage
from studio.data.browse.table import Opened
from studio.data.source import Source
from studio.errors import FULL_DISK, StudioError

VERSION = 3  # raised when the same files are kept otherwise than before
MAX_BYTES = 32 << 30
MAX_OPEN = 8
WAIT_S = 0.1
INHERITED = ("name", "num_samples", "notices")  # of an entry, what changes nothing in the rows

Progress = Callable[[int, int], None]
_open: OrderedDict[Path, Opened] = OrderedDict()
_lock = threading.Lock()


def open(source: Source, progress: Progress | None = None) -> Opened:
    """The set opened for looking at it. `progress(done, total)` counts bytes, about; it may raise to call it off.

    Two that open the same set share the work. Raises StudioError for files that are not here or of no readable kind,
    for an empty set, for files that change meanwhile, and for a full disk.
    """
    folder = _folder(source)
    found = _mapped(folder, source)
    if found is None:
        with _on_disk(folder.parent), _alone(folder.parent / f".{_digest(source)}.lock", progress):
            found = _mapped(folder, source) or _build(folder, source, progress)
    return found


def opened(source: Source) -> Opened | None:
    """The set if it was opened before and its files are as they were then, else None. Costs next to nothing."""
    return _mapped(_folder(source), source)


def _mapped(folder: Path, source: Source) -> Opened | None:
    """What is kept, if it is there and whole: a machine that broke down may have lost some of it."""
    if not (folder / building.FACTS).is_file():
        return None
    try:
        with _lock:
            found = _open.pop(folder, None) or Opened(folder, source)
            _open[folder] = found
            while len(_open) > MAX_OPEN:
                _open.popitem(last=False)
    except (FileNotFoundError, ValueError, LookupError):
        _remove(folder)
        return None
    with suppress(OSError):  # the time of its last use
        os.utime(folder / building.FACTS, ns=(time.time_ns(), time.time_ns()))
    return found


def _folder(source: Source) -> Path:
    stamps = [_stamp(file) for file in reading.files_of(source)]
    parts = [VERSION, stamps, _entry(source)]
    return paths.cache() / "browse" / hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:24]


def _stamp(file: Path) -> list:
    found = file.stat()
    return [str(file.resolve()), found.st_size, found.st_mtime_ns]


def _entry(source: Source) -> dict:
    return {key: value for key, value in asdict(source).items() if key not in INHERITED}


def _build(folder: Path, source: Source, progress: Progress | None) -> Opened:
    files = reading.files_of(source)
    draft = folder.with_name(f".{_digest(source)}.draft")  # what a crash left there is nobody's: we hold the lock
    stamps = [_stamp(file) for file in files]
    total = sum(_plain_size(file) for file in files)

    def told(num_bytes: int) -> None:
        if progress:
            progress(min(num_bytes, total), total)

    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        facts = building.write(draft, source, salvage.read_rows(files), told)
        if not facts["num_rows"]:
            raise StudioError("data_empty", file=source.path)
        if [_stamp(file) for file in files] != stamps:
            raise StudioError("browse_changed", name=source.name, file=source.path)
        facts |= {"files": stamps, "of": _digest(source)}
        (draft / building.FACTS).write_text(json.dumps(facts), "ascii")
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _prune(folder, facts["of"])
    _sweep(folder.parent)
    return _mapped(folder, source) or Opened(folder, source)


@contextmanager
def _on_disk(folder: Path) -> Iterator[None]:
    """The folder is there; a full disk is said in words."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise StudioError("browse_disk_full", folder=folder) from None
        raise


def _plain_size(file: Path) -> int:
    """About how many bytes its rows are as text."""
    if file.suffix.lower() != ".parquet":
        return file.stat().st_size
    import pyarrow.parquet

    try:
        about = pyarrow.parquet.read_metadata(file)
        return sum(about.row_group(place).total_byte_size for place in range(about.num_row_groups))
    except (pyarrow.ArrowException, OSError):
        return file.stat().st_size


def _digest(source: Source) -> str:
    """The set without regard to the state of its files."""
    parts = [str(source.path and source.path.resolve()), _entry(source)]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:24]


@contextmanager
def _alone(lock: Path, progress: Progress | None) -> Iterator[None]:
    """Be the only one who opens this set; who waits is told that nothing is known yet."""
    fd = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        while not _try_lock(fd):
            if progress:
                progress(0, 0)
            time.sleep(WAIT_S)
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _prune(folder: Path, of: str) -> None:
    """Remove what an earlier state of this set left, and the longest unused where all together is too much."""
    kept = []
    for facts in folder.parent.glob("*/" + building.FACTS):
        with suppress(OSError, ValueError):
            if facts.parent != folder and json.loads(facts.read_text("utf-8"))["of"] == of:
                _remove(facts.parent)
            else:
                size = sum(file.stat().st_size for file in facts.parent.iterdir())
                kept.append((facts.stat().st_mtime, size, facts.parent))
    total = sum(size for _, size, _ in kept)
    for _, size, old in sorted(kept):
        if total > MAX_BYTES and old != folder:
            _remove(old)
            total -= size


def _sweep(folder: Path) -> None:
    """Remove the drafts that crashes left; who is at work holds the lock beside the draft."""
    for draft in folder.glob(".*.draft"):
        fd = os.open(draft.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if _try_lock(fd):
                shutil.rmtree(draft, ignore_errors=True)
        finally:
            os.close(fd)


def _remove(folder: Path) -> None:
    """What somebody has mapped lives on until they let go."""
    (folder / building.FACTS).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
