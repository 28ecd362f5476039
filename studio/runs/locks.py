"""Locks that cannot be left behind: `flock` on an open descriptor, gone with the last process that holds it.

A descriptor may be handed to a child, and the lock goes with it. Nothing here reads or trusts process ids.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from studio.errors import StudioError

_RETRY_S = 0.01


def acquire(path: Path, wait_s: float = 0.0) -> int | None:
    """Take the lock and return its descriptor; None when it is still taken after `wait_s`."""
    deadline = time.monotonic() + wait_s
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if _try(fd, fcntl.LOCK_EX) and _is_file(fd, path):
            return fd
        os.close(fd)
        if time.monotonic() >= deadline:
            return None
        time.sleep(_RETRY_S)


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock. Asks with a shared lock, so that ten viewers do not see one another."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return True
    try:
        return _try(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


@contextmanager
def holding(path: Path, wait_s: float = 30.0) -> Iterator[None]:
    """Hold the lock for a block. Raises StudioError where another process does not let go of it."""
    fd = acquire(path, wait_s)
    if fd is None:
        raise StudioError("lock_taken", path=path)
    try:
        yield
    finally:
        os.close(fd)


def _try(fd: int, how: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(fd, how | fcntl.LOCK_NB)
        return True
    return False


def _is_file(fd: int, path: Path) -> bool:
    """False when the file was removed or replaced between opening and locking it."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False
