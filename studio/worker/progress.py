"""`progress.json`: how far a phase without optimizer steps has come (loading, tokenizing, downloading, building)."""

import time
from pathlib import Path

from studio.runs import folder as run_folder


class StopRequested(Exception):
    """The user asked for an end; whoever holds unsaved work saves it and leaves."""


class Progress:
    """Called as `progress(phase, done, total, unit)`; writes at most ten times a second and raises `StopRequested`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.phase = ""
        self.written_s = 0.0

    def __call__(self, phase: str, done: int = 0, total: int = 0, unit: str = "") -> None:
        now_s = time.monotonic()
        if phase == self.phase and done < total and now_s - self.written_s < 0.1:
            return
        if phase != self.phase:
            self.started_s, self.started_done = now_s, done
        self.phase, self.written_s = phase, now_s
        elapsed_s = now_s - self.started_s
        advanced = done - self.started_done  # a download that goes on had some of it before
        remaining_s = elapsed_s / advanced * (total - done) if advanced and total else None
        state = {"phase": phase, "done": done, "total": total, "unit": unit, "remaining_s": remaining_s}
        run_folder.write_json_atomic(self.folder / run_folder.PROGRESS, state)
        if run_folder.stop_requested(self.folder):
            raise StopRequested
