"""Following a run in the terminal: its log as it grows, a progress bar where there is a terminal, Ctrl-C to stop it.

The run does not depend on who watches: leaving here ends nothing.
"""

import shutil
import signal
import sys
import time
import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from studio import runs
from studio.errors import StudioError
from studio.runs import folder as files
from studio.text import Catalogue

EXIT_CODES = {"finished": 0, "stopped": 3}  # all others, 1
LEFT = 130
POLL_S = 0.2
ADVANCE_S = 2.0
BAR_CELLS = 24


class Presses:
    """How often Ctrl-C was pressed and not yet answered."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, *_: object) -> None:
        self.count += 1


@contextmanager
def counting_presses() -> Iterator[Presses]:
    """Count Ctrl-C instead of being torn out of what is going on."""
    presses = Presses()
    before = signal.signal(signal.SIGINT, presses.add)
    try:
        yield presses
    finally:
        signal.signal(signal.SIGINT, before)


class Screen:
    """Lines, and below them one that is redrawn; without a terminal, lines alone."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.is_terminal = self.stream.isatty()
        self.shown = ""

    def line(self, text: str) -> None:
        """Print a line."""
        self.bar("")
        print(text, file=self.stream, flush=True)

    def bar(self, text: str) -> None:
        """Replace the last line."""
        if self.is_terminal and text != self.shown:
            columns = shutil.get_terminal_size().columns - 1
            self.stream.write(f"\r\033[K{clipped(text, columns)}")
            self.stream.flush()
            self.shown = text


class Follower:
    """One run as it is shown: what has been printed of it so far."""

    def __init__(self, run: runs.Run, t: Catalogue, screen: Screen | None = None) -> None:
        self.run, self.t, self.screen = run, t, screen or Screen()
        self.status: runs.Status | None = None  # of the start that is shown
        self.metrics = runs.metrics.MetricReader(run.folder / files.METRICS)
        self.offset = 0
        self.said: object = None  # what the latest line about a phase was about
        self.met: set[str] = set()  # needs that have finished
        self.logged: deque[str] = deque(maxlen=20)  # the last lines of its log

    def show(self, state: str) -> None:
        """Print what is new."""
        if state in runs.WAITING:
            self.hint(state)
            return
        if self.status is None:
            self.status = self.run.status
            self.offset = self.status.log_start
            if self.offset:
                self.metrics.poll()  # what earlier starts have logged
        for line in self._new_log(to_the_end=state not in runs.ALIVE):
            self.screen.line(line)
            self.logged.append(line)
        lines = self.metrics.poll()
        if not self.screen.is_terminal:
            for line in lines:
                self.screen.line(self.figures(line))
        self.hint(state)

    def hint(self, state: str) -> None:
        """What it waits for or how far it has come, without its log."""
        if state in runs.WAITING:
            self._show_waiting()
        else:
            self._show_progress(self.run.progress() if state in runs.ALIVE else None)

    def _show_waiting(self) -> None:
        needs = [need for need in self.run.status.needs if need not in self.met]
        for need in needs:
            try:
                found = runs.find(need)
            except StudioError:
                continue  # it is gone; the queue will say so
            if found.state == "finished":
                self.met.add(need)
            elif found.state in runs.ALIVE and found.progress().phase:
                self._say(found.progress())
                return
        words = self.t("terminal.waiting_for", run=needs[0]) if needs else self.t("terminal.waiting")
        self._once(words, words)

    def _show_progress(self, done: runs.Progress | None) -> None:
        if done is None:
            self.screen.bar("")
        elif done.phase and done.phase != "training":
            self._say(done)
        elif done.step is not None and done.total_steps:
            left = self.t("terminal.time_left", clock=clock(done.remaining_s)) if done.remaining_s is not None else ""
            loss = self.t("terminal.loss", value=f"{done.loss:.4f}") if isinstance(done.loss, float) else ""
            words = [drawn(done.step / done.total_steps), f"{done.step}/{done.total_steps}", loss, left]
            self.screen.bar("  ".join(word for word in words if word))

    def _say(self, done: runs.Progress) -> None:
        """A phase: each new one, and every tenth of it."""
        tenths = int(10 * (done.done or 0) / done.total) if done.total else 0
        self._once(phase_words(self.t, done), (done.phase, tenths))

    def _once(self, words: str, about: object) -> None:
        """On the bar, or as a line where that is about something new."""
        self.screen.bar(words)
        if not self.screen.is_terminal and about != self.said:
            self.screen.line(words)
        self.said = about

    def _new_log(self, to_the_end: bool) -> list[str]:
        """The lines that the log has grown by; of a line redrawn with carriage returns, its last state."""
        try:
            with open(self.run.folder / files.LOG, "rb") as file:
                file.seek(self.offset)
                data = file.read()
        except OSError:
            return []
        whole = len(data) if to_the_end else data.rfind(b"\n") + 1
        self.offset += whole
        lines = data[:whole].decode("utf-8", "replace").removesuffix("\n").split("\n") if whole else []
        return [line.rstrip("\r").rpartition("\r")[2] for line in lines]

    def figures(self, line: dict) -> str:
        """A line of the metrics as words."""
        forms = {"loss": "{:.4f}", "eval_loss": "{:.4f}", "epoch": "{:g}", "tokens_per_second": "{:,.0f}"}
        keys = {"tokens_per_second": "speed"}
        words = [self.t("terminal.step", step=line["current_steps"], total=line.get("total_steps", "?"))]
        for name, form in forms.items():
            if isinstance(line.get(name), int | float):
                words.append(self.t(f"terminal.{keys.get(name, name)}", value=form.format(line[name])))
        if "remaining_time" in line:
            words.append(self.t("terminal.time_left", clock=line["remaining_time"]))
        return "  ".join(words)


