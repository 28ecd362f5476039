"""What is asked of a hub, what a model consists of, and how a transfer is counted, watched and called off."""

import re
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from studio.config import models
from studio.errors import StudioError

LOOK_S = 0.2
TEXTS = (".json", ".txt", ".model", ".tiktoken", ".jinja")
TERMS = re.compile(r"(LICEN[SC]E|NOTICE|USE_POLICY)\b.*", re.IGNORECASE)
BINARIES = re.compile(r"(pytorch_model|adapter_model)[\w.-]*\.bin")
PRECISIONS = re.compile(r"\.(fp16|bf16|fp32)[.-]")


# What is said otherwise of a data set.
OF_SETS = {
    f"download_{what}": f"set_{what}" for what in ("unknown", "no_revision", "unreachable", "offline", "no_room")
}


@dataclass(frozen=True)
class Hub:
    """A hub by its names: in `hub:`, for people, and of the variables that hold its token and its address."""

    key: str
    name: str
    token: str
    address: str
    switch: str


HUGGINGFACE = Hub("huggingface", "Hugging Face", "HF_TOKEN", "HF_ENDPOINT", "hub: huggingface")
MODELSCOPE = Hub(
    "modelscope", "ModelScope", "MODELSCOPE_API_TOKEN", "MODELSCOPE_ENDPOINT", "hub: modelscope / USE_MODELSCOPE_HUB=1"
)
MODELERS = Hub("modelers", "Modelers", "OM_HUB_TOKEN", "OPENMIND_HUB_ENDPOINT", "om_hub_url")  # data sets only


@dataclass(frozen=True)
class Order:
    """One model or data set (`kind`) at one hub. `revision` None is the hub's default branch; `folder` is where its
    files go, None for the cache."""

    hub: Hub
    repo: str
    revision: str | None = None
    token: str | None = None
    cache_dir: Path | None = None
    folder: Path | None = None
    code: bool = False
    kind: str = "model"

    @property
    def address_path(self) -> str:
        """The path of its page at Hugging Face."""
        return f"datasets/{self.repo}" if self.kind == "dataset" else self.repo

    def error(self, key: str, **values: object) -> StudioError:
        """A StudioError that can name this order's model, its hub and the other hub."""
        other = MODELSCOPE if self.hub is HUGGINGFACE else HUGGINGFACE
        there = f"{other.switch}, {id_at(other, self.repo)}"
        if self.kind == "dataset" and key in OF_SETS:
            key = OF_SETS[key]
        own = {"model": self.repo, "hub": self.hub.name, "variable": self.hub.token, "address": self.hub.address}
        return StudioError(key, **own, other=other.name, there=there, **values)


def id_at(hub: Hub, name: str) -> str:
    """The id that a model of the catalogue has at this hub; any other name stays as it is."""
    model = models.find(name)
    known = (model.hf if hub is HUGGINGFACE else model.ms) if model else None
    return known or name


@dataclass(frozen=True)
class HubFile:
    """A file of a repository: path in it, bytes, and its SHA-256 where the hub tells it."""

    path: str
    size: int
    sha256: str | None


def pick(files: Iterable[HubFile], code: bool) -> list[HubFile]:
    """What training needs: one set of weights (safetensors before .bin), configuration, tokenizer, templates, terms.

    Python files come along only with `code`. Empty if there are no weights that can be trained.
    """
    top = [file for file in files if "/" not in file.path or file.path.startswith("additional_chat_templates/")]
    weights = _weights(top)
    if not weights:
        return []
    kind = Path(weights[0].path).suffix
    rest = [file for file in top if _is_text(file.path, kind) or (code and file.path.endswith(".py"))]
    return weights + [file for file in rest if file not in weights]


def _weights(top: list[HubFile]) -> list[HubFile]:
    safe = [file for file in top if file.path.endswith(".safetensors")]
    # Mistral's own format stands beside the one Transformers reads, with the same weights once more.
    safe = [file for file in safe if not file.path.startswith("consolidated")] or safe
    found = safe or [file for file in top if BINARIES.fullmatch(file.path)]
    return [file for file in found if not PRECISIONS.search(file.path)] or found


def _is_text(path: str, weights_kind: str) -> bool:
    if path.endswith(".index.json"):
        return path.endswith(f"{weights_kind}.index.json") and not path.startswith("consolidated")
    return path.endswith(TEXTS) or TERMS.fullmatch(path) is not None


class CalledOff(BaseException):
    """Ends the threads of a transfer. No Exception, so that no library takes it for a fault and tries again."""


class Meter:
    """Counts the bytes that have arrived, from several threads. `add` raises CalledOff once `call_off` was called."""

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done, self.over = total, done, False
        self._lock = threading.Lock()

    def add(self, num_bytes: int = 0) -> None:
        if self.over:
            raise CalledOff
        with self._lock:
            self.done += num_bytes

    def call_off(self) -> None:
        self.over = True


def watch(work: Callable[[], Path], meter: Meter, progress: Callable[..., None]) -> Path:
    """Run `work` in a thread while this one reports its bytes; what `progress` raises calls the work off."""
    with ThreadPoolExecutor(1, "download") as pool:
        future = pool.submit(work)
        try:
            while not future.done():
                progress("download", min(meter.done, meter.total), meter.total, "bytes")
                wait([future], LOOK_S)
        except BaseException:
            meter.call_off()
            raise
        return future.result()


def size_of(path: Path) -> int:
    """Bytes of the file, 0 if there is none."""
    return path.stat().st_size if path.is_file() else 0
