"""`python -m studio.worker DIR`: do the job of the run folder DIR and say by the exit code how it ended.

0 finished, 3 stopped as asked (a checkpoint is there), 4 an error the user can act on (`error.json`), else a bug.
Only the module of the job's kind is imported, so a download never waits for torch.
"""

import importlib
import logging
import sys
import warnings
from pathlib import Path

from studio.config import read_run
from studio.errors import StudioError
from studio.runs import folder as run_folder
from studio.runs import jobfile, watchdog
from studio.worker import full_disk, lean

STOPPED, USER_ERROR = 3, 4


def main(argv: list[str], alone: bool = False) -> int:
    """Run the worker on `argv[0]`; returns the exit code. `alone`: this process will do nothing else."""
    folder = Path(argv[0]).resolve()
    watchdog.start(folder)
    # Notes of the libraries to each other; nothing that a user could act on.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers|peft|accelerate")
    # A line for each matrix product in 8 bits; what of torchao is for other cards; what it tells torch.
    for name in ("bitsandbytes", "torchao", "torch.utils._pytree"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        job = read_run(folder)
        if alone:
            lean.hide(job)
        return importlib.import_module(f"studio.worker.{job.kind}.recipe").run(folder, job)
    except Exception as error:
        known = error if isinstance(error, StudioError) else _actionable(error, folder)
        if known is None:
            raise
        run_folder.write_json_atomic(
            folder / run_folder.ERROR, {"key": known.key, "values": _plain(known.values), "text": str(known)}
        )
        print(known, file=sys.stderr, flush=True)
        return USER_ERROR


def _actionable(error: Exception, folder: Path) -> StudioError | None:
    """The errors of libraries and system that the user can do something about."""
    words = str(error)
    if full_disk.is_full(error):
        return StudioError("disk_full", path=folder)
    if type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator: can't allocate memory" in words:
        key = "export_no_memory" if jobfile.value(folder, "kind") == "export" else "out_of_memory"
        return StudioError(key, reason=words.splitlines()[0])
    return None


def _plain(values: dict) -> dict:
    return {name: value if isinstance(value, int | float) else str(value) for name, value in values.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], alone=True))
