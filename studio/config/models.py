"""The catalogue of known models, `presets/models.yaml`: ids on both hubs, chat template, size, context.

It only spares the typing and knows which id is whose: a model that is not in it works by its own config.
"""

from dataclasses import dataclass
from functools import cache

import yaml

from studio import paths


@dataclass(frozen=True)
class Model:
    """One model. `hf` and `ms` are its ids on Hugging Face and ModelScope; `parameters_b` counts billions, all experts.

    None means not known, never zero. `template` is LLaMA-Factory's name, None for the tokenizer's own chat template.
    """

    name: str
    family: str
    hf: str | None = None
    ms: str | None = None
    also: tuple[str, ...] = ()
    parameters_b: float | None = None
    context: int | None = None
    base: bool = False
    gated: bool = False
    template: str | None = None


@dataclass(frozen=True)
class Family:
    """Models of one line. What it says of template and licence holds for each of its models that says nothing else."""

    title: str
    template: str | None
    gated: bool
    models: tuple[Model, ...]


@cache
def load() -> tuple[Family, ...]:
    """All families, in the order of the file."""
    file = paths.resource("presets") / "models.yaml"
    tree = yaml.load(file.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  (safe)
    return tuple(_family(entry) for entry in tree["families"])


def find(model_name_or_path: str) -> Model | None:
    """The model of that id (either hub, old ids too) or display name; upper and lower case are alike."""
    return _by_name().get(model_name_or_path.strip().lower())


def template_of(model_name_or_path: str) -> str | None:
    """LLaMA-Factory's template name for a known model; None for an unknown one or the tokenizer's own template."""
    model = find(model_name_or_path)
    return model.template if model else None


def _family(entry: dict) -> Family:
    title, template, gated = entry["title"], entry.get("template"), entry.get("gated", False)
    models = tuple(_model({"family": title, "template": template, "gated": gated} | row) for row in entry["models"])
    return Family(title, template, gated, models)


def _model(row: dict) -> Model:
    name = row.get("name") or (row.get("hf") or row["ms"]).split("/")[-1]
    return Model(**row | {"name": name, "also": tuple(row.get("also", ()))})


@cache
def _by_name() -> dict[str, Model]:
    models = [model for family in load() for model in family.models]
    return {key.lower(): model for model in models for key in (model.name, *model.also, model.ms, model.hf) if key}
