"""Which checkpoints of a run are whole.

A worker that is killed while it saves leaves a folder that looks like a checkpoint. What counts is checked, not loaded:
`trainer_state.json` (written last), every weights file as long as its header says, the optimizer's archive closed.
"""

import json
import os
import re
import struct
import zipfile
from pathlib import Path

_NAME = re.compile(r"checkpoint-(\d+)")
_HEADER_LIMIT = 100 * 2**20  # bytes; the safetensors format's own limit


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint of the run; half-written ones are passed over."""
    return next((path for path in reversed(checkpoints(folder)) if is_whole(path)), None)


def checkpoints(folder: Path) -> list[Path]:
    """All `checkpoint-N` folders, whole or not, by N."""
    try:
        entries = [entry for entry in os.scandir(folder) if _NAME.fullmatch(entry.name) and entry.is_dir()]
    except OSError:
        return []
    return [Path(entry.path) for entry in sorted(entries, key=lambda entry: step_of(entry.name))]


def step_of(checkpoint: Path | str) -> int:
    """The optimizer step a checkpoint stands at, by its name; -1 for a folder of another name."""
    found = _NAME.fullmatch(Path(checkpoint).name)
    return int(found[1]) if found else -1


def is_whole(checkpoint: Path) -> bool:
    """Whether training can go on from here."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
        archives = [checkpoint / name for name in ("optimizer.pt", "scheduler.pt")]
        return _weights_whole(checkpoint) and all(zipfile.is_zipfile(path) for path in archives if path.exists())
    except (OSError, ValueError):
        return False


def _weights_whole(checkpoint: Path) -> bool:
    names = {path.name for path in checkpoint.glob("*.safetensors")}
    for index in checkpoint.glob("*.index.json"):
        names |= set(json.loads(index.read_text("utf-8"))["weight_map"].values())
    if not names:  # older runs
        names = {path.name for path in checkpoint.glob("*_model*.bin")}
    return bool(names) and all(_file_whole(checkpoint / name) for name in names)


def _file_whole(path: Path) -> bool:
    """Layout of safetensors: header length (8 bytes, little-endian), JSON header, data up to the largest offset."""
    if path.suffix != ".safetensors":
        return zipfile.is_zipfile(path)
    with open(path, "rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else _HEADER_LIMIT + 1
        if length > _HEADER_LIMIT:
            return False
        header = json.loads(file.read(length))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return path.stat().st_size == 8 + length + max(ends, default=0)
