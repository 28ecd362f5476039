"""Run folders for the Export tab, as workers leave them: a trained adapter, and exports with what came of them."""

import json
import struct
from dataclasses import replace
from pathlib import Path

from studio.config import read_mapping
from studio.runs import folder as files
from studio.runs import locks, states

SUM = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
VERDICTS = [
    {"format": "merged", "ok": True, "max_logit_difference": 0.0003, "greedy_equal": True, "num_prompts": 8,
     "note": ""},
    {"format": "gguf q8_0", "ok": False, "max_logit_difference": 4.25, "greedy_equal": False, "num_prompts": 8,
     "note": "other_tokens"},
    {"format": "quantized", "ok": None, "note": "only on a card"},
]  # fmt: skip


def model(folder: Path, kind: str = "qwen3", num_weights: int = 600_000_000) -> Path:
    """What a model's size is told from: its configuration, and the header of weights that are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "dtype": "bfloat16"}))
    part = {"dtype": "BF16", "shape": [num_weights], "data_offsets": [0, 2 * num_weights]}
    header = json.dumps({"w": part}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return folder


def trained(saves: Path, run_id: str, base: str = "builtin/starter", **keys: object) -> Path:
    """A finished training run with an adapter, and a checkpoint of it."""
    folder = saves / run_id
    for place in (folder, folder / "checkpoint-5"):
        place.mkdir(parents=True)
        (place / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base, "r": 8}))
        (place / "adapter_model.safetensors").write_bytes(b"")
    mapping = {"model_name_or_path": base, "dataset": ["identity"], "output_dir": str(folder)} | keys
    (folder / files.JOB).write_text(read_mapping("train", mapping).job.to_yaml())
    finish(folder, "train", "finished")
    return folder


def exported(saves: Path, name: str, state: str = "finished", **keys: object) -> Path:
    """A run of kind export; a finished one has its files in `export_dir` (below the run unless `keys` say where)."""
    folder = saves / "starter" / "export" / name
    folder.mkdir(parents=True)
    target = Path(str(keys.pop("export_dir", folder / "model")))
    result = keys.pop("result", {})
    asked = {"model_name_or_path": "builtin/starter", "export_formats": ["merged", "gguf"]} | keys
    (folder / files.JOB).write_text(read_mapping("export", asked | {"export_dir": str(target)}).job.to_yaml())
    finish(folder, "export", state)
    if state == "finished":
        (folder / files.RESULT).write_text(json.dumps(written(target) | result))
    return folder


def written(target: Path) -> dict:
    """The files of an export, and what its `result.json` says of them."""
    found = []
    for name, form, text in (("model.safetensors", "merged", "weights"), ("adapter.zip", "adapter", "a zip file"),
                             ("README.md", "merged", "# <b>card</b>"), ("SHA256SUMS", "", "")):  # fmt: skip
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text)
        found.append({"path": name, "bytes": len(text), "sha256": SUM, "format": form})
    return {
        "export_dir": str(target), "files": found, "verdicts": VERDICTS, "seconds": 12.5, "peak_gib": 1.25,
        "next": [f"vllm serve {target}", f"ollama create nova -f {target}/Modelfile"], "pushed": None,
        "sha256": {"expected": SUM, "found": SUM, "equal": True, "path": "model.safetensors"},
    }  # fmt: skip


def finish(folder: Path, kind: str, state: str) -> None:
    """The state of a run that has ended."""
    states.write(folder, replace(states.new(kind), state=state, started=1.0, ended=2.0, attempts=1))


def at_work(folder: Path, phase: str, done: int, total: int) -> int:
    """Make a run look alive at a phase, until the lock that is given back is closed."""
    lock = locks.acquire(folder / files.LOCK)
    states.write(folder, replace(states.new("export"), state="running", started=1.0, attempts=1))
    state = {"phase": phase, "done": done, "total": total, "unit": "", "remaining_s": 90}
    files.write_json_atomic(folder / files.PROGRESS, state)
    return lock
