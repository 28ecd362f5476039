"""What can be talked to, and the servers that answer: all of it follows from run folders.

    source = source_of("starter/lora/nova")      # a run, a checkpoint in it, or a model
    target = load(source, {"device": "cpu"})     # a server that has it, or has just been told to load it
    servers(); asked(target)                     # every server there is; where to send a question

A *target* is what a browser chose: {"server": id of a serve run, "model": name on it, empty for its default}.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from studio import endpoint as endpoints
from studio import runs
from studio.config import STARTER, read_mapping, starter
from studio.endpoint import Endpoint
from studio.errors import StudioError
from studio.runs import checkpoints, ids, states
from studio.runs import folder as files
from studio.ui import choices, starting
from studio.ui.parts import summary

Target = dict[str, str]
ADAPTER, MODEL = "adapter_config.json", "config.json"
# Keys of a training job that its result is served with.
INHERITED = ("hub", "model_revision", "cache_dir", "trust_remote_code", "template", "tool_format",
             "default_system", "enable_thinking", "flash_attn", "rope_scaling", "resize_vocab")  # fmt: skip
# Where two servers differ in one of these, an adapter for one of them is not loaded into the other.
OF_THE_BASE = ("model_name_or_path", "model_revision", "template", "tool_format", "infer_backend", "infer_dtype",
               "quantization_bit", "tokenizer_name_or_path", "device")  # fmt: skip
FRESH_S = 5.0
MAX_RUNS = 200
_memory_seen: dict[Path, float] = {}  # a server takes its figures with it when it leaves


@dataclass(frozen=True)
class Source:
    """Something that can be loaded: `model` with `adapters` on it, in their order. `key` names it in the address."""

    key: str
    name: str
    model: str
    adapters: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    placeholders: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """A model that a server answers as: its base, or an adapter on it. `root` is its folder or hub id.

    `why_not`: a key under `apart` in `locales/`, of an adapter that is not mixed with others.
    """

    name: str
    root: str
    is_base: bool
    takes_images: bool = False
    why_not: str = ""


@dataclass(frozen=True)
class Serving:
    """A serve run. `models` is empty while it loads and after its end."""

    run: runs.Run
    state: str
    activity: Mapping[str, Any]
    models: tuple[Model, ...]

    @property
    def default(self) -> str:
        """The model that answers where none is named."""
        names = [model.name for model in self.models]
        told = self.activity.get("default")
        return told if told in names else (names[-1] if names else "")

    @property
    def memory_gib(self) -> float:
        """What it takes; after its end what it took, as far as this page has seen it; 0 where nobody told."""
        told = self.activity.get("memory_gib")
        if isinstance(told, int | float):
            _memory_seen[self.run.folder] = float(told)
        return _memory_seen.get(self.run.folder, 0.0)


# ---- sources ----


def sources() -> list[tuple[str, str]]:
    """What the picker offers, as (label, key): runs that left something, their checkpoints, then models."""
    found = []
    for run in runs.listing()[:MAX_RUNS]:
        folder = Path(run.folder)
        if run.kind != "train":
            continue
        steps = [path for path in reversed(checkpoints.checkpoints(folder)) if is_loadable(path)]
        when = summary.moment(run.ended or run.started or 0.0) if run.ended or run.started else ""
        whole = [(folder.name, run.id)] if is_loadable(folder) and run.state not in states.LIVE else []
        marks = [(f"{folder.name} · {path.name}", f"{run.id}/{path.name}") for path in steps]
        place = folder.parent.name if ids.is_elsewhere(run.id) else run.id.partition("/")[0]
        about = " · ".join(filter(None, [place, when]))
        found += [(f"{label}  ({about})", key) for label, key in whole + marks]
    return found + [(name, name) for name in choices.models()]


def source_of(key: str) -> Source:
    """What a key names. Raises StudioError for a run that has left nothing to load, and for no key at all."""
    key = key.strip()
    if not key:
        raise StudioError("chat_nothing_chosen")
    run, folder = run_of(key)
    if run is None:
        return Source(key, key.rstrip("/").rpartition("/")[2], key)
    if not is_loadable(folder):
        raise StudioError("chat_nothing_to_load", run=key, path=folder)
    name = folder.name if folder == run.folder else f"{run.folder.name}-{folder.name}"
    job = None
    with suppress(StudioError):  # the settings are lost: what the adapter itself says is enough
        job = run.job()
    settings = {name: value for name in INHERITED if (value := getattr(job, name, None)) is not None}
    words = getattr(job, "placeholders", {})
    if not (folder / ADAPTER).is_file():
        return Source(key, name, str(folder), (), settings, words)
    base = getattr(job, "model_name_or_path", None) or _base_of(folder)
    build = starter.build_of((files.read_json(folder / ADAPTER) or {}).get("base_model_name_or_path"))
    if base == STARTER and build not in (None, starter.fingerprint()):
        raise StudioError("adapter_of_another_build", path=folder, build=build, served=starter.fingerprint())
    return Source(key, name, base, (*_merged_before(job), str(folder)), settings, words)


def is_loadable(folder: Path) -> bool:
    """Whether the folder holds an adapter or a model."""
    return (folder / ADAPTER).is_file() or (folder / MODEL).is_file()


def run_of(key: str) -> tuple[runs.Run | None, Path]:
    """The run that a key names in full, and the folder in it."""
    head, _, last = key.rstrip("/").rpartition("/")
    for name, part in ((key, ""), (head, last)):
        if not name or (part and checkpoints.step_of(part) < 0):
            continue
        with suppress(StudioError):
            run = runs.find(name)
            if name.strip("/") == run.id or Path(name).expanduser().resolve() == run.folder.resolve():
                return run, run.folder / part if part else run.folder
    return None, Path()


def _base_of(folder: Path) -> str:
    base = (files.read_json(folder / ADAPTER) or {}).get("base_model_name_or_path")
    if not base:
        raise StudioError("chat_nothing_to_load", run=folder.name, path=folder)
    return base


def _merged_before(job: Any) -> tuple[str, ...]:
    """Adapters that were merged into the base before this one was trained on it."""
    given = tuple(getattr(job, "adapter_name_or_path", ()))
    return given if getattr(job, "create_new_adapter", False) else given[:-1]


# ---- servers ----


def servers(with_ended_s: float = 0.0) -> list[Serving]:
    """The servers that wait, load or answer, the newest first; also those that ended so many seconds ago."""
    now = time.time()
    found = [one for one in runs.listing() if one.kind == "serve"]
    kept = [one for one in found if one.state in states.LIVE or now - (one.ended or one.started or 0) < with_ended_s]
    return [serving_of(runs.Run(Path(one.folder))) for one in kept]


def serving_of(run: runs.Run) -> Serving:
    """One server as its folder tells it, its models asked of itself."""
    state = run.state
    activity = files.read_json(run.folder / files.ACTIVITY) or {}
    stamps = tuple(files.stamp(run.folder / name) for name in (files.ENDPOINT, files.ACTIVITY))
    answering = state in states.ALIVE and stamps[0] != (0, 0)
    models = _models(run.folder, stamps, int(time.monotonic() / FRESH_S)) if answering else ()
    return Serving(run, state, activity, models)


def asked(target: object) -> tuple[Endpoint, str, Serving]:
    """Where a question goes: endpoint, name of the model, server. Raises StudioError where nobody answers."""
    fields = target if isinstance(target, dict) else {}
    if not fields.get("server"):
        raise StudioError("chat_no_server")
    try:
        serving = serving_of(runs.find(str(fields["server"])))
    except StudioError as error:
        raise StudioError("chat_no_server") from error
    found = endpoints.of(serving.run.folder)
    if found is None or not serving.models:
        raise StudioError("chat_server_gone" if serving.state not in states.LIVE else "chat_server_loading")
    names = [model.name for model in serving.models]
    wanted = str(fields.get("model") or serving.default)
    if wanted not in names:
        raise StudioError("chat_model_gone", model=wanted, names=", ".join(names))
    return found, wanted, serving


def load(source: Source, settings: Mapping[str, Any]) -> tuple[Target, str]:
    """A target for the source, and how it came about: "there", "hot", "started".

    A server with the same base takes another adapter in a moment; otherwise a new one is started. Raises StudioError
    with the server's words where it refuses the adapter: a new one would have no others.
    """
    job = job_of(source, settings)
    for serving in servers():
        if not _same_base(job, serving):
            continue
        if not serving.models:  # it is still loading
            if list(serving.run.job().adapter_name_or_path) == list(source.adapters):
                return {"server": serving.run.id, "model": ""}, "started"
            continue
        target, how = {"server": serving.run.id}, "there"
        model = _loaded(source, serving)
        if model is None and len(source.adapters) == 1:
            try:
                model, how = _load_adapter(source, serving), "hot"
            except StudioError as error:
                if error.key == "endpoint_refused":
                    raise  # otherwise it is gone since it was looked for
        if model is not None:
            return target | {"model": model}, how
    return {"server": starting.start(job), "model": ""}, "started"


def job_of(source: Source, settings: Mapping[str, Any]) -> Any:
    """The serve job of a source. Raises ConfigError for settings that do not fit."""
    mapping = {**source.settings, **settings, "model_name_or_path": source.model}
    if source.adapters:
        mapping["adapter_name_or_path"] = list(source.adapters)
    return read_mapping("serve", mapping).job



def shown_model(name: str) -> str:
    """A model's name without the folders before it."""
    return "starter" if name == STARTER else name.rstrip("/").rpartition("/")[2]


