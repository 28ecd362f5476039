"""Locks live as long as a descriptor of theirs, across processes."""

import os
import subprocess
import sys

import pytest

from studio.errors import StudioError
from studio.runs import locks


def test_taken_until_closed(tmp_path):
    path = tmp_path / "deep" / "lock"
    assert locks.is_free(path)
    fd = locks.acquire(path)
    assert locks.acquire(path) is None and not locks.is_free(path)
    os.close(fd)
    assert locks.is_free(path) and locks.is_free(path)


def test_a_child_keeps_what_it_was_handed(tmp_path):
    path = tmp_path / "lock"
    fd = locks.acquire(path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[fd])
    os.close(fd)
    assert not locks.is_free(path)
    child.kill()
    child.communicate()
    assert locks.is_free(path)


def test_viewers_do_not_see_one_another(tmp_path):
    import fcntl

    path = tmp_path / "lock"
    os.close(locks.acquire(path))
    with open(path) as viewer:
        fcntl.flock(viewer, fcntl.LOCK_SH)
        assert locks.is_free(path)


def test_a_removed_file_is_no_lock(tmp_path):
    path = tmp_path / "lock"
    old = locks.acquire(path)
    path.unlink()
    new = locks.acquire(path)
    assert new is not None
    os.close(old)
    assert not locks.is_free(path)
    os.close(new)


def test_waiting_ends(tmp_path):
    fd = locks.acquire(tmp_path / "lock")
    with pytest.raises(StudioError) as found, locks.holding(tmp_path / "lock", wait_s=0.05):
        pass
    os.close(fd)
    assert found.value.key == "lock_taken" and "lock" in str(found.value)
