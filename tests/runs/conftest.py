"""Real runs with a stand-in for the worker: real folders, locks, supervisors and signals, no model."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from studio import runs
from studio.config import read_mapping
from studio.runs import launch, states

STAND_IN = Path(__file__).with_name("stand_in.py")


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> object:
    """The first true answer; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return answer


def ended(run: runs.Run) -> runs.Run:
    """The run, once it is over."""
    wait_until(lambda: run.state not in runs.LIVE)
    return run


def is_there(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def behave(monkeypatch) -> Callable[..., None]:
    """behave("steps=5", "pace=0.1"): how workers started from now on act (stand_in.py)."""
    checkout = str(Path(launch.__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", checkout)
    monkeypatch.setattr(launch, "KILL_GRACE_S", 0.3)

    def behave(*words: str) -> None:
        monkeypatch.setattr(launch, "WORKER", (str(STAND_IN), *words))

    behave()
    return behave


@pytest.fixture
def job() -> Callable[..., object]:
    """job(key=value, …): a training job; it is not going to be read by a real worker."""

    def make(**keys: object):
        mapping = {"model_name_or_path": "org/toy", "dataset": "d", "device": "cpu", "stop_grace_s": 5.0} | keys
        return read_mapping("train", mapping).job

    return make


@pytest.fixture(autouse=True)
def no_process_stays(home):
    """End, by the numbers they wrote down, the processes that a test left."""
    yield
    alive = [runs.Run(Path(found.folder)) for found in runs.listing() if found.state in states.ALIVE]
    for run in alive:
        for pid in (run.status.supervisor_pid, run.status.worker_pid):
            if pid and is_there(pid):
                os.kill(pid, signal.SIGKILL)


sys.path.insert(0, str(STAND_IN.parent))  # for `import stand_in`
