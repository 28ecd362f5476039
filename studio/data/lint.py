"""Traps of `dataset_info.json`: what an entry says that has no effect, or another one than was meant.

The registry reads an entry as LLaMA-Factory does; here the reader learns what that means. Nothing is an error here:
those are `studio.data.registry`'s.
"""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

from studio.config import Notice
from studio.data.source import HUB_KEYS, Columns, Tags

KEYS = (
    *HUB_KEYS, "file_name", "formatting", "ranking", "subset", "folder", "split", "num_samples", "columns", "tags",
    "revision", "license",
)  # fmt: skip
OF_A_HUB = ("subset", "folder", "split", "revision")
NEEDED_TAGS = ("role_tag", "content_tag", "user_tag", "assistant_tag")
SURE = ("lint_unknown_key", "lint_ranking_missing", "lint_ranking_empty", "lint_no_response", "lint_null_tag",
        "lint_null_messages", "lint_only_hub", "lint_hub_first")  # fmt: skip


def lint(name: str, entry: object, place: Path) -> tuple[Notice, ...]:
    """What is to be known about the entry `name` of the registry in the folder `place`. Opens no data."""
    if not isinstance(entry, Mapping):
        return ()
    themes = (_unknown, _columns, _tags, _judged, _places, _missing_file)
    return tuple(
        Notice(code, {"name": name, **values}) for theme in themes for code, values in theme(entry, Path(place))
    )


def sure(name: str, entry: object, place: Path) -> tuple[Notice, ...]:
    """Those that a run is told about: the entry does not do what it says. The others depend on the rows."""
    return tuple(notice for notice in lint(name, entry, place) if notice.code in SURE)


Found = Iterator[tuple[str, dict]]


def _part(entry: Mapping, key: str) -> Mapping:
    return entry[key] if isinstance(entry.get(key), Mapping) else {}


def _unknown(entry: Mapping, place: Path) -> Found:
    parts = (("", entry, KEYS), ("columns", _part(entry, "columns"), Columns.__dataclass_fields__),
             ("tags", _part(entry, "tags"), Tags.__dataclass_fields__))  # fmt: skip
    for part, given, known in parts:
        for key in map(str, given):
            if key not in known and not key.startswith("_"):
                nearest = difflib.get_close_matches(key, [*known], n=1, cutoff=0.3) or ["–"]
                yield "lint_unknown_key", {"word": f"{part}.{key}" if part else key, "nearest": nearest[0]}


def _columns(entry: Mapping, place: Path) -> Found:
    """Where `columns` is given, each column that it does not name is null."""
    if "columns" not in entry:
        return
    columns = _part(entry, "columns")
    if entry.get("formatting", "alpaca") != "alpaca":
        if not columns.get("messages") and not (entry.get("ranking") and _pair(columns)):
            yield "lint_null_messages", {}
        return
    if not columns.get("prompt"):
        yield "lint_null_prompt", {}
    others = [key for key in columns if key in Columns.__dataclass_fields__ and key not in ("prompt", "response")]
    if others and not columns.get("response") and not entry.get("ranking") and not _pair(columns):
        yield "lint_no_response", {"columns": ", ".join(others)}


def _tags(entry: Mapping, place: Path) -> Found:
    """Where `tags` is given, each tag that it does not name is null."""
    if entry.get("formatting", "alpaca") == "alpaca":
        return
    if entry.get("formatting") == "openai":
        yield "lint_openai_thinking", {}
    if "tags" not in entry:
        return
    tags = _part(entry, "tags")
    missing = [key for key in NEEDED_TAGS if not tags.get(key)]
    if missing:
        yield "lint_null_tag", {"tags": ", ".join(missing)}
    if not tags.get("system_tag"):
        yield "lint_no_system_tag", {}
    if "tools" in _part(entry, "columns") and not (tags.get("function_tag") and tags.get("observation_tag")):
        yield "lint_no_tool_tags", {}


def _judged(entry: Mapping, place: Path) -> Found:
    columns = _part(entry, "columns")
    if _pair(columns) and not entry.get("ranking"):
        yield "lint_ranking_missing", {}
    if entry.get("ranking") and "columns" in entry and not _pair(columns):
        yield "lint_ranking_empty", {}
    if entry.get("ranking") and columns.get("kto_tag"):
        yield "lint_ranking_and_kto", {}


def _pair(columns: Mapping) -> bool:
    return bool(columns.get("chosen") and columns.get("rejected"))


def _places(entry: Mapping, place: Path) -> Found:
    elsewhere = [key for key in HUB_KEYS if entry.get(key)]
    if elsewhere and entry.get("file_name"):
        yield "lint_hub_first", {"place": elsewhere[0], "file_name": entry["file_name"]}
    if not elsewhere:
        named = [key for key in OF_A_HUB if entry.get(key) and (key, entry[key]) != ("split", "train")]
        if named:
            yield "lint_only_hub", {"keys": ", ".join(named)}
    if elsewhere == ["script_url"]:
        yield "lint_script", {"script_url": entry["script_url"]}


def _missing_file(entry: Mapping, place: Path) -> Found:
    file_name = entry.get("file_name")
    if any(entry.get(key) for key in HUB_KEYS) or not isinstance(file_name, str) or "\0" in file_name:
        return
    path = place / file_name
    try:
        is_there = path.exists()
    except OSError:  # too long a name; said where the set is read
        return
    if not is_there:
        there = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        nearest = difflib.get_close_matches(path.name, there, n=3) or ["–"]
        yield "lint_file_missing", {"path": path, "nearest": ", ".join(nearest)}
