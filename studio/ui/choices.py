"""What dropdowns offer that no type says: models, data sets, templates. Read at each visit, never at build time."""

from collections.abc import Callable, Mapping
from pathlib import Path

from studio import data, paths
from studio.config import STARTER, files
from studio.data import registry
from studio.errors import StudioError


def models() -> list[str]:
    """The starter model and the ids in `presets/models.yaml`, family by family."""
    table = files.load(paths.resource("presets") / "models.yaml")
    return [STARTER, *(model["hf"] for family in table["families"] for model in family["models"])]


def datasets() -> list[str]:
    """The data sets that `data/dataset_info.json` names."""
    try:
        return sorted(registry.load("data"))
    except StudioError:  # no such folder here: said when a run wants one
        return []


def templates() -> list[str]:
    """The chat templates there are."""
    return sorted(file.stem for file in (Path(data.__path__[0]) / "templates").glob("*.jinja"))


LIVE: Mapping[str, Callable[[], list[str]]] = {
    "model_name_or_path": models,
    "dataset": datasets,
    "eval_dataset": datasets,
    "template": templates,
}
