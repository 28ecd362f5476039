"""What the studio adds before the first optimizer step: `studio train --detach` beside the bare worker.

    python -m tests.bench.submit [--repeat 3]

Both train the same model on the same rows; time runs from the start of the process to the first line with a step.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import training

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-submit-"))
    training.make_inputs(folder, 40)
    environment = os.environ | {"STUDIO_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    found: dict[str, list[float]] = {"bare_worker_s": [], "submitted_s": []}
    for turn in range(options.repeat):
        found["bare_worker_s"].append(bare(folder, turn, environment))
        found["submitted_s"].append(submitted(folder, turn, environment))
    medians = {name: round(statistics.median(values), 2) for name, values in found.items()}
    print(json.dumps(medians | {"beyond_s": round(medians["submitted_s"] - medians["bare_worker_s"], 2)}))


def job(folder: Path, output: Path) -> dict:
    return {
        "model_name_or_path": str(folder / "model"),
        "dataset": "rows",
        "dataset_dir": str(folder / "data"),
        "template": "chatml",
        "output_dir": str(output),
        "max_steps": 2,
        "logging_steps": 1,
        "per_device_train_batch_size": 1,
        "num_samples": 0,
        "save_strategy": "no",
    }


def bare(folder: Path, turn: int, environment: dict) -> float:
    """Seconds until the first step of `python -m studio.worker`."""
    from studio.config import read_mapping

    output = folder / f"bare-{turn}"
    output.mkdir()
    (output / "job.yaml").write_text(read_mapping("train", job(folder, output)).job.to_yaml(), "utf-8")
    return _until_first_step([sys.executable, "-m", "studio.worker", str(output)], output, environment)


def submitted(folder: Path, turn: int, environment: dict) -> float:
    """Seconds until the first step of `studio train --detach`."""
    output = folder / f"submitted-{turn}"
    words = [f"{key}={value}" for key, value in job(folder, output).items()]
    return _until_first_step([sys.executable, "-m", "studio.cli", "train", "--detach", *words], output, environment)


def _until_first_step(command: list[str], output: Path, environment: dict) -> float:
    started_s = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    log = output / "trainer_log.jsonl"
    while not (log.exists() and '"loss"' in log.read_text("utf-8")):
        time.sleep(0.02)
        if time.monotonic() - started_s > 300:
            sys.exit(f"no step after 300 s: see {output}")
    taken_s = time.monotonic() - started_s
    process.wait()
    while not (output / "result.json").exists():
        time.sleep(0.1)
    return taken_s


if __name__ == "__main__":
    main()
