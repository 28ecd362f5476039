"""Errands: long work that a part of the page asks for, each in a thread of its own, with progress, an end and a result.

    errands.begin(key, work, asked)      # work(tell) in a thread; tell(done, total) says how far it is
    errands.stop(key)                    # the next tell(…) ends the work
    errands.state(t, key, token, show)   # what a browser lacks; show(result) makes the result what the browser gets

A key is a part and a data set: what is asked again while it is at work is the same errand, anything else under its key
has to wait, and errands of one set take their turns. The latest results stay in the page's process, so that a reload,
or another browser, finds them. What has to outlive the studio is a job instead.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from studio.errors import StudioError
from studio.text import Catalogue

log = logging.getLogger("studio.ui")
KEPT = 60
TURN_S = 0.1  # how often one that waits for its turn looks whether it is to stop
AT_WORK = ("waiting", "working")

Key = tuple[str, str]  # the part; the data set, with the folder of its registry
Tell = Callable[..., None]
Work = Callable[[Tell], Any]


class Stopped(Exception):
    """Somebody asked for the end; raised inside the work by `tell`."""


@dataclass
class Errand:
    """One piece of work. `state`: waiting, working, done, failed or stopped."""

    key: Key
    work: Work
    asked: Any = None
    state: str = "waiting"
    done: int = 0
    total: int = 0
    result: Any = None
    error: StudioError | None = None
    is_stopping: bool = False
    number: int = field(default_factory=time.monotonic_ns)

    def tell(self, done: int = 0, total: int = 0, *_: object) -> None:
        """How far the work is, in whatever it counts. Raises Stopped where that was asked for."""
        if self.is_stopping:
            raise Stopped
        self.done, self.total = done, total


_errands: dict[Key, Errand] = {}
_turns: dict[str, threading.Lock] = {}
_lock = threading.Lock()


def begin(key: Key, work: Work, asked: Any = None) -> Errand:
    """Start `work` under a key, or give the errand that is at work under it; an ended one is replaced.

    Raises StudioError where the one at work is for something else than `asked`.
    """
    with _lock:
        errand = _errands.get(key)
        if errand and errand.state in AT_WORK:
            if errand.asked != asked:
                raise StudioError("tool_busy")
            return errand
        _errands.pop(key, None)
        errand = _errands[key] = Errand(key, work, asked)
        for old in [one for one, kept in _errands.items() if kept.state not in AT_WORK][: max(0, len(_errands) - KEPT)]:
            del _errands[old]
        turn = _turns.setdefault(key[1], threading.Lock())
    threading.Thread(target=_run, args=(errand, turn), daemon=True).start()
    return errand


def latest(key: Key) -> Errand | None:
    """The errand of a key, whatever its state."""
    return _errands.get(key)


def stop(key: Key) -> None:
    """Ask an errand for its end; nothing happens where none is at work."""
    errand = _errands.get(key)
    if errand:
        errand.is_stopping = True


def state(t: Catalogue, key: Key, token: object, show: Callable[[Errand], Any]) -> dict[str, Any] | None:
    """What a browser has to know of an errand: {"token", "state", "done", "total", "error", "code", "result"}.

    None if its token says that it knows; {"state": "none"} where there is no errand.
    """
    errand = _errands.get(key)
    now = f"{errand.number}.{errand.state}.{errand.done}.{errand.total}.{errand.is_stopping}" if errand else "none"
    if now == token:
        return None
    if errand is None:
        return {"token": now, "state": "none"}
    shown = "stopping" if errand.is_stopping and errand.state in AT_WORK else errand.state
    found: dict[str, Any] = {"token": now, "state": shown, "done": errand.done, "total": errand.total}
    if errand.error is not None:
        found |= {"error": errand.error.text(t), "code": errand.error.key}
    if errand.state == "done":
        found["result"] = show(errand)
    return found


def _run(errand: Errand, turn: threading.Lock) -> None:
    while not turn.acquire(timeout=TURN_S):
        if errand.is_stopping:
            errand.state = "stopped"
            return
    ended = "failed"
    try:
        errand.state = "working"
        errand.tell()
        errand.result = errand.work(errand.tell)
        ended = "done"
    except Stopped:
        ended = "stopped"
    except StudioError as error:
        errand.error = error
    except Exception as error:
        log.exception("an errand failed")
        errand.error = StudioError("bug", reason=f"{type(error).__name__}: {error}")
    finally:
        turn.release()
        errand.state = ended
