"""A side of a benchmark as a process: how long it took, its processor time, its peak memory."""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def measure(command: list[str], output: Path, folder: Path, threads: int) -> dict[str, float]:
    """`wall_s`, `cpu_s` (all threads) and `peak_mib` of a command; its log is beside `output`. Ends with that log where
    the command fails."""
    env = os.environ | {
        "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1",
        "STUDIO_HOME": str(folder / "home"), "DISABLE_VERSION_CHECK": "1", "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    started_s, log = time.monotonic(), folder / f"{output.name}.log"
    with log.open("w") as out:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(log.read_text()[-3000:])
    return {
        "wall_s": round(time.monotonic() - started_s, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": usage.ru_maxrss // (2**20 if sys.platform == "darwin" else 1024),  # bytes there, KiB here
    }
