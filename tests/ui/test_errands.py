"""Errands: work in a thread, told as it goes, stopped, one of a set at a time, its result kept."""

import threading
import time

import pytest

from studio.errors import StudioError
from studio.text import catalogue
from studio.ui import errands

EN = catalogue("en")
PATIENCE_S = 10.0


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(errands, "_errands", {})
    monkeypatch.setattr(errands, "_turns", {})


def state(key, token=""):
    return errands.state(EN, key, token, lambda errand: errand.result)


def ended(key) -> dict:
    until = time.monotonic() + PATIENCE_S
    while state(key)["state"] in (*errands.AT_WORK, "stopping") and time.monotonic() < until:
        time.sleep(0.005)
    return state(key)


class Gate:
    """Work that tells how far it is and goes on when it may."""

    def __init__(self) -> None:
        self.begun, self.may_go = threading.Event(), threading.Event()

    def __call__(self, tell):
        tell(1, 4)
        self.begun.set()
        assert self.may_go.wait(PATIENCE_S)
        tell(4, 4)
        return "result"


def test_a_result_is_told_once_and_kept():
    key = ("lengths", "mine")
    assert state(key) == {"token": "none", "state": "none"}
    errands.begin(key, lambda tell: 7)
    found = ended(key)
    assert (found["state"], found["result"]) == ("done", 7)
    assert state(key, found["token"]) is None
    assert state(key)["result"] == 7, "another browser, or this one after a reload"


def test_progress_is_told_as_it_goes():
    key, work = ("lengths", "mine"), Gate()
    errands.begin(key, work)
    assert work.begun.wait(PATIENCE_S)
    found = state(key)
    assert (found["state"], found["done"], found["total"]) == ("working", 1, 4) and "result" not in found
    assert state(key, found["token"]) is None
    work.may_go.set()
    assert ended(key)["result"] == "result"


def test_a_second_start_is_the_errand_at_work():
    key, work = ("lengths", "mine"), Gate()
    first = errands.begin(key, work)
    assert errands.begin(key, lambda tell: "other") is first
    work.may_go.set()
    ended(key)
    assert errands.begin(key, lambda tell: "other") is not first
    assert ended(key)["result"] == "other"


def test_something_else_is_not_taken_for_what_is_at_work():
    key, work = ("making", "mine"), Gate()
    first = errands.begin(key, work, {"way": "split"})
    assert errands.begin(key, work, {"way": "split"}) is first, "a second click"
    with pytest.raises(StudioError, match="something else"):
        errands.begin(key, lambda tell: "shuffled", {"way": "shuffle"})
    work.may_go.set()
    assert ended(key)["result"] == "result"
    errands.begin(key, lambda tell: "shuffled", {"way": "shuffle"})
    assert ended(key)["result"] == "shuffled"


def test_it_stops_where_it_tells():
    key, work = ("doctor", "mine"), Gate()
    errands.begin(key, work)
    assert work.begun.wait(PATIENCE_S)
    errands.stop(key)
    assert state(key)["state"] == "stopping"
    work.may_go.set()
    found = ended(key)
    assert found["state"] == "stopped" and "result" not in found and "error" not in found


def test_errands_of_a_set_take_turns_and_others_do_not_wait():
    first, second = Gate(), Gate()
    errands.begin(("lengths", "mine"), first)
    assert first.begun.wait(PATIENCE_S)
    errands.begin(("doctor", "mine"), second)
    errands.begin(("doctor", "other"), lambda tell: 1)
    assert ended(("doctor", "other"))["state"] == "done"
    assert state(("doctor", "mine"))["state"] == "waiting" and not second.begun.is_set()
    errands.stop(("doctor", "mine"))
    assert ended(("doctor", "mine"))["state"] == "stopped", "one that waits need not wait for its end"
    first.may_go.set()
    assert ended(("lengths", "mine"))["state"] == "done" and not second.begun.is_set()


def test_an_error_is_said_and_a_bug_too():
    def fails(tell):
        raise StudioError("data_info_shape", file="x.json")

    def breaks(tell):
        raise ZeroDivisionError("ouch")

    errands.begin(("making", "a"), fails)
    errands.begin(("making", "b"), breaks)
    found = ended(("making", "a"))
    assert "x.json" in found["error"] and found["code"] == "data_info_shape"
    found = ended(("making", "b"))
    assert found["state"] == "failed" and "ouch" in found["error"]


def test_only_the_latest_results_are_kept(monkeypatch):
    monkeypatch.setattr(errands, "KEPT", 3)
    for number in range(6):
        errands.begin(("lengths", str(number)), lambda tell: 1)
        ended(("lengths", str(number)))
    kept = [number for number in range(6) if state(("lengths", str(number)))["state"] != "none"]
    assert 5 in kept and 0 not in kept and len(kept) <= 4
