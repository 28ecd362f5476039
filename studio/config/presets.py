"""Presets: sparse training jobs in `presets/*.yaml`. The first comment of a file is its English title."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from studio import paths, text
from studio.config import files
from studio.config.job import TrainJob
from studio.config.knobs import fields
from studio.errors import StudioError

_NOT_JOBS = ("models",)  # tables that share the folder


@dataclass(frozen=True)
class Preset:
    """A named choice of keys, lists as lists. `title` is English; `words(t)` is in the catalogue's language."""

    name: str
    path: Path
    title: str
    mapping: Mapping[str, object]

    def words(self, t: text.Catalogue) -> str:
        """The title for the page."""
        key = f"presets.{self.name}"
        return t(key) if key in t else self.title


def list_presets() -> list[Preset]:
    """All presets by name."""
    found = sorted(paths.resource("presets").glob("*.yaml"))
    return [_read(path) for path in found if path.stem not in _NOT_JOBS]


def load_preset(name: str) -> Preset:
    """One preset. `StudioError` names the ones there are."""
    path = paths.resource("presets") / f"{name}.yaml"
    names = [preset.stem for preset in sorted(path.parent.glob("*.yaml")) if preset.stem not in _NOT_JOBS]
    if name not in names:
        near = get_close_matches(name, names, n=1, cutoff=0)
        raise StudioError("config_preset_unknown", name=name, nearest=near[0] if near else "", names=", ".join(names))
    return _read(path)


def _read(path: Path) -> Preset:
    head = path.read_text("utf-8").partition("\n")[0]
    title = head.lstrip("# ").strip() if head.startswith("#") else path.stem
    knobs = fields(TrainJob)
    plain = {key: knobs[key].prepare(value) if key in knobs else value for key, value in files.load(path).items()}
    return Preset(path.stem, path, title, plain)
