"""The model of a serve job: its kind, tokenizer, processor and template, in the precision that answers fastest."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForSequenceClassification,
    AutoProcessor,
    AutoTokenizer,
)

from studio import paths
from studio.data import template as templates
from studio.data.tokens import ModelTokens
from studio.errors import StudioError
from studio.worker import loading, quantization
from studio.worker import place as places
from studio.worker.build import download
from studio.worker.serve.adapter_files import CONFIG

VALUE_HEAD = "value_head.safetensors"  # LLaMA-Factory's reward models: a line beside an adapter or a model
HEAD_WEIGHT, HEAD_BIAS = "v_head.summary.weight", "v_head.summary.bias"


@dataclass(frozen=True)
class Loaded:
    """A model ready to answer. `scores`: it judges texts and writes none. `value_head`: (hidden,) weight and bias."""

    model: torch.nn.Module
    tokenizer: object
    processor: object | None
    template: templates.ChatTemplate | None
    place: places.Place
    path: Path
    adapters: tuple[Path, ...] = ()
    scores: bool = False
    value_head: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def context_length(self) -> int:
        """The most tokens that prompt and answer may have together."""
        return context_length(self.model)


def context_length(model: torch.nn.Module) -> int:
    """The most tokens that a model reads and writes together."""
    config = model.config.get_text_config()
    names = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
    return next((getattr(config, name) for name in names if getattr(config, name, None)), 2**20)


def load(job, progress) -> Loaded:
    """Everything a serve job names. Raises StudioError for what is missing, broken or not to be served."""
    progress("model")
    path = loading.find(job, progress)
    given = tuple(find_adapter(name, job, progress) for name in job.adapter_name_or_path or ())
    heads = [folder / VALUE_HEAD for folder in (*reversed(given), path) if (folder / VALUE_HEAD).is_file()]
    config = loading.load_config(path, job)
    place = places.for_answers(job, config, num_weight_bytes(path))
    sees = getattr(config, "vision_config", None) is not None
    judges = any("SequenceClassification" in name for name in config.architectures or ())
    tokenizer, template = load_voice(tokenizer_folder(path, job, progress), job)
    auto = (
        AutoModelForImageTextToText if sees else AutoModelForSequenceClassification if judges else AutoModelForCausalLM
    )
    if place.device.type == "cpu":
        # Else Transformers copies each key for all heads that share it, where rows differ in length (measured: 2x).
        os.environ.setdefault("TRANSFORMERS_SDPA_FORCE_GQA", "1")
    model = load_model(path, job, place, auto)
    if job.resize_vocab and len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=64)
    processor = AutoProcessor.from_pretrained(path, trust_remote_code=job.trust_remote_code) if sees else None
    head = _value_head(heads[0], place) if heads else None
    return Loaded(model, tokenizer, processor, template, place, path, given, bool(judges or head), head)


def load_model(path: Path, job, place: places.Place, auto=AutoModelForCausalLM):
    """The model's weights on their device. Raises StudioError for files that are missing, broken or of another kind."""
    config = loading.load_config(path, job)
    quantization.check(config, path, job)
    options = {
        "config": config,
        "dtype": place.weights,
        "trust_remote_code": job.trust_remote_code,
        "attn_implementation": loading.ATTENTION[job.flash_attn],
    }
    if few_bits := quantization.config_of(job, place):
        options |= {"quantization_config": few_bits, "device_map": {"": place.device}}
    try:
        model = auto.from_pretrained(path, **options)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        if getattr(error, "errno", None):
            raise
        raise StudioError("model_not_loaded", path=path, reason=str(error).splitlines()[0]) from error
    if auto is AutoModelForSequenceClassification and model.config.num_labels != 1:
        raise StudioError("model_no_reward", path=path, labels=model.config.num_labels)
    model.requires_grad_(False).eval()
    quantization.keep_odd_shapes(model)
    return model if few_bits else model.to(place.device)


def load_voice(folder: Path, job) -> tuple[object, templates.ChatTemplate | None]:
    """Tokenizer and chat template of a folder, the template being the job's where it names one."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=job.trust_remote_code)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    template = load_template(ModelTokens(folder), job)
    if template is not None and (job.resize_vocab or not template.tokens.missing(template.stop_words)):
        loading.adopt_template(tokenizer, template)
    return tokenizer, template


def load_template(tokens: ModelTokens, job) -> templates.ChatTemplate | None:
    """The job's template on a tokenizer, else its own; None where there is neither, and chats are refused."""
    if job.template is None and tokens.chat_template is None:
        return None
    settings = {"default_system": job.default_system, "enable_thinking": job.enable_thinking}
    return templates.load(job.template, tokens, tool_format=job.tool_format, **settings)


def tokenizer_folder(path: Path, job, progress) -> Path:
    """Where the tokenizer of a model at `path` is: where the job says, else beside the model."""
    name = job.tokenizer_name_or_path
    return loading.find(job.model_copy(update={"model_name_or_path": name}), progress) if name else path


def find_adapter(name: str, job, progress) -> Path:
    """An adapter's folder: a path, a run's id below saves/, or a hub id. Raises StudioError where it is none."""
    for folder in (Path(name).expanduser(), paths.saves() / name):
        if (folder / CONFIG).is_file():
            return folder.resolve()
    if Path(name).expanduser().exists() or name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise StudioError("adapter_missing", path=name)
    named = job.model_copy(update={"model_name_or_path": name})
    return download.locate(name, named) or download.download(named, progress)


def num_weight_bytes(path: Path) -> int:
    """The size of a model's files of weights."""
    return sum(file.stat().st_size for pattern in ("*.safetensors", "*.bin") for file in path.glob(pattern))


def _value_head(path: Path, place: places.Place) -> tuple[torch.Tensor, torch.Tensor]:
    try:
        found = load_file(path)
        weight, bias = found[HEAD_WEIGHT], found.get(HEAD_BIAS, torch.zeros(1))
    except (SafetensorError, OSError, KeyError) as error:
        raise StudioError("model_not_loaded", path=path, reason=str(error)) from error
    return weight[0].to(place.device, torch.float32), bias[0].to(place.device, torch.float32)
