"""A model from Hugging Face or ModelScope: listed first, checked for room, brought with progress, resumed, verified.

`download(job, progress)` brings it, `locate(name, job)` finds one that is here already, without a network. A job asks
by `model_name_or_path` (an id of either hub, or a name of the catalogue), `hub`, `model_revision`, `cache_dir`,
`local_dir`, `trust_remote_code` and two tokens, which are sent to their hub and written nowhere. What makes a folder a
model, config.json, comes last: a folder that has it is whole.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from studio.errors import FULL_DISK
from studio.worker.build import huggingface, modelers, modelscope
from studio.worker.build.order import (
    HUGGINGFACE,
    MODELERS,
    MODELSCOPE,
    HubFile,
    Meter,
    Order,
    id_at,
    pick,
    watch,
)

CLIENTS = {HUGGINGFACE: huggingface, MODELSCOPE: modelscope, MODELERS: modelers}
CONFIGS = ("config.json", "adapter_config.json")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
GIB = 1 << 30


def download(job, progress: Callable[..., None]) -> Path:
    """Bring the job's model here and return its folder. A download that was broken off goes on where it ended.

    `progress(phase, done, total, unit)` may raise to call it off; what has arrived is kept. Raises StudioError for a
    model that is unknown, gated, private, without weights or without that revision, an unreachable hub, a full disk.
    """
    order = _order(job, job.model_name_or_path, _hubs(job)[0])
    client = CLIENTS[order.hub]
    if not HUB_ID.fullmatch(order.repo):
        raise order.error("download_no_id")
    progress("download", 0, 0, "bytes")
    if order.repo != job.model_name_or_path:
        print(f"{job.model_name_or_path} is {order.repo} on {order.hub.name}", flush=True)
    there = client.list_files(order)
    files = pick(there, order.code)
    if not files:
        kinds = sorted({Path(file.path).suffix for file in there} - {""})
        raise order.error("download_no_weights", kinds=" ".join(kinds))
    folder = client.folder(order)
    total, done = sum(file.size for file in files), sum(client.held(order, file) for file in files)
    check_room(order, folder, total - done)
    meter = Meter(total, done)
    first = [file for file in files if file.path not in CONFIGS]
    last = [file for file in files if file.path in CONFIGS]
    place = watch(lambda: fetch(order, first, last, meter), meter, progress)
    progress("download", total, total, "bytes")
    return place


def locate(model_name_or_path: str, job) -> Path | None:
    """The folder of a model that is whole and on this machine: a folder of that name, or a hub's cache.

    With `hub: auto` both hubs' caches are looked at, the chosen hub's first.
    """
    folder = Path(model_name_or_path).expanduser()
    if folder.is_dir():
        return folder
    for hub in _hubs(job):
        order = _order(job, model_name_or_path, hub)
        if HUB_ID.fullmatch(order.repo):
            found = order.folder or CLIENTS[hub].cached(order)
            if found and _is_whole(found, order.code):
                return found
    return None


def _hubs(job) -> tuple:
    """The hub the job names; with `auto` the one to ask, then the other."""
    both = (HUGGINGFACE, MODELSCOPE)
    chosen = getattr(job, "hub", "auto")
    if chosen != "auto":
        return tuple(hub for hub in both if hub.key == chosen)
    wanted = os.environ.get("USE_MODELSCOPE_HUB", "").lower() in ("1", "true")
    return both[::-1] if wanted else both


def _order(job, name: str, hub) -> Order:
    revision = job.model_revision or None
    if hub is MODELSCOPE and revision == "main":
        revision = None  # LLaMA-Factory's files carry Hugging Face's default branch everywhere
    return Order(
        hub=hub,
        repo=id_at(hub, name),
        revision=revision,
        token=token(job, hub),
        cache_dir=_folder(job.cache_dir),
        folder=_folder(getattr(job, "local_dir", None)),
        code=getattr(job, "trust_remote_code", False),
    )


def token(job, hub) -> str | None:
    """The job's own token for the hub, else the environment's."""
    secret = getattr(job, {HUGGINGFACE: "hf_hub_token", MODELSCOPE: "ms_hub_token"}.get(hub, "om_hub_token"))
    return (secret.get_secret_value() if secret else "") or os.environ.get(hub.token) or None


def _folder(path: str | None) -> Path | None:
    return Path(path).expanduser().resolve() if path else None


def check_room(order: Order, folder: Path, needed_bytes: int) -> None:
    """Raises StudioError where the disk of `folder` has less left."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free_bytes = shutil.disk_usage(existing).free
    if needed_bytes > free_bytes:
        needed_gib, free_gib = (f"{num_bytes / GIB:.1f}" for num_bytes in (needed_bytes, free_bytes))
        raise order.error("download_no_room", needed_gib=needed_gib, free_gib=free_gib, folder=folder)


def fetch(order: Order, first: list[HubFile], last: list[HubFile], meter: Meter) -> Path:
    """Bring the files, `last` ones after the others. Raises StudioError for a full disk."""
    try:
        return CLIENTS[order.hub].fetch(order, first, last, meter)
    except OSError as error:
        if error.errno in FULL_DISK:
            raise order.error("disk_full", path=CLIENTS[order.hub].folder(order)) from error
        raise


def _is_whole(folder: Path, code: bool) -> bool:
    """Whether the folder has a configuration, each weight file that its index names, and its code where wanted."""
    config = next((folder / name for name in CONFIGS if (folder / name).is_file()), None)
    if config is None:
        return False
    if code and "auto_map" in _read(config) and not any(folder.glob("*.py")):
        return False
    for index in (folder / name for name in INDEXES):
        if index.is_file():
            return all((folder / name).is_file() for name in _read(index).get("weight_map", {"": ""}).values())
    return any(any(folder.glob(pattern)) for pattern in ("*.safetensors", "*.bin"))


def _read(file: Path) -> dict:
    """The JSON object in the file, an empty one where it is not whole."""
    try:
        return json.loads(file.read_text("utf-8"))
    except ValueError:
        return {}
