"""Which data sets there are: LLaMA-Factory's `dataset_info.json`, read as LLaMA-Factory reads it.

`load` gives every entry of a folder (`usable` leaves out those at fault), `find` one data set by name, a file or folder
by path, or a hub's set by its id; what is wrong with another entry is no matter.
The names of the user's own registry (`paths.data()`: what the studio itself has entered there) and of the shipped one
stand everywhere. A hub's set that has been brought here is found with its files (`studio.data.remote`). Nothing here
opens the data itself, except that what no registry describes has its format detected (`studio.data.detect`).
"""

import difflib
import json
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

from studio import paths
from studio.data import characters, charset, detect, reading, remote
from studio.data.lint import lint, sure
from studio.data.problem import Problem
from studio.data.source import FORMATS, HUB_KEYS, Columns, Source, Tags
from studio.errors import StudioError

INFO = "dataset_info.json"
ONLINE, REMOTE = "ONLINE", "REMOTE:"  # LLaMA-Factory's words for "the sets, or their registry, are on a hub"
TEXTS = ("split", "subset", "folder", "revision")
LOCAL = ("file:", "local:", "memory:")  # addresses on this machine

__all__ = ["INFO", "entries", "find", "folder", "is_elsewhere", "lint", "listed", "load", "parse_entry", "path_of",
           "usable"]  # fmt: skip


def folder(dataset_dir: str | Path) -> Path:
    """The folder `dataset_dir` names: an absolute path, else below the current directory, else what ships.

    Raises StudioError if there is no such folder with a `dataset_info.json`.
    """
    if str(dataset_dir).startswith(REMOTE):
        place = remote.registry_folder(str(dataset_dir))
        if (place / INFO).is_file():
            return place
        raise StudioError("data_registry_not_here", where=dataset_dir)
    wanted = Path(dataset_dir).expanduser()
    for candidate in (wanted, *_shipped(wanted)):
        if (candidate / INFO).is_file():
            return candidate
    key = "data_dir_no_info" if wanted.is_dir() else "data_dir_missing"
    raise StudioError(key, folder=wanted if wanted.is_absolute() else Path.cwd() / wanted, info=INFO)


def load(dataset_dir: str | Path) -> dict[str, Source]:
    """Every entry of `dataset_dir`'s registry, by name; of the default one together with the user's own.

    Raises StudioError for an unreadable or malformed one.
    """
    return {name: parse_entry(name, *found) for name, found in listed(dataset_dir).items()}


def usable(dataset_dir: str | Path) -> dict[str, Source]:
    """As `load`, without the entries that are at fault."""
    found = {}
    for name, (entry, place) in listed(dataset_dir).items():
        with suppress(StudioError):  # said where the set itself is shown
            found[name] = parse_entry(name, entry, place)
    return found


def listed(dataset_dir: str | Path) -> dict[str, tuple[object, Path]]:
    """(entry, folder of its registry) of each name that `load` gives, unchecked. Raises StudioError as `entries`."""
    places = [folder(dataset_dir)]
    if Path(dataset_dir) == Path("data"):
        places.append(paths.data())
    return {name: (entry, place) for place in reversed(_ranked(places)) for name, entry in entries(place).items()}


def find(name: str, dataset_dir: str | Path, media_dir: str | Path | None = None) -> Source:
    """The data set `name`: a name of the registry, else of the shipped one, else a path, else an id of a hub.

    `media_dir` goes before the registry's own folder. Raises StudioError naming the nearest known one.
    """
    source = _find(name, dataset_dir)
    return replace(source, media_dir=Path(media_dir).expanduser()) if media_dir else source


def is_elsewhere(name: str, dataset_dir: str | Path) -> bool:
    """Whether the set, or the registry that describes it, has to be brought from a hub or a cloud first."""
    try:
        source = _find(name, dataset_dir)
    except StudioError as error:
        return error.key == "data_registry_not_here"
    return source.path is None


def _find(name: str, dataset_dir: str | Path) -> Source:
    if dataset_dir == ONLINE:
        return _of_hub(name)
    path, is_path = path_of(name)
    known: dict[str, object] = {}
    for place in _registries(dataset_dir, needed=not is_path):
        known |= entries(place)
        if name in known:
            return parse_entry(name, known[name], place)
    if is_path:
        return detect.source_of(path)
    beside, is_beside = path_of(str(Path(dataset_dir) / name))
    if path.suffix.lower() in reading.READERS and is_beside and beside.is_file():
        return detect.source_of(beside)
    if remote.OWNED_ID.fullmatch(name) and path.suffix.lower() not in reading.READERS:
        return _of_hub(name)
    nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)[:8]
    key = "data_file_missing" if path.suffix or path.is_absolute() else "data_unknown"
    raise StudioError(key, name=name, path=name, nearest=", ".join(nearest), info=INFO)


def path_of(name: str) -> tuple[Path, bool]:
    """The path that a name may be, and whether something is there."""
    try:
        path = Path(name).expanduser()
        return path, path.exists()
    except (OSError, RuntimeError):  # too long, or of a user there is not
        return Path(name), False


def _of_hub(name: str) -> Source:
    """A set of a hub that no registry describes: its format is detected once it is here."""
    if not remote.HUB_ID.fullmatch(name):
        raise StudioError("data_no_hub_id", name=name)
    source = Source(name, hub=((remote.HF, name), (remote.MS, name)))
    path = remote.found(source)
    return replace(detect.source_of(path), name=name, hub=source.hub) if path else source


def _shipped(wanted: Path) -> tuple[Path, ...]:
    return (paths.resource("data"),) if wanted == Path("data") else ()


