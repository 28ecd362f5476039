"""From what the page holds to a run: read the job, start it once."""

import hashlib
import threading
import time
from collections.abc import Mapping

from studio import runs
from studio.config import Job, load_preset, read_mapping

SAME_CLICK_S = 5.0
_lock = threading.Lock()
_latest: dict[str, tuple[float, str]] = {}  # job → (when, run)


def quickstart(placeholders: Mapping[str, str]) -> str:
    """Start the quickstart with the name and author asked for; the run's id."""
    preset = load_preset("quickstart")
    mapping = dict(preset.mapping) | {"placeholders": dict(placeholders)}
    return start(read_mapping("train", mapping).job)


def start(job: Job) -> str:
    """Start a job and give its run's id. The same job again within seconds is a second click: it gives the same run."""
    asked = hashlib.sha256(job.to_yaml().encode()).hexdigest()
    with _lock:
        when, run_id = _latest.get(asked, (0.0, ""))
        if run_id and time.monotonic() - when < SAME_CLICK_S:
            return run_id
        run_id = runs.submit(job).id
        _latest.clear()
        _latest[asked] = (time.monotonic(), run_id)
        return run_id
