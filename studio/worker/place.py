"""Where a model lives and in which precision it computes. The only place that asks torch what a device can do."""

import importlib.util
import time
from dataclasses import dataclass
from functools import cache

import psutil
import torch

from studio.errors import StudioError

if importlib.util.find_spec("torch_npu"):
    import torch_npu  # noqa: F401  (registers the device)


@dataclass(frozen=True)
class Place:
    """A device and its precision: `autocast` is "bf16", "fp16" or None; `weights` the dtype of what is not trained."""

    device: torch.device
    autocast: str | None
    weights: torch.dtype


def choose(job, num_parameters: int = 0) -> Place:
    """The device and precision for a job. `num_parameters` decides whether a CPU can afford float32 weights.

    Raises StudioError where the job names a kind of device that torch does not see.
    """
    device = _device(job.device)
    if job.fp16 and device.type == "cpu":
        raise StudioError("fp16_needs_accelerator")
    autocast = "fp16" if job.fp16 else "bf16" if _wants_bf16(job, device) else None
    half = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(autocast, torch.float32)
    return Place(device, autocast, torch.float32 if device.type == "cpu" and _fits(num_parameters) else half)


@cache
def bf16_pays(device: torch.device) -> bool:
    """Whether autocast to bfloat16 makes training faster on the device.

    On a CPU only a measurement tells (0.1 s): of those that have the instructions, some compute twice as fast with them
    and others half as fast. Without avx512_bf16 or AMX they are emulated, and never pay.
    """
    if device.type != "cpu":
        return torch.get_device_module(device.type).is_bf16_supported()
    # Private, so guarded. The public mkldnn check answers for AVX-512 in general.
    answers = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    if not any(ask() for ask in answers if ask):
        return False
    layer, x = torch.nn.Linear(256, 1024), torch.randn(1024, 256, generator=torch.Generator().manual_seed(0))
    times_s = {half: min(_step_s(layer, x, half) for _ in range(4)) for half in (True, False)}
    return times_s[True] * 1.2 < times_s[False]


def _step_s(layer: torch.nn.Linear, x: torch.Tensor, half: bool) -> float:
    begin_s = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        y = layer(x)
    y.sum().backward()
    return time.perf_counter() - begin_s


def memory_gib(device: torch.device) -> float:
    """The memory in use, in GiB: the device's, or this process's on a CPU."""
    if device.type == "cpu":
        return psutil.Process().memory_info().rss / 2**30
    return torch.get_device_module(device.type).memory_allocated() / 2**30


def _device(wanted: str) -> torch.device:
    found = torch.accelerator.current_accelerator(check_available=True)
    if wanted == "cpu" or (wanted == "auto" and found is None):
        return torch.device("cpu")
    if found is None or wanted not in ("auto", found.type):
        raise StudioError("torch_sees_no_device", device=wanted, torch=torch.__version__)
    return torch.device(found.type, torch.accelerator.current_device_index())


def _wants_bf16(job, device: torch.device) -> bool:
    if job.bf16 is not None or job.fp16 or job.pure_bf16:
        return bool(job.bf16 or job.pure_bf16)
    return bf16_pays(device)


def _fits(num_parameters: int) -> bool:
    """Float32 weights under autocast train fastest on a CPU, if they take at most half of what is free."""
    return num_parameters * 4 <= psutil.virtual_memory().available / 2
