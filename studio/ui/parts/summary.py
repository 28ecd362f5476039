"""A run in words: state, phase, progress and times, as the monitor and the list of runs show them."""

import hashlib
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from studio import runs
from studio.config import SCHEMA_VERSION, STARTER
from studio.errors import StudioError
from studio.runs import folder as files
from studio.runs import jobfile, states
from studio.runs.checkpoints import last_checkpoint
from studio.runs.metrics import Progress
from studio.scoring.predictions import PREDICTIONS
from studio.text import Catalogue

TRAINED = (files.PROGRESS, files.METRICS, files.RESULTS)
WATCHED = (files.STATUS, files.JOB, files.RESULT, files.ENDPOINT, *TRAINED)
BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def token_of(run: runs.Run) -> str:
    """A mark that changes with anything `summarise` tells."""
    folders = [run.folder, *(need.folder for need in waited_for(run))]
    seen = [[files.stamp(folder / name) for name in WATCHED] + [states.state_of(folder)] for folder in folders]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:12]


def summarise(t: Catalogue, run: runs.Run) -> dict[str, Any]:
    """Everything above the curves, ready to be shown. Times are seconds since the epoch."""
    status, state, done = run.status, run.state, run.progress()
    if state in states.ALIVE and files.stamp(run.folder / files.METRICS)[0] < (status.started or 0) * 1e9:
        # Resumed: the steps on record are those of an earlier attempt.
        done = replace(done, step=None, total_steps=None, remaining_s=None)
    active = state in states.LIVE
    needs = waited_for(run) if state in states.WAITING else []
    shown = needs[0].progress() if needs else done
    return {
        "id": run.id,
        "title": run.folder.name,
        "about": about(t, run.folder, status.kind, status.created),
        "folder": str(run.folder),
        "state": state,
        "state_word": t(f"states.{state}"),
        "leads": leads(run, state, status.kind),
        "has_log": (run.folder / files.LOG).is_file(),
        "active": active,
        "phase": phase(t, run, state, done),
        "fraction": fraction(shown, finished=state == "finished" or is_serving(run, state)),
        "total": done.total_steps,
        "started": status.started,
        "ended": status.ended,
        "ends_at": ends_at(needs[0].folder if needs else run.folder, shown) if active else None,
        "error": run.reason(t) or "" if state in ("failed", "held", "lost", "stopped") else "",
        "notices": [*run.notices(t), *newer(t, run.folder)],
        "can": possible(run, state, status.kind),
        "epochs": epochs_of(run) if state == "finished" else None,
    }


def about(t: Catalogue, folder: Path, kind: str, created: float) -> str:
    """Kind, model and time of a run."""
    model = jobfile.value(folder, "model_name_or_path") or ""
    model = t("monitor.starter_model") if model == STARTER else model.rstrip("/").rpartition("/")[2]
    parts = [kind_word(t, kind), model if model != "null" else "", moment(created) if created else ""]
    return " · ".join(part for part in parts if part)


def kind_word(t: Catalogue, kind: str) -> str:
    """The kind of a run in words; as it is written where a newer version knows one more."""
    return t(f"kinds.{kind}") if f"kinds.{kind}" in t else kind


def moment(when: float) -> str:
    """A time of day for today, a date for other days."""
    then = datetime.fromtimestamp(when)
    return f"{then:%H:%M}" if then.date() == datetime.now().date() else f"{then:%Y-%m-%d %H:%M}"


def phase(t: Catalogue, run: runs.Run, state: str, done: Progress) -> str:
    """What the run is at, in words."""
    if state in states.WAITING:
        need = next(iter(waited_for(run)), None)
        if need is None:
            return t("monitor.waiting")
        kind = need.kind
        return t("monitor.waiting_for", what=phase_words(t, need.progress()) or kind_word(t, kind))
    if is_serving(run, state):
        return t("monitor.serving")
    words = phase_words(t, done) if state in states.ALIVE else ""
    return words or step_words(t, done) or (t("monitor.starting") if state in states.ALIVE else "")


def is_serving(run: runs.Run, state: str) -> bool:
    """Whether it is a server that answers now."""
    return state in states.ALIVE and run.kind == "serve" and (run.folder / files.ENDPOINT).is_file()