def _same_base(job: Any, serving: Serving) -> bool:
    try:
        other = serving.run.job()
    except StudioError:
        return False
    if starter.build_of(serving.activity.get("path")) not in (None, starter.fingerprint()):
        return False  # of a studio before an update, whose starter model was another one
    alike = all(getattr(job, key) == getattr(other, key) for key in OF_THE_BASE)
    return alike and len(other.adapter_name_or_path) <= 1  # a stack's base has adapters merged into it


def _loaded(source: Source, serving: Serving) -> str | None:
    """The name of the source on a server that has it."""
    if not source.adapters:
        return next((model.name for model in serving.models if model.is_base), None)
    wanted = Path(source.adapters[-1]).resolve()
    fitting = [model.name for model in serving.models if not model.is_base and Path(model.root).resolve() == wanted]
    return fitting[0] if fitting and len(source.adapters) == 1 else None


def _load_adapter(source: Source, serving: Serving) -> str:
    taken = {model.name for model in serving.models}
    name = source.name if source.name not in taken else source.key
    found = endpoints.of(serving.run.folder)
    if found is None:
        raise StudioError("chat_server_gone")
    found.load_adapter(name, source.adapters[0])
    _models.cache_clear()
    return name


@lru_cache(maxsize=32)
def _models(folder: Path, _stamps: tuple, _moment: int) -> tuple[Model, ...]:
    """What a server answers as, asked once a moment for all browsers."""
    found = endpoints.of(folder)
    try:
        listed = found.models() if found else []
    except StudioError:
        return ()
    return tuple(_model(one) for one in listed if isinstance(one, dict) and "id" in one)


def _model(told: Mapping[str, Any]) -> Model:
    name, root = str(told["id"]), str(told.get("root") or told["id"])
    return Model(name, root, not told.get("parent"), told.get("takes_images") is True, str(told.get("why_not") or ""))
