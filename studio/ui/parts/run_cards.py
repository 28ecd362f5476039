"""The runs of one kind as cards of a tab: what generating, evaluating and exporting have in common.

A part gives `listing` (its rows, each `card(t, run)` and what is its own) and `act`; its script stands behind
`assets/run_cards.js`. All of it follows from the run folders: every browser sees the same, also after a restart.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio import runs
from studio.errors import StudioError
from studio.runs import states
from studio.text import Catalogue
from studio.ui.parts import summary
from studio.ui.parts.tool import Asked, text_of

SHOWN = 8
SCRIPTS = ("tools.js", "run_cards.js")  # before the part's own
ENDED_BADLY = ("failed", "held", "lost", "stopped")


def show(run_id: str) -> dict[str, Any]:
    """The value that makes the cards look at once, for a run that was just started."""
    return {"run": run_id, "at": time.time()}


def latest(kind: str, named: str = "") -> list[runs.Run]:
    """The runs of a kind that are not over, and behind them the latest of the others; with them the one named."""
    found = [one for one in runs.listing() if one.kind == kind]
    live = [one for one in found if one.state in states.LIVE]
    over = [one for one in found if one.state not in states.LIVE]
    room = max(0, SHOWN - len(live))
    older = [one for one in over[room:] if one.id == named]
    return [runs.Run(Path(one.folder)) for one in live + over[:room] + older]


def news(asked: Asked, rows: Sequence[dict], **more: Any) -> dict[str, Any] | None:
    """What the browser gets; None if its token says that it has it."""
    token = hashlib.sha256(json.dumps([rows, more]).encode()).hexdigest()[:12]
    return None if token == asked.get("token") else {"token": token, "rows": rows, "now": time.time(), **more}


def card(t: Catalogue, run: runs.Run) -> dict[str, Any]:
    """What every card shows: state, progress, why it ended, what can be done."""
    state, done = run.state, run.progress()
    live = state in states.LIVE
    return {
        "id": run.id,
        "name": run.folder.name,
        "state": state,
        "word": t(f"states.{state}"),
        "active": live,
        "phase": summary.phase(t, run, state, done) if live else "",
        "fraction": summary.fraction(done, finished=state == "finished"),
        "ends_at": summary.ends_at(run.folder, done) if live else None,
        "error": run.reason(t) or "" if state in ENDED_BADLY else "",
        "can": summary.steering(run, state, run.kind),
    }


def act(kind: str, asked: Asked) -> dict[str, Any]:
    """Do what a button asks of a run of this kind: stop, now or resume."""
    run, action = runs.find(text_of(asked, "run")), text_of(asked, "action")
    if run.kind != kind or action not in summary.steering(run, run.state, kind):
        raise StudioError("tool_unknown", name=action[:80])
    if action == "resume":
        runs.resume(run)
    else:
        runs.stop(run, now=action == "now")
    return {}