def step_words(t: Catalogue, done: Progress) -> str:
    """As in "Step 12 of 90 · epoch 1.2"."""
    if done.step is None or not done.total_steps:
        return ""
    if done.epoch is None:
        return t("monitor.step", step=done.step, total=done.total_steps)
    return t(
        "monitor.step_epoch", step=done.step, total=done.total_steps, epoch=f"{done.epoch:.2f}".rstrip("0").rstrip(".")
    )


def phase_words(t: Catalogue, done: Progress) -> str:
    """As in "Downloading · 1.2 GiB of 3 GiB", "Building the starter model · 40 %"."""
    if not done.phase:
        return ""
    key = f"phases.{done.phase}"
    text = t(key) if key in t else done.phase
    if not done.total:
        return text
    if done.unit == "bytes":
        return t("monitor.bytes", text=text, done=in_bytes(done.done or 0), total=in_bytes(done.total))
    if done.unit:
        return t("monitor.count", text=text, done=f"{done.done or 0:g}", total=f"{done.total:g}")
    return t("monitor.percent", text=text, percent=int(100 * (done.done or 0) / done.total))


def in_bytes(count: float) -> str:
    """1536 → "1.5 KiB"."""
    unit = 0
    while count >= 1024 and unit < len(BYTE_UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.1f} {BYTE_UNITS[unit]}" if unit else f"{count:.0f} B"


def fraction(done: Progress, finished: bool = False) -> float | None:
    """How much is done, 0 to 1; None where nobody knows."""
    if finished:
        return 1.0
    if done.phase and done.total:
        return min(1.0, (done.done or 0) / done.total)
    if (done.phase and done.step is None) or not done.total_steps:
        return None
    return min(1.0, (done.step or 0) / done.total_steps)


def ends_at(folder: Path, done: Progress) -> float | None:
    """When the remaining time, as last written, will be over."""
    if done.remaining_s is None:
        return None
    written = max(files.stamp(folder / name)[0] for name in (files.METRICS, files.PROGRESS))
    return written / 1e9 + done.remaining_s


def leads(run: runs.Run, state: str, kind: str) -> dict[str, str]:
    """Where a run leads on to: what came of it, or the tabs that talk to its model, score and export it; addresses by
    word (`monitor.lead_…`)."""
    name = quote(run.id)
    if kind == "export":
        return {"result": f"?tab=export&result={name}"}
    answered = kind == "evaluate" or (run.folder / PREDICTIONS).is_file()
    found = {"result": f"?tab=evaluate&run={name}"} if answered else {}
    if kind != "train" or state in states.LIVE:
        return found
    if any(next(run.folder.glob(pattern), None) for pattern in ("*.safetensors", "*_model*.bin")):
        found |= {tab: f"?tab={tab}&model={name}" for tab in ("chat", "evaluate")}
        found |= {"export": f"?tab=export&run={name}"}
    return found


def newer(t: Catalogue, folder: Path) -> list[str]:
    """A word about a run that a newer version wrote: what is shown may not be all."""
    version = jobfile.value(folder, "schema_version") or ""
    return [t("monitor.newer", version=version)] if version.isdigit() and int(version) > SCHEMA_VERSION else []


def possible(run: runs.Run, state: str, kind: str) -> list[str]:
    """The buttons that make sense now."""
    return [*steering(run, state, kind), *([] if state in states.ALIVE else ["rename", "delete"])]


def steering(run: runs.Run, state: str, kind: str) -> list[str]:
    """The buttons that end a run or let it go on."""
    if state in (*states.WAITING, "running"):
        return ["stop", "now"] if state == "running" else ["stop"]
    if state == "stopping":
        return ["now"]
    if not (run.folder / files.JOB).is_file():
        return []
    if state == "finished":
        return ["longer"] if kind == "train" else []
    return ["resume"] if kind != "train" or run.status.attempts == 0 or last_checkpoint(run.folder) else ["again"]


def epochs_of(run: runs.Run) -> float | None:
    """A number of epochs to offer for training longer: as many again."""
    try:
        return 2 * getattr(run.job(), "num_train_epochs", 0) or None
    except StudioError:
        return None


def waited_for(run: runs.Run) -> list[runs.Run]:
    """The runs that have to end first, as far as they are there."""
    found = []
    for need in run.status.needs:
        try:
            found.append(runs.find(need))
        except StudioError:
            continue
    return [need for need in found if need.state != "finished"]

