"""What is exported: a model's folder, the adapters that go on it in order, and the voice they were trained with."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from studio.config import exporting_size, starter
from studio.data import template as templates
from studio.errors import StudioError
from studio.runs import folder as run_folder
from studio.worker import loading, memory
from studio.worker import place as places
from studio.worker.serve import adapter_files
from studio.worker.serve import loading as served
from studio.worker.serve.served import adapter_name

WIDE_BYTES = 2**28
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")


@dataclass(frozen=True)
class Source:
    """A model to be exported.

    `base`: its folder; `adapters`: folders, to be put on in this order; `config`: transformers' configuration of the
    base; `dtype`: of the weights that are written; `proof_dtype`: what a comparison computes in, float32 for a small
    model, as that tells rounding from mistakes; `device`: where all is computed. `tokenizer` speaks by `template`
    (None: neither it nor the job has one) and comes from `voice`. `run`: the folder of the training that made it, None
    where there is none. `merged`: the folder of the whole model as safetensors, once it is written; gguf, ollama and
    quantized start from it.
    """

    base: Path
    adapters: tuple[Path, ...]
    config: object
    dtype: torch.dtype
    device: torch.device
    tokenizer: object
    template: templates.ChatTemplate | None
    voice: Path
    trusts_code: bool = False
    proof_dtype: torch.dtype = torch.float32
    run: Path | None = None
    merged: Path | None = None

    def with_merged(self, folder: Path) -> "Source":
        """The same, its whole model being in `folder`."""
        return replace(self, merged=folder)

    def with_adapters(self, folders: tuple[Path, ...]) -> "Source":
        """The same base with other adapters."""
        return replace(self, adapters=folders)


def name_of(job) -> str:
    """What the exported model is called: the last part of its base's name, also of a folder that is named `.`."""
    given = Path(job.model_name_or_path).expanduser()
    return (given.resolve() if given.is_dir() else given).name


def title_of(job) -> str:
    """What a single file of the whole model is called: as its base, and after it as the last adapter in it."""
    if not job.adapter_name_or_path:
        return name_of(job)
    given = Path(job.adapter_name_or_path[-1]).expanduser()
    return f"{name_of(job)}-{adapter_name(given.resolve() if given.is_dir() else given)}"


def find(job, progress) -> Source:
    """Everything an export job names. Raises StudioError for what is missing, or is quantised and cannot be merged."""
    base = loading.find(job, progress)
    adapters = tuple(served.find_adapter(name, job, progress) for name in job.adapter_name_or_path or ())
    for path in adapters:
        told = adapter_files.read_config(path)
        adapter_files.check_build(path, told, base)
        _say_other_base(path, str(told.get("base_model_name_or_path") or ""), base, job)
    config = loading.load_config(base, job)
    if getattr(config, "quantization_config", None):
        raise StudioError("export_base_quantized", path=base)
    voice = _voice(base, adapters, job, progress)
    tokenizer, template = served.load_voice(voice, job)
    dtype, device = _dtype(config, job), _device(base, job)
    return Source(base, adapters, config, dtype, device, tokenizer, template, voice, job.trust_remote_code,
                  _proof_dtype(job, dtype, device), _run(base, adapters))  # fmt: skip


def _say_other_base(path: Path, trained_on: str, base: Path, job) -> None:
    """In the log, where an adapter was trained on a model of another name: of the same shape it fits all the same."""
    named = Path(trained_on).name
    if trained_on and named not in (base.name, name_of(job)) and not starter.build_of(trained_on):
        print(f"{path} was trained on {trained_on}, and is put on {job.model_name_or_path}", flush=True)


def _voice(base: Path, adapters: tuple[Path, ...], job, progress) -> Path:
    """The folder of the tokenizer: the job's, else that of the last adapter which has one, else the base's."""
    if job.tokenizer_name_or_path:
        return served.tokenizer_folder(base, job, progress)
    own = (path for path in reversed(adapters) if any((path / name).is_file() for name in _TOKENIZERS))
    return next(own, base)


def _dtype(config, job) -> torch.dtype:
    if job.infer_dtype != "auto":
        return getattr(torch, job.infer_dtype)
    found = getattr(config, "dtype", None) or getattr(config.get_text_config(), "dtype", None) or torch.float32
    return getattr(torch, found) if isinstance(found, str) else found


def _device(base: Path, job) -> torch.device:
    """The accelerator where it is wished and the model fits with a fifth to spare, else the processor."""
    if job.export_device == "cpu":
        return torch.device("cpu")
    device = places.for_answers(job.model_copy(update={"infer_dtype": "float32"}), None, 0).device
    if device.type != "cpu" and memory.free_bytes(device) < 1.2 * served.num_weight_bytes(base):
        print(f"{device} has too little free memory: merging on the CPU", flush=True)
        return torch.device("cpu")
    return device


def _proof_dtype(job, dtype: torch.dtype, device: torch.device) -> torch.dtype:
    """Float32 where that takes next to nothing; larger models are compared in the dtype that they are written in."""
    small = 4 * (exporting_size.num_weights(job) or 0) <= WIDE_BYTES
    return torch.float32 if device.type == "cpu" and small else dtype


def _run(base: Path, adapters: tuple[Path, ...]) -> Path | None:
    """The run that the last adapter, or the model without one, came out of: its folder or that of its checkpoint."""
    made = adapters[-1] if adapters else base
    return next((path for path in (made, made.parent) if os.path.isfile(path / run_folder.JOB)), None)
