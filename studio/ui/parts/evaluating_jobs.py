"""From what the Evaluate tab holds to jobs: one for each model that was chosen, and one for what it was before.

    for asked in plan(["starter/lora/nova"], {"dataset": ["identity"]}, with_base=True):
        starting.begin(asked.reading.job, asked.name)

A run brings what belongs to its model (template, quantization, …). Where neither a data set nor a benchmark is chosen
it brings its own rows too: those it was evaluated on in training, else those it learned from.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio import runs
from studio.config import Reading, read_mapping
from studio.errors import StudioError
from studio.ui.parts import serving
from studio.ui.parts.serving import Source

MOST = 12
OF_THE_MODEL = ("quantization_bit", "quantization_method", "quantization_type", "double_quantization")
OF_THE_ROWS = ("dataset_dir", "media_dir", "cutoff_len", "tool_format", "preserve_thinking", "placeholders")
OWN_ROWS = ("dataset", "eval_dataset", "val_size", "max_samples", "seed")  # the same are held back again
CHOOSES = ("dataset", "task", "predictions_from")


@dataclass(frozen=True)
class Asked:
    """One job to start and the name of its run. `is_base`: the model before its training; `learned_rows`: it is asked
    about the rows that it was, or would be, trained on."""

    reading: Reading
    name: str
    is_base: bool = False
    learned_rows: bool = False


def plan(keys: Sequence[str], typed: Mapping[str, Any], with_base: bool) -> list[Asked]:
    """The jobs of the models named by `keys` (serving.py), then those of their bases, each once. Raises ConfigError and
    StudioError."""
    if typed.get("predictions_from"):  # no model is asked
        source = Path(str(typed["predictions_from"])).stem
        return [Asked(read_mapping("evaluate", dict(typed)), name_of(f"predictions-{source}", typed))]
    if not keys:
        raise StudioError("evaluate_no_model")
    if len(keys) > MOST:
        raise StudioError("evaluate_too_many", count=len(keys), most=MOST)
    found: dict[str, Asked] = {}
    for key in dict.fromkeys(keys):
        source, trained = serving.source_of(key), job_of(key)
        own = own_rows(key, trained) if trained and not any(typed.get(one) for one in CHOOSES) else {}
        about = brought(source, trained) | own | dict(typed)
        for model, adapters, is_base in _models(source, trained, with_base):
            mapping = about | {"model_name_or_path": model, "adapter_name_or_path": adapters}
            named = name_of(serving.shown_model(model) if is_base else source.name, about)
            asked = Asked(read_mapping("evaluate", mapping), named, is_base, learned_from(trained, about))
            found.setdefault(asked.reading.job.to_yaml(), asked)
    return sorted(found.values(), key=lambda asked: asked.is_base)


def _models(source: Source, trained: Any | None, with_base: bool) -> Iterator[tuple[str, list[str], bool]]:
    """(model, adapters, whether it is the base) of a source."""
    yield source.model, list(source.adapters), False
    base = base_of(source, trained)
    if with_base and base:
        yield base, [], True


def job_of(key: str) -> Any | None:
    """The training job of the run that a key names; None where it names a model, or the settings are lost."""
    run, _ = serving.run_of(key)
    with suppress(StudioError):
        job = run.job() if run else None
        return job if job is not None and job.kind == "train" else None
    return None


def brought(source: Source, trained: Any | None) -> dict[str, Any]:
    """What a run says of how its model is loaded and its rows are read."""
    found = dict(source.settings) | ({"placeholders": dict(source.placeholders)} if source.placeholders else {})
    for key in (*OF_THE_MODEL, *OF_THE_ROWS):
        value = getattr(trained, key, None)
        if value not in (None, "", [], {}):
            found[key] = value
    if getattr(trained, "stage", None) == "pt":
        found["stage"] = "pt"
    return found


def own_rows(key: str, trained: Any) -> dict[str, Any]:
    """The rows that a training run was evaluated on: its own sets, or the part it held back; else what it learned."""
    found = {name: getattr(trained, name) for name in OWN_ROWS if getattr(trained, name, None) not in (None, [])}
    if found.get("eval_dataset"):
        return {name: value for name, value in found.items() if name not in ("dataset", "val_size")}
    run, _ = serving.run_of(key)
    return found | ({"held_back_of": str(run.folder)} if run and found.get("val_size") else {})


def learned_from(trained: Any | None, about: Mapping[str, Any]) -> bool:
    """Whether a run is asked about a set it learned from, and not about the part of it that was held back."""
    others = any(about.get(key) for key in ("eval_dataset", "val_size", "task", "predictions_from"))
    return not others and not set(about.get("dataset") or ()).isdisjoint(getattr(trained, "dataset", None) or ())


def base_of(source: Source, trained: Any | None) -> str:
    """What the model was before the training; empty where it was not trained here."""
    if source.adapters:
        return source.model
    before = str(getattr(trained, "model_name_or_path", "") or "")
    return "" if before == source.model else before


def name_of(model: str, about: Mapping[str, Any]) -> str:
    """A name that says who answered what, as a folder can have it."""
    sets = about.get("eval_dataset") or about.get("dataset") or []
    what = str(about.get("task") or "-".join(Path(str(one)).stem for one in sets[:2]))
    words = [model, what, "val" if about.get("val_size") and not about.get("task") else ""]
    return re.sub(r"[^\w.\-]+", "-", "-".join(filter(None, words))).strip("-.")[:70]


def choices() -> list[tuple[str, str]]:
    """What can be chosen, as (label, key): runs with their checkpoints, then models."""
    return serving.sources()


def predicted() -> list[str]:
    """The runs that hold predictions, by their ids."""
    return [one.id for one in runs.listing() if (Path(one.folder) / "generated_predictions.jsonl").is_file()]
