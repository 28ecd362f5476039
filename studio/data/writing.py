"""Files of rows and how they are written: one writer at a time, all or nothing, errors of the disk in words.

Standard library only. Reading line by line is `studio.data.reading`.
"""

import datetime
import decimal
import errno
import fcntl
import json
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from studio.data import reading
from studio.data.source import Source
from studio.errors import FULL_DISK, StudioError

LOCK = ".writing.lock"
LOCK_WAIT_S = 30.0

Rows = list[dict]


def read_rows(file: Path) -> Rows:
    """The rows of a file of JSON lines; none where there is no file."""
    if not file.is_file() or not file.stat().st_size:
        return []
    return [row for _, row in reading.read_rows(Source(name=file.name, path=file)) if isinstance(row, dict)]


def glance(file: Path) -> Rows:
    """As `read_rows`, without reading a file again that has not changed. Not to be changed."""
    try:
        found = file.stat()
    except OSError:
        return []
    return _glanced(file, found.st_mtime_ns, found.st_ino, found.st_size)


@lru_cache(maxsize=8)
def _glanced(file: Path, *_stamp: int) -> Rows:
    return read_rows(file)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only writer in `folder`, which is made if need be. Raises StudioError where another does not let go."""
    path = folder / LOCK
    with on_disk(path):
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + LOCK_WAIT_S
        while not _try_lock(fd):
            if time.monotonic() >= deadline:
                raise StudioError("lock_taken", path=path)
            time.sleep(0.01)
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lines(rows: Iterable[Mapping]) -> str:
    """Rows as JSON lines."""
    return "".join(map(line, rows))


def line(row: object) -> str:
    """A row as one line of JSON that every reader takes: "not a number" is null, infinity a word.

    Raises StudioError for one that holds bytes, which JSON has no form for.
    """
    try:
        text = json.dumps(row, ensure_ascii=False, default=_plain, allow_nan=False)
    except ValueError:
        row = _finite(row)
        text = json.dumps(row, ensure_ascii=False, default=_plain)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can write
        text = json.dumps(row, default=_plain)
    return text + "\n"


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return {key: _finite(item) for key, item in value.items()} if isinstance(value, dict) else value


def _plain(value: object) -> object:
    """What parquet and spreadsheets hold and JSON does not."""
    if isinstance(value, datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        raise StudioError("making_bytes")
    return str(value)


def replace(file: Path, text: str) -> None:
    """The file as a whole or as it was."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with on_disk(file):
        try:
            with draft.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)


def append(file: Path, rows: Iterable[Mapping]) -> int:
    """Add rows to the end and give their number. They are all there or none is; a half line that a crash left behind
    is closed first."""
    added = [line(row) for row in rows]
    with on_disk(file):
        _append(file, "".join(added).encode())
    return len(added)


def _append(file: Path, data: bytes) -> None:
    fd = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        size = os.fstat(fd).st_size
        torn = size and os.pread(fd, 1, size - 1) != b"\n"
        data = (b"\n" if torn else b"") + data
        try:
            if os.pwrite(fd, data, size) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        except OSError:
            os.ftruncate(fd, size)
            raise
    finally:
        os.close(fd)


def drop_old(folder: Path, kept_s: float) -> None:
    """Remove what nobody has changed for that long in a folder of the cache."""
    for old in folder.glob("*"):
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > kept_s:
                shutil.rmtree(old) if old.is_dir() else old.unlink()


@contextmanager
def on_disk(file: Path) -> Iterator[None]:
    """Errors of the disk in words."""
    try:
        yield
    except OSError as error:
        key = "data_registry_full" if error.errno in FULL_DISK else "data_unwritable"
        raise StudioError(key, file=file, why=error.strerror or error) from error
