"""Real runs without a model: jobs, a stand-in for the worker, and waiting for what is to happen."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio import paths, runs
from studio.config import read_mapping
from studio.errors import StudioError
from studio.runs import launch, locks, queue
from studio.text import catalogue

STAND_IN = Path(__file__).with_name("stand_in.py")
TOY = Path(tempfile.gettempdir()) / "studio-tests" / "toy"  # an empty folder: for a stand-in that is a model
TOY.mkdir(parents=True, exist_ok=True)


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> object:
    """The first true answer; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return answer


def ended(run: runs.Run) -> runs.Run:
    """The run, once it is over."""
    wait_until(lambda: run.state not in runs.LIVE, 40)
    return run


def at_work(run: runs.Run) -> runs.Run:
    """The run, once its worker has logged a step."""
    wait_until(lambda: run.status.worker_pid and run.progress().step)
    return run


def the_run() -> runs.Run:
    """The only run there is, once it is at work."""
    return at_work(runs.find(wait_until(lambda: next(iter(runs.listing()), None)).id))


def is_there(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def key_of(call: Callable, *args: object, **more: object) -> str:
    """The key of the StudioError that a call raises; its words are there in both languages, with all their values."""
    with pytest.raises(StudioError) as found:
        call(*args, **more)
    assert "{" not in found.value.text(catalogue("en")) and "{" not in found.value.text(catalogue("zh"))
    return found.value.key


@pytest.fixture
def behave(monkeypatch, home) -> Iterator[Callable[..., None]]:
    """behave("steps=5", "pace=0.1"): how workers started from now on act (stand_in.py). Leaves no process behind."""
    monkeypatch.setenv("PYTHONPATH", str(paths.PACKAGE.parent))
    monkeypatch.setattr(launch, "KILL_GRACE_S", 0.3)
    monkeypatch.setattr(launch, "WORKER", (str(STAND_IN),))
    yield lambda *words: monkeypatch.setattr(launch, "WORKER", (str(STAND_IN), *words))
    alive = [runs.find(found.id).status for found in runs.listing() if found.state in runs.ALIVE]
    for pid in [pid for status in alive for pid in (status.supervisor_pid, status.worker_pid)]:
        if pid and is_there(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def busy() -> Iterator[Callable[[], None]]:
    """The CPU is taken, as by a run, until `busy()` is called: what is started waits."""
    held = [locks.acquire(queue.device_lock("cpu:0"))]
    yield lambda: os.close(held.pop())
    for fd in held:
        os.close(fd)


@pytest.fixture
def job() -> Callable[..., object]:
    """job(key=value, …): a training job; it is not going to be read by a real worker."""

    def make(**keys: object):
        mapping = {"model_name_or_path": str(TOY), "dataset": "d", "device": "cpu", "stop_grace_s": 5.0} | keys
        return read_mapping("train", mapping).job

    return make
