"""What a worker's exit code means: the state a run ends in and the reason it gives."""

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from studio.runs import folder as files
from studio.runs import jobfile, room
from studio.runs.reasons import reason

FINISHED, STOPPED, USER_ERROR = 0, 3, 4  # the worker's exit codes; all others are bugs or signals
_FULL_BYTES = 1 << 20


@dataclass(frozen=True)
class Ending:
    """How a worker ended. `by_user`: trying again would end alike until the user changes something."""

    state: str
    exit_code: int | None
    error: dict | None
    by_user: bool = False


def ending(folder: Path, code: int, forced: bool) -> Ending:
    """The end of a worker by its exit code (negative: a signal); `forced`: it was made to leave by signals."""
    if code == FINISHED:
        return Ending("finished", code, None)
    if code == STOPPED:
        return Ending("stopped", code, room.reason_of(folder))
    if forced:
        begins_again = jobfile.value(folder, "kind") in ("build", "export")  # they have no checkpoints
        return Ending("stopped", code, None if begins_again else reason("worker_forced"))
    told = files.read_json(folder / files.ERROR)
    if code == USER_ERROR and told:
        return Ending("failed", code, told, by_user=True)
    if _disk_is_full(folder):
        return Ending("failed", code, reason("disk_full", path=folder), by_user=True)
    if code < 0:
        return Ending("failed", code, _signalled(-code, jobfile.value(folder, "kind")))
    return Ending("failed", code, reason("worker_failed", code=code, path=folder / files.LOG))


def not_started(launch: dict, error: OSError) -> Ending:
    """The worker's program could not be started."""
    return Ending("failed", None, reason("worker_not_started", program=launch["argv"][0], reason=error), by_user=True)


def _signalled(number: int, kind: str | None) -> dict:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = str(number)
    if name == "SIGKILL" and kind == "export":
        return reason("export_no_memory", reason=name)
    crashes = ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE")
    killed = "server_killed" if kind == "serve" else "worker_killed"
    key = killed if name == "SIGKILL" else "worker_crashed" if name in crashes else "worker_signalled"
    return reason(key, signal=name)


def _disk_is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BYTES
    except OSError:
        return False