def _registries(dataset_dir: str | Path, needed: bool) -> list[Path]:
    """`dataset_dir`, the user's own, the shipped one (with the quickstart's sets): the first that has a name wins."""
    there = needed or str(dataset_dir).startswith(REMOTE) or (Path(dataset_dir).expanduser() / INFO).is_file()
    return _ranked([*([folder(dataset_dir)] if there else []), paths.data(), paths.resource("data")])


def _ranked(places: list[Path]) -> list[Path]:
    """Those with a registry, each once; what ships comes last, by whatever path it was named."""
    shipped = paths.resource("data").resolve()
    there = dict.fromkeys(place.resolve() for place in places if (place / INFO).is_file())
    return sorted(there, key=lambda place: place == shipped)


def entries(place: Path) -> dict[str, object]:
    """The registry in the folder `place` as it stands, unchecked; empty where there is none.

    Raises StudioError if it is unreadable or not one JSON object.
    """
    file = place / INFO
    if not file.exists():
        return {}
    try:
        found = json.loads(file.read_text(charset.codec(file)))
    except json.JSONDecodeError as error:
        raise StudioError("data_info_broken", file=file, line=error.lineno, column=error.colno, why=error.msg) from None
    except (OSError, ValueError, RecursionError) as error:
        raise StudioError("data_unreadable", file=file, why=error) from None
    if not isinstance(found, dict):
        raise StudioError("data_info_shape", file=file)
    return found


def parse_entry(name: str, entry: object, place: Path) -> Source:
    """One entry of the registry in the folder `place`. Raises StudioError with what is wrong in it."""
    where = {"name": name, "file": place / INFO}
    if not isinstance(entry, dict):
        raise StudioError("data_entry_shape", **where)
    try:
        characters.check([name, entry])
    except Problem:
        raise StudioError("data_entry_characters", **where) from None
    formatting = entry.get("formatting", "alpaca")
    if formatting not in FORMATS:
        raise StudioError("data_entry_formatting", **where, formatting=formatting, known=", ".join(FORMATS))
    for key in ("columns", "tags"):
        part = entry.get(key, {})
        if not isinstance(part, dict) or not all(isinstance(value, str | None) for value in part.values()):
            raise StudioError("data_entry_part", **where, part=key)
    num_samples = entry.get("num_samples")
    if num_samples is not None and (not isinstance(num_samples, int) or num_samples < 1):
        raise StudioError("data_entry_samples", **where, num_samples=num_samples)
    for key in TEXTS:
        if not isinstance(entry.get(key), str | None):
            raise StudioError("data_entry_text", **where, part=key, found=repr(entry[key])[:80])
    source = Source(
        name=name,
        path=None,
        hub=_hub(entry, where),
        formatting=formatting,
        columns=_columns(entry, formatting),
        tags=_named(Tags, entry, "tags", Tags.of_openai() if formatting == "openai" else Tags()),
        ranking=bool(entry.get("ranking", False)),
        split=entry.get("split") or "train",
        subset=entry.get("subset"),
        folder=entry.get("folder"),
        num_samples=num_samples,
        revision=entry.get("revision"),
        media_dir=place,
        notices=sure(name, entry, place),
    )
    return replace(source, path=remote.found(source) if source.hub else place / _file_name(entry, where))


def _hub(entry: dict, where: dict) -> tuple[tuple[str, str], ...]:
    """The places elsewhere that hold the set. An id that is a path would lead out of its hub's folder; an address of
    this machine would lead a registry that came from a hub to any file here."""
    hub = tuple((key, str(entry[key])) for key in HUB_KEYS if entry.get(key))
    for key, found in hub:
        if key in (remote.HF, remote.MS, remote.OM) and not remote.HUB_ID.fullmatch(found):
            raise StudioError("data_entry_hub_id", **where, place=key, found=found)
        if key == remote.CLOUD and found.strip().lower().startswith(LOCAL) and _is_brought(where["file"]):
            raise StudioError("data_file_name_refused", name=where["name"], file_name=found)
    return hub


def _file_name(entry: dict, where: dict) -> str:
    """A registry's owner may name any file, with an absolute path or `..`, as in LLaMA-Factory; a registry that came
    from a hub may not."""
    file_name = entry.get("file_name")
    if not file_name:
        raise StudioError("data_entry_empty", **where)
    if not isinstance(file_name, str) or "\0" in file_name:
        raise StudioError("data_entry_file_name", **where, found=repr(file_name)[:80])
    if _is_brought(where["file"]) and (Path(file_name).is_absolute() or ".." in Path(file_name).parts):
        raise StudioError("data_file_name_refused", name=where["name"], file_name=file_name)
    return file_name


def _is_brought(info: Path) -> bool:
    """Whether a registry came from a hub."""
    return paths.cache() in info.parents


def _columns(entry: dict, formatting: str) -> Columns:
    if formatting == "openai":
        return _named(Columns, entry, "columns", Columns.of_openai())
    pair = {"chosen": "chosen", "rejected": "rejected"} if entry.get("ranking") else {}
    return _named(Columns, entry, "columns", Columns(**pair))


def _named(kind: type, entry: dict, key: str, default: Columns | Tags) -> Columns | Tags:
    """LLaMA-Factory's trap, kept: where `columns` or `tags` is given, what it does not name is null, not the default.

    Keys it does not know are ignored, as LLaMA-Factory ignores them; `lint` tells them.
    """
    if key not in entry:
        return default
    return kind(**{field.name: entry[key].get(field.name) for field in fields(kind)})
