"""A model with its adapters by PEFT: what an export is compared with, and the way of merging for adapters of a kind
that `patches` does not know."""

import json
from pathlib import Path

import torch
import transformers
from peft import PeftModel
from safetensors import SafetensorError, safe_open

from studio.errors import StudioError
from studio.worker.serve import adapter_files

ENDS = ("embed_tokens", "lm_head", "wte", "word_embeddings")


def model_class(config, trusts: bool):
    """The class that the configuration names; the one for writing text where it names none of transformers' own."""
    if trusts and getattr(config, "auto_map", None):
        return transformers.AutoModelForCausalLM
    named = (getattr(transformers, name, None) for name in config.architectures or ())
    return next(filter(None, named), transformers.AutoModelForCausalLM)


def read_config(folder: Path, trusts: bool):
    """The configuration of a model's folder."""
    return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=trusts)


def skeleton(source) -> torch.nn.Module:
    """The model without its weights: names and shapes."""
    found = model_class(source.config, source.trusts_code)
    with torch.device("meta"):
        if found is transformers.AutoModelForCausalLM:
            return found.from_config(source.config, trust_remote_code=source.trusts_code)
        return found(source.config)


def load(source, folder: Path | None = None, merge_all: bool = False) -> torch.nn.Module:
    """The model with its adapters on the source's device, ready to answer: for a proof, with the last adapter lying on
    it, or with all of them merged, in the dtype to be written. `folder`: a model to load instead, without adapters.

    Raises StudioError for files that are broken or missing.
    """
    dtype = source.dtype if merge_all else source.proof_dtype
    path, options = folder or source.base, {"dtype": dtype, "trust_remote_code": source.trusts_code}
    if not folder:
        options["config"] = source.config
    try:
        model = model_class(source.config, source.trusts_code).from_pretrained(path, **options)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        if getattr(error, "errno", None):
            raise
        raise StudioError("model_not_loaded", path=path, reason=str(error).splitlines()[0]) from error
    model.requires_grad_(False).eval().to(source.device)
    adapters = () if folder else source.adapters
    for number, adapter in enumerate(adapters, 1):
        model = _put_on(model, adapter, merge=merge_all or number < len(adapters))
    return model.eval()


def load_bare(source) -> torch.nn.Module:
    """The model without its adapters, with as many rows as they know tokens."""
    model, rows = load(source.with_adapters(())), max(map(vocabulary, source.adapters), default=0)
    if rows > model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(rows, mean_resizing=False)
    return model


def _put_on(model, path: Path, merge: bool):
    """One adapter on the model, whose vocabulary takes the size that the adapter's has. An adapter on tied ends unties
    them: it changed one of them, or each in its own way."""
    rows = vocabulary(path)
    if rows and rows != model.get_input_embeddings().weight.shape[0]:
        model.resize_token_embeddings(rows, mean_resizing=False)
    if touches_ends(path):
        untie(model)
    try:
        model = PeftModel.from_pretrained(model, path)
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:300]
        raise StudioError("adapter_broken", path=path, reason=reason) from error
    return model.merge_and_unload() if merge else model


def untie(model) -> None:
    """Give the output its own weights where it shares those of the embeddings."""
    head, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    if head is not None and embeddings is not None and head.weight is embeddings.weight:
        head.weight = torch.nn.Parameter(embeddings.weight.detach().clone(), requires_grad=False)
        model.config.tie_word_embeddings = False
        model.config.get_text_config().tie_word_embeddings = False


def touches_ends(path: Path) -> bool:
    """Whether an adapter changes embeddings or head."""
    return any(part in ENDS for key in _shapes(path) for part in key.split("."))


def vocabulary(path: Path) -> int:
    """How many rows of the vocabulary an adapter brings; 0 where it changes none."""
    shapes = _shapes(path)
    whole = [shape[0] for key, shape in shapes.items()
             if ".lora_" not in key and key.endswith(".weight") and key.split(".")[-2] in (*ENDS, "base_layer")
             and any(part in ENDS for part in key.split("."))]  # fmt: skip
    return max(whole, default=0)


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    file = path / adapter_files.WEIGHTS
    try:
        if file.is_file():
            with safe_open(file, "pt") as opened:
                return {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
        tensors = torch.load(path / adapter_files.LEGACY_WEIGHTS, map_location="meta", weights_only=True)
        return {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    except FileNotFoundError as error:
        raise StudioError("adapter_missing", path=path) from error
    except (SafetensorError, RuntimeError, json.JSONDecodeError, OSError) as error:
        raise StudioError("adapter_broken", path=path, reason=str(error).splitlines()[0]) from error
