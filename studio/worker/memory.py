"""Whether a step fits: a rough count of activations against what the device has left."""

import psutil
import torch


def needs_checkpointing(job, model, place) -> bool:
    """Whether to recompute activations in the backward pass: as the job says, else only where memory asks for it.

    The activations of one transformer block take about 34 bytes per token and hidden unit in 16 bits with a fused
    attention (Korthikanti et al., arXiv:2205.05198, without the quadratic term); logits come at 8 bytes an entry.
    """
    if job.gradient_checkpointing is not None:
        return job.gradient_checkpointing
    config = model.config.get_text_config()
    tokens = job.per_device_train_batch_size * job.cutoff_len * (2 if job.stage == "dpo" else 1)
    factor = 1 if place.autocast or place.weights.itemsize == 2 else 2
    activations = config.num_hidden_layers * tokens * config.hidden_size * 34 * factor
    logits = tokens * config.vocab_size * 8
    return activations + logits > 0.8 * free_bytes(place.device)


def free_bytes(device: torch.device) -> int:
    """What a device, or the machine, has left."""
    if device.type == "cpu":
        return psutil.virtual_memory().available
    free, _ = torch.get_device_module(device.type).mem_get_info(device)
    return free
