"""Which data sets there are: LLaMA-Factory's `dataset_info.json`, read as LLaMA-Factory reads it.

`load` gives every entry of a folder, `find` one data set by name, or a file or folder by path. Nothing here opens the
data itself, except that a bare path has its format detected (`studio.data.detect`).
"""

import difflib
import json
from dataclasses import fields
from pathlib import Path

from studio import paths
from studio.data import detect
from studio.data.source import FORMATS, HUB_KEYS, Columns, Source, Tags
from studio.errors import StudioError

INFO = "dataset_info.json"
ONLINE = ("ONLINE", "REMOTE:")  # LLaMA-Factory's words for "the registry, or the sets, are on a hub"


def folder(dataset_dir: str | Path) -> Path:
    """The folder `dataset_dir` names: an absolute path, else below the current directory, else what ships.

    Raises StudioError if there is no such folder with a `dataset_info.json`.
    """
    wanted = Path(dataset_dir).expanduser()
    for candidate in (wanted, *_shipped(wanted)):
        if (candidate / INFO).is_file():
            return candidate
    key = "data_dir_no_info" if wanted.is_dir() else "data_dir_missing"
    raise StudioError(key, folder=wanted if wanted.is_absolute() else Path.cwd() / wanted, info=INFO)


def load(dataset_dir: str | Path) -> dict[str, Source]:
    """Every entry of `dataset_dir`'s registry, by name. Raises StudioError for an unreadable or malformed one."""
    return _entries(folder(dataset_dir))


def find(name: str, dataset_dir: str | Path) -> Source:
    """The data set `name`: a name of the registry, else of the shipped one, else a path to a file or a folder.

    Raises StudioError naming the nearest known one.
    """
    if str(dataset_dir).startswith(ONLINE):
        raise StudioError("data_not_downloaded", name=name, where=name)
    path = Path(name).expanduser()
    is_path = path.exists()
    known: dict[str, Source] = {}
    for place in _registries(dataset_dir, needed=not is_path):
        known = {**_entries(place), **known}
    if name in known:
        return known[name]
    if is_path:
        return detect.source_of(path)
    nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)[:8]
    key = "data_file_missing" if path.suffix or path.is_absolute() else "data_unknown"
    raise StudioError(key, name=name, path=name, nearest=", ".join(nearest), info=INFO)


def _shipped(wanted: Path) -> tuple[Path, ...]:
    return (paths.resource("data"),) if wanted == Path("data") else ()


def _registries(dataset_dir: str | Path, needed: bool) -> list[Path]:
    """The user's registry, then the shipped one: its names (the quickstart's) stand in any folder."""
    places = []
    if needed or (Path(dataset_dir).expanduser() / INFO).is_file():
        places.append(folder(dataset_dir))
    if (paths.resource("data") / INFO).is_file():
        places.append(paths.resource("data"))
    return places


def _entries(place: Path) -> dict[str, Source]:
    file = place / INFO
    try:
        entries = json.loads(file.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise StudioError("data_info_broken", file=file, line=error.lineno, column=error.colno, why=error.msg) from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudioError("data_unreadable", file=file, why=error) from None
    if not isinstance(entries, dict):
        raise StudioError("data_info_shape", file=file)
    return {name: _source(name, entry, place) for name, entry in entries.items()}


def _source(name: str, entry: object, place: Path) -> Source:
    where = {"name": name, "file": place / INFO}
    if not isinstance(entry, dict):
        raise StudioError("data_entry_shape", **where)
    formatting = entry.get("formatting", "alpaca")
    if formatting not in FORMATS:
        raise StudioError("data_entry_formatting", **where, formatting=formatting, known=", ".join(FORMATS))
    for key in ("columns", "tags"):
        if not isinstance(entry.get(key, {}), dict):
            raise StudioError("data_entry_part", **where, part=key)
    num_samples = entry.get("num_samples")
    if num_samples is not None and (not isinstance(num_samples, int) or num_samples < 1):
        raise StudioError("data_entry_samples", **where, num_samples=num_samples)
    hub = tuple((key, str(entry[key])) for key in HUB_KEYS if entry.get(key))
    file_name = entry.get("file_name")
    if not hub and not file_name:
        raise StudioError("data_entry_empty", **where)
    openai = formatting == "openai"
    return Source(
        name=name,
        path=place / file_name if file_name and not hub else None,
        hub=hub,
        formatting=formatting,
        columns=_named(Columns, entry, "columns", Columns.of_openai() if openai else Columns()),
        tags=_named(Tags, entry, "tags", Tags.of_openai() if openai else Tags()),
        ranking=bool(entry.get("ranking", False)),
        split=str(entry.get("split", "train")),
        subset=entry.get("subset"),
        folder=entry.get("folder"),
        num_samples=num_samples,
    )


def _named(kind: type, entry: dict, key: str, default: Columns | Tags) -> Columns | Tags:
    """LLaMA-Factory's trap, kept: where `columns` or `tags` is given, what it does not name is null, not the default.

    Keys it does not know are ignored, as LLaMA-Factory ignores them.
    """
    if key not in entry:
        return default
    return kind(**{field.name: entry[key].get(field.name) for field in fields(kind)})
