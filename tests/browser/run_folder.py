"""A run folder that a test writes as a worker would, while the page watches it."""

import os
from dataclasses import replace
from pathlib import Path

from studio.runs import folder as files
from studio.runs import locks, states


class RunFolder:
    """A run below `saves/` that looks alive as long as this object holds its lock."""

    def __init__(self, saves: Path, run_id: str, total_steps: int = 100) -> None:
        self.id = run_id
        self.folder = saves / run_id
        self.folder.mkdir(parents=True)
        self.step = 0
        self.total_steps = total_steps
        (self.folder / files.JOB).write_text(
            "kind: train\nschema_version: 1\nmodel_name_or_path: builtin/starter\ndataset: [identity]\n"
        )
        self.status = replace(states.new("train"), state="running", started=1_700_000_000.0, attempts=1)
        self.lock = locks.acquire(self.folder / files.LOCK)
        states.write(self.folder, self.status)

    def train(self, num_steps: int) -> None:
        """Write lines as the worker does."""
        for _ in range(num_steps):
            self.step += 1
            done = self.step / self.total_steps
            line = {"current_steps": self.step, "total_steps": self.total_steps, "remaining_time": "0:01:00"}
            figures = {"loss": 3 - 2 * done, "lr": 1e-4, "epoch": 3 * done, "grad_norm": 1.0, "throughput": 2500.0}
            files.append_metrics(self.folder, line | figures)

    def answer(self, prompt: str, response: str) -> None:
        """Write a sample."""
        files.append_sample(self.folder, {"step": self.step, "prompt": prompt, "response": response})

    def say(self, text: str) -> None:
        """Write to the log."""
        with open(self.folder / files.LOG, "a") as log:
            log.write(text)

    def end(self, state: str) -> None:
        """End the run as its supervisor would."""
        states.write(self.folder, replace(self.status, state=state, ended=1_700_000_090.0))
        self.close()

    def close(self) -> None:
        """Let go of the lock: the run reads as cut off unless it has ended."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None
