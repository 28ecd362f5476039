"""The worker on a run folder whose lock this process holds, as a supervisor would: `python -m tests.bench.locked DIR`."""

import fcntl
import sys
from pathlib import Path

from studio.runs import folder as run_folder

lock = (Path(sys.argv[1]) / run_folder.LOCK).open("w")
fcntl.flock(lock, fcntl.LOCK_EX)

from studio.worker.__main__ import main  # noqa: E402

sys.exit(main(sys.argv[1:]))
