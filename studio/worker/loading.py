"""Tokenizer and base model of a job, from the starter model, a folder or a hub."""

import math
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from studio.config import STARTER, starter
from studio.errors import StudioError
from studio.worker import place as places
from studio.worker import quantization
from studio.worker.build import download

ATTENTION = {"auto": None, "disabled": "eager", "sdpa": "sdpa", "fa2": "flash_attention_2", "fa3": "flash_attention_3"}


def find(job, progress) -> Path:
    """The folder that holds the model's files; a hub id that is not here yet is downloaded.

    Raises StudioError if the starter model is not built, the path does not exist or the hub does not know the id.
    """
    name = job.model_name_or_path
    if name == STARTER:
        if not starter.location().is_dir():
            raise StudioError("starter_not_built")
        return starter.location()
    if Path(name).expanduser().is_dir():
        return Path(name).expanduser().resolve()
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise StudioError("model_path_missing", path=name)
    return download.locate(name, job) or download.download(job, progress)


def load_tokenizer(path: Path, job):
    """The tokenizer with the job's new tokens. Its padding is on the right, as training wants it."""
    options = {"split_special_tokens": job.split_special_tokens, "trust_remote_code": job.trust_remote_code}
    tokenizer = AutoTokenizer.from_pretrained(path, padding_side="right", **options)
    tokenizer.add_tokens(job.add_tokens or [])
    tokenizer.add_tokens(job.add_special_tokens or [], special_tokens=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def adopt_template(tokenizer, template) -> tuple[str, ...]:
    """Let the tokenizer speak as it is trained: whoever loads it later finds this template and this end of answers.

    Returns the tokens that it had to be given for that.
    """
    if template is None:
        return ()
    known = tokenizer.get_vocab()
    added = tuple(token for token in template.tokens.missing(template.stop_words) if token not in known)
    tokenizer.add_tokens(list(added), special_tokens=True)
    tokenizer.chat_template = template.source
    if template.eos_token and template.eos_token in tokenizer.get_vocab():
        tokenizer.eos_token = template.eos_token
    return added


def end_ids(model, tokenizer, template) -> list[int]:
    """The ids that end an answer: the model's own, the tokenizer's, the template's stop words."""
    own = getattr(getattr(model, "generation_config", None), "eos_token_id", None)  # a classifier has none
    words = template.stop_words if template else ()
    named = [tokenizer.get_vocab().get(word) for word in words]
    found = [*(own if isinstance(own, list) else [own]), tokenizer.eos_token_id, *named]
    return sorted({token for token in found if token is not None})


def load_config(path: Path, job):
    """The model's configuration with attention and RoPE scaling as the job asks."""
    config = AutoConfig.from_pretrained(path, trust_remote_code=job.trust_remote_code)
    if job.rope_scaling:
        _scale_rope(config, job)
    return config


def load_model(path: Path, job, place: places.Place, num_tokens: int):
    """The base model on its device, its vocabulary grown to `num_tokens` where new tokens ask for it.

    Raises StudioError for files that are missing, broken or of no causal language model.
    """
    config = load_config(path, job)
    quantization.check(config, path, job)
    options = {"trust_remote_code": job.trust_remote_code, "attn_implementation": ATTENTION[job.flash_attn]}
    if few_bits := quantization.config_of(job, place):
        options |= {"quantization_config": few_bits, "device_map": {"": place.device}}
    dtype = torch.float32 if _trains_all(job) else place.weights
    try:
        if job.train_from_scratch:
            model = AutoModelForCausalLM.from_config(config, dtype=dtype, **options)
        else:
            model = AutoModelForCausalLM.from_pretrained(path, config=config, dtype=dtype, **options)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        if getattr(error, "errno", None):
            raise
        raise StudioError("model_not_loaded", path=path, reason=str(error).splitlines()[0]) from error
    if num_tokens > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(num_tokens, pad_to_multiple_of=64)
    model.config.use_cache = False
    return model if few_bits else model.to(place.device)


def num_parameters(path: Path, job) -> int:
    """How many parameters the model has, counted without allocating them."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(load_config(path, job), trust_remote_code=job.trust_remote_code)
    return sum(parameter.numel() for parameter in model.parameters())


def _trains_all(job) -> bool:
    """Trained weights stay float32: in bf16 small updates are lost (1 - 1e-5 == 1)."""
    return job.finetuning_type == "full" and not job.pure_bf16


def _scale_rope(config, job) -> None:
    rope, longest = getattr(config, "rope_parameters", None), getattr(config, "max_position_embeddings", None)
    if not rope or "rope_theta" not in rope or not longest:
        raise StudioError("rope_scaling_not_possible", model=config.model_type)
    wanted = getattr(job, "cutoff_len", 0)  # a server has none: it doubles the length
    factor = float(math.ceil(wanted / longest)) if wanted > longest else 2.0
    scaled = {**rope, "rope_type": job.rope_scaling, "factor": factor}
    if job.rope_scaling in ("yarn", "llama3"):
        scaled["original_max_position_embeddings"] = longest
    if job.rope_scaling == "llama3":
        scaled |= {"low_freq_factor": 1.0, "high_freq_factor": 4.0}
    config.rope_parameters = scaled
    config.max_position_embeddings = int(longest * factor)
    print(f"RoPE scaling {job.rope_scaling}: {longest} -> {config.max_position_embeddings} positions", flush=True)
