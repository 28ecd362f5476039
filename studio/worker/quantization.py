"""Weights in 4 or 8 bits while loading (QLoRA, arXiv:2305.14314), by bitsandbytes: what to ask of it, and where."""

import importlib.util
from pathlib import Path

import torch
from transformers import BitsAndBytesConfig

from studio.errors import StudioError

#: Kinds of device that bitsandbytes has kernels for.
DEVICES = ("cuda", "cpu")
_COMPUTE = {"bf16": torch.bfloat16, "fp16": torch.float16}


def config_of(job, place) -> BitsAndBytesConfig | None:
    """How the job's model is quantised on its `place`, None where it stays whole.

    Raises StudioError where bitsandbytes is not installed or has nothing for the device.
    """
    if not job.quantization_bit:
        return None
    if place.device.type not in DEVICES:
        raise StudioError("quantization_not_here", device=place.device.type, known=" / ".join(DEVICES))
    if importlib.util.find_spec("bitsandbytes") is None:
        raise StudioError("bitsandbytes_missing")
    if job.quantization_bit == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=job.quantization_type,
        bnb_4bit_use_double_quant=job.double_quantization,
        # Multiplied as the rest of the model computes: in the precision of autocast, else in that of the other weights.
        bnb_4bit_compute_dtype=_COMPUTE.get(place.autocast, place.weights),
    )


def keep_trainable(model) -> None:
    """Keep the weights in the form that gradients pass through.

    On CPUs with AVX512-BF16, bitsandbytes 0.50 rewrites them at the first forward pass in evaluation mode (a sample, an
    evaluation) into a form for inference, and the steps after it learn from wrong gradients.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def keep_odd_shapes(model) -> None:
    """Keep the weights that this form for inference has no place for as they are: bitsandbytes breaks off over rows
    that 64 does not divide, and over a number of rows that 32 does not."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu") and (module.in_features % 64 or module.out_features % 32):
            module.support_avx512bf16_for_cpu = False


def check(config, path: Path, job) -> None:
    """Raises StudioError for a model that was quantised before and is asked for what it cannot do."""
    found = getattr(config, "quantization_config", None)
    if not found:
        return
    method = found.get("quant_method", "?") if isinstance(found, dict) else found.quant_method
    if job.quantization_bit:
        raise StudioError("model_quantized_already", path=path, method=method)
    if getattr(job, "finetuning_type", "lora") != "lora":
        raise StudioError("model_quantized_needs_lora", path=path, method=method)