def attend(run: runs.Run, detach: bool, t: Catalogue, presses: Presses) -> int:
    """Say that a run has started, and follow it, or with `detach` leave it its id; the exit code."""
    for sentence in run.notices(t):
        print(sentence, file=sys.stderr if detach else sys.stdout)
    if detach and not presses.count:
        print(run.id)
        print(t("terminal.detached", run=run.id), file=sys.stderr)
        return 0
    print(t("terminal.started", run=run.id, folder=run.folder), flush=True)
    return follow(run, t, presses)


def follow(run: runs.Run, t: Catalogue, presses: Presses) -> int:
    """Show the run until it ends; returns its exit code: 0 finished, 3 stopped, 1 else, 130 where the watcher left."""
    follower, answered, advanced_s = Follower(run, t), 0, time.monotonic()
    while True:
        if presses.count > answered:
            answered += 1
            if answered > 2:
                follower.screen.line(t("terminal.left"))
                return LEFT
            _ask_to_stop(run, answered == 2, follower.screen, t)
        state = run.state
        if time.monotonic() - advanced_s > ADVANCE_S and state not in runs.ALIVE:
            runs.advance()
            state, advanced_s = run.state, time.monotonic()
        follower.show(state)
        if state not in (*runs.ALIVE, "queued"):
            return _say_end(run, state, follower, t)
        time.sleep(POLL_S)


def _ask_to_stop(run: runs.Run, now: bool, screen: Screen, t: Catalogue) -> None:
    try:
        runs.stop(run, now=now)
    except StudioError as error:
        if run.state in runs.LIVE:
            screen.line(error.text(t))
        return  # it has just ended
    screen.line(words_for("stopping_now" if now else "stopping", run, t))


def _say_end(run: runs.Run, state: str, follower: Follower, t: Catalogue) -> int:
    if not run.folder.is_dir():
        follower.screen.line(t("terminal.gone"))
        return 1
    reason = run.reason(t)
    words = words_for(state, run, t)
    is_news = reason and not set(reason.splitlines()) <= set(follower.logged)  # the log may end with it
    follower.screen.line(f"{words} {reason}" if is_news else words)
    return EXIT_CODES.get(state, 1)


def words_for(name: str, run: runs.Run, t: Catalogue) -> str:
    """A sentence about a run, its kind's own where there is one."""
    own = f"terminal.{name}_{run.kind}"
    return t(own if own in t else f"terminal.{name}", run=run.id, folder=run.folder)


def of_a_run(words: Sequence[str]) -> list[str]:
    """The words of a command that reads a job, where the first names a run: its job's file instead.

    Raises StudioError where there is no such run, or it has no file of its job.
    """
    first = words[0] if words else ""
    if not first or first.startswith("-") or "=" in first or Path(first).suffix in (".yaml", ".yml", ".json"):
        return list(words)
    folder = runs.find(first).folder
    file = next((folder / name for name in (files.JOB, files.ARGUMENTS) if (folder / name).is_file()), None)
    if file is None:
        raise StudioError("run_without_job", run=first)
    return [str(file), *words[1:]]


def phase_words(t: Catalogue, done: runs.Progress) -> str:
    """A phase without steps: "Downloading … 40 %"; nothing where there is none."""
    if not done.phase:
        return ""
    key = f"phases.{done.phase}"
    words = t(key) if key in t else done.phase
    return f"{words} … {100 * (done.done or 0) / done.total:.0f} %" if done.total else f"{words} …"


def clock(seconds: float) -> str:
    """75 → "0:01:15"."""
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"


def drawn(share: float) -> str:
    """A share, 0 to 1, as a bar."""
    full = int(BAR_CELLS * min(1.0, share))
    return "█" * full + "░" * (BAR_CELLS - full)


def width(text: str) -> int:
    """The columns a text takes in a terminal: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def clipped(text: str, columns: int) -> str:
    """The beginning of a text, at most so wide."""
    while width(text) > columns:
        text = text[:-1]
    return text


def table(rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines with aligned columns."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    pad = [[cell + " " * (space - width(cell)) for cell, space in zip(row, widths, strict=True)] for row in rows]
    return ["  ".join(row).rstrip() for row in pad]
