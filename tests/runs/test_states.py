"""The one table of transitions, and the states that are computed."""

import itertools
import os

import pytest

from studio.runs import folder as files
from studio.runs import locks, states

LEGAL = {
    ("queued", "held"), ("queued", "running"), ("queued", "failed"), ("queued", "stopped"),
    ("held", "queued"), ("held", "failed"), ("held", "stopped"),
    ("running", "stopping"), ("running", "finished"), ("running", "failed"), ("running", "stopped"),
    ("stopping", "finished"), ("stopping", "failed"), ("stopping", "stopped"),
    ("finished", "queued"), ("failed", "queued"), ("stopped", "queued"), ("lost", "queued"), ("unknown", "queued"),
}
WRITTEN = ("queued", "held", "running", "stopping", "finished", "failed", "stopped")


def put(folder, state):
    folder.mkdir()
    states.write(folder, states.Status(state, "train", 1.0))


@pytest.mark.parametrize("before, after", list(itertools.product(WRITTEN, WRITTEN)))
def test_transitions(tmp_path, before, after):
    run = tmp_path / "run"
    put(run, before)
    fd = locks.acquire(run / files.LOCK) if before in states.ALIVE else None
    try:
        if (before, after) in LEGAL:
            states.change(run, after)
            assert states.read(run).state == after
        else:
            with pytest.raises(AssertionError):
                states.change(run, after)
            assert states.read(run).state == before
    finally:
        if fd is not None:
            os.close(fd)


@pytest.mark.parametrize("state", states.ALIVE)
def test_lost_is_a_free_lock(tmp_path, state):
    run = tmp_path / "run"
    put(run, state)
    fd = locks.acquire(run / files.LOCK)
    assert states.state_of(run) == state
    os.close(fd)
    assert states.state_of(run) == "lost"
    states.change(run, "queued")
    assert states.state_of(run) == "queued"


def test_an_end_written_while_looking_is_no_loss(tmp_path, monkeypatch):
    run = tmp_path / "run"
    put(run, "running")
    stale = states.read(run)
    states.write(run, states.Status("finished", "train", 1.0))  # its supervisor wrote this, then let go of the lock
    assert states.state_of(run, stale) == "finished"


def test_folders_without_status(tmp_path):
    (tmp_path / "trainer_log.jsonl").write_text("")
    assert states.state_of(tmp_path) == "unknown"
    (tmp_path / "all_results.json").write_text("{}")
    assert states.state_of(tmp_path) == "finished"


def test_status_of_another_version(tmp_path):
    files.write_json_atomic(tmp_path / files.STATUS, {"state": "finished", "colour": "red"})
    assert states.read(tmp_path) == states.Status("finished", "train", 0.0)


def test_status_reads_back(tmp_path):
    status = states.Status("failed", "train", 1.5, error={"key": "k"}, needs=("a", "b"), devices=("cpu:0",))
    states.write(tmp_path, status)
    assert states.read(tmp_path) == status


def test_a_full_disk_has_it_written_in_place(tmp_path, monkeypatch):
    states.write(tmp_path, states.Status("running", "train", 1.0, error={"key": "long", "values": {"x": "y" * 300}}))

    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_json_atomic", full)
    states.write(tmp_path, states.Status("finished", "train", 1.0))
    assert states.read(tmp_path) == states.Status("finished", "train", 1.0)
