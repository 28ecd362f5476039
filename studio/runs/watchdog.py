"""No worker outlives its supervisor: a thread in every process of a run that ends it when the supervisor is gone.

The supervisor holds the run's lock and has written a token into it, which it also gave to its worker. A free lock means
that it was killed; another token, that a new attempt began. Processes started by hand have no token and are left alone.
"""

import os
import sys
import threading
import time
from pathlib import Path

from studio.runs import folder as files
from studio.runs import locks

TOKEN = "STUDIO_RUN_TOKEN"
_INTERVAL_S = 1.0
_EXIT_CODE = 70


def start(folder: Path) -> None:
    """Watch from a thread of this process. To be called before the slow imports."""
    token = os.environ.get(TOKEN)
    if token:
        threading.Thread(target=_watch, args=(Path(folder) / files.LOCK, token), name="watchdog", daemon=True).start()


def _watch(lock: Path, token: str) -> None:
    while _is_supervised(lock, token):
        time.sleep(_INTERVAL_S)
    try:
        os.write(sys.__stderr__.fileno(), b"the supervisor of this run is gone: leaving\n")
    finally:
        os._exit(_EXIT_CODE)


def _is_supervised(lock: Path, token: str) -> bool:
    try:
        return lock.read_text("utf-8") == token and not locks.is_free(lock)
    except OSError:
        return False
