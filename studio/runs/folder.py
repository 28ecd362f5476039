"""The files of a run folder and how they are written: a file is replaced whole, a line is appended whole.

    job.yaml  launch.json  status.json  lock  stop  error.json  environment.json  data_report.json  progress.json
    running_log.txt  trainer_log.jsonl  samples.jsonl  devices.jsonl  checkpoint-N/  all_results.json
    result.json (written last)          of a server: endpoint.json (0600)  activity.json  wanted.json
    of a run that generates: journal.jsonl  rejected.jsonl  generation.json

Standard library only: supervisor, worker, page and terminal all read and write through this module.
"""

import errno
import json
import os
import threading
from pathlib import Path

from studio.runs.checkpoints import last_checkpoint  # noqa: F401  (part of what a folder can tell)

JOB = "job.yaml"
LAUNCH = "launch.json"
STATUS = "status.json"
LOCK = "lock"
STOP = "stop"
ERROR = "error.json"
ENVIRONMENT = "environment.json"
DATA_REPORT = "data_report.json"
PROGRESS = "progress.json"
LOG = "running_log.txt"
METRICS = "trainer_log.jsonl"
SAMPLES = "samples.jsonl"
DEVICES = "devices.jsonl"
RESULTS = "all_results.json"
RESULT = "result.json"
UNSENT = "unsent.json"  # of an export: what was written and has not reached its hub
ENDPOINT = "endpoint.json"  # of a server: where it listens, and a key that dies with it
ACTIVITY = "activity.json"  # what it is doing
WANTED = "wanted.json"  # which run waits for its device
JOURNAL = "journal.jsonl"  # of a run that generates: what each request has brought
ARGUMENTS = "training_args.yaml"  # written by LLaMA-Factory's page

OF_AN_ATTEMPT = (STOP, ERROR, PROGRESS, RESULT, ENDPOINT, ACTIVITY, WANTED)  # gone when a run is started again
MARKS = (JOB, METRICS, ARGUMENTS, RESULTS)  # a folder that holds one of these is a run
BELONGINGS = (  # what a run may leave in its folder: all that is ever moved aside or deleted outside `saves/`
    JOB, "job.*.yaml", LAUNCH, STATUS, LOCK, STOP, ERROR, ENVIRONMENT, DATA_REPORT, PROGRESS, LOG, METRICS, SAMPLES,
    DEVICES, RESULT, UNSENT, ENDPOINT, ACTIVITY, WANTED, ARGUMENTS, "*_results.json", "checkpoint-*",
    "trainer_state.json", "training_*.png",
    "generated_predictions.jsonl", "predicting.json", "scores.jsonl", "predict_postprocessed.json",
    "part-*-of-*", "sql_predictions.json", "judgements.jsonl", "results.json", "results.log",
    "benchmark_samples.jsonl", JOURNAL, "rejected.jsonl", "generation.json", "llamaboard_config.yaml",
    "*.safetensors", "*.safetensors.index.json",
    "pytorch_model*.bin*", "adapter_model.bin", "adapter_config.json", "training_args.bin", "config.json",
    "generation_config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt",
    "chat_template.jinja", "*processor_config.json", "pissa_*",
)  # fmt: skip


def is_run(folder: Path) -> bool:
    """Whether the folder was made by the studio or by LLaMA-Factory."""
    return any((folder / name).is_file() for name in MARKS)


def read_json(path: Path) -> dict | None:
    """The object in the file; None where it is missing, unreadable or not whole."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_json_atomic(path: Path, value: dict, durable: bool = False) -> None:
    """Replace the file at once: a reader sees the old or the new one. `durable` waits until it is on the disk."""
    write_text_atomic(path, json.dumps(value, ensure_ascii=False) + "\n", durable)


def write_text_atomic(path: Path, text: str, durable: bool = False) -> None:
    """As `write_json_atomic`, for text. A failed attempt leaves the old file and no litter."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with open(draft, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def append_metrics(folder: Path, line: dict) -> None:
    """Add one line to `trainer_log.jsonl`."""
    _append(folder / METRICS, line)


def append_sample(folder: Path, line: dict) -> None:
    """Add one line to `samples.jsonl`."""
    _append(folder / SAMPLES, line)


def append_device(folder: Path, line: dict) -> None:
    """Add one line to `devices.jsonl`."""
    _append(folder / DEVICES, line)


def _append(path: Path, line: dict) -> None:
    """One `write` a line, so that lines never mix; a half line that a crash left behind is closed first."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(fd).st_size
        torn = size and os.pread(fd, 1, size - 1) != b"\n"
        data = (b"\n" if torn else b"") + json.dumps(line, ensure_ascii=False).encode() + b"\n"
        if os.write(fd, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(fd)


def request_stop(folder: Path, now: bool = False) -> None:
    """Ask the run for its end: after a checkpoint, or `now`. A wish for `now` is not taken back by a later one."""
    if now or stop_requested(folder) is None:
        write_text_atomic(folder / STOP, "now" if now else "")


def stop_requested(folder: Path) -> str | None:
    """None, "stop" (save a checkpoint and leave) or "now" (leave at once)."""
    try:
        return "now" if (folder / STOP).read_text("utf-8").strip() == "now" else "stop"
    except OSError:
        return None


def log_tail(folder: Path, num_lines: int = 20) -> list[str]:
    """The last lines of `running_log.txt`; of a line redrawn with carriage returns, its last state."""
    text = tail(folder / LOG, 32_768).decode("utf-8", "replace")
    lines = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    return [line for line in lines if line][-num_lines:]


def stamp(path: Path) -> tuple[int, int]:
    """(modified in ns, size) of a file, which change when it does; zeros where there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def tail(path: Path, num_bytes: int) -> bytes:
    """The last bytes of a file; nothing where there is none."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - num_bytes))
            return file.read()
    except OSError:
        return b""
