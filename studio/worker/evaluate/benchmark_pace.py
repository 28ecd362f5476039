"""How far an evaluation has come: the phase for whoever watches, and LLaMA-Factory's lines in `trainer_log.jsonl`."""

import time
from pathlib import Path

from studio.runs import folder as run_folder
from studio.worker.progress import Progress

PHASE = "benchmark"
EVERY_S = 2.0


def speed(num_answers: int, batch: int, runtime_s: float) -> dict[str, float]:
    """LLaMA-Factory's keys of `predict_results.json`. `batch`: rows answered at once."""
    return {
        "predict_runtime": round(runtime_s, 4),
        "predict_samples_per_second": round(num_answers / runtime_s, 3),
        "predict_steps_per_second": round(-(-num_answers // batch) / runtime_s, 3),
    }


class Pace:
    """Counts questions that are answered, of a total that may grow. Raises StopRequested once the run is to end."""

    def __init__(self, folder: Path, progress: Progress, phase: str = PHASE, unit: str = "questions") -> None:
        self.folder, self.progress, self.phase, self.unit = folder, progress, phase, unit
        self.done = self.total = self.kept = 0
        self.began_s = self.told_s = time.monotonic()

    def expect(self, num_questions: int) -> None:
        """So many more are to be answered."""
        self.total += num_questions
        self.add(0)

    def keep(self, num_answered: int) -> None:
        """So many of them were answered at an earlier start."""
        self.kept += num_answered
        self.add(num_answered)

    def add(self, num_answered: int) -> None:
        """So many more are answered."""
        self.done = min(self.total, self.done + num_answered)
        now_s = time.monotonic()
        if now_s - self.told_s >= EVERY_S or (num_answered and self.done == self.total):
            self._log(now_s)
        self.progress(self.phase, self.done, self.total, self.unit)

    def _log(self, now_s: float) -> None:
        self.told_s, elapsed_s = now_s, now_s - self.began_s
        answered = self.done - self.kept
        left_s = elapsed_s / answered * (self.total - self.done) if answered else 0.0
        line = {
            "current_steps": self.done,
            "total_steps": self.total,
            "percentage": round(100 * self.done / self.total, 2) if self.total else 100,
            "elapsed_time": _clock(elapsed_s),
            "remaining_time": _clock(left_s),
        }
        run_folder.append_metrics(self.folder, line)


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"
