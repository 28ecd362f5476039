"""Entering a set that is there already: an upload, a file or folder where it lies, a set of a hub.

    proposal = propose("rows.csv")           # format detected, columns guessed, nothing written
    add(proposal.where, "mine", proposal.entry)
"""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

from studio import paths
from studio.data import detect, formats, reading, register, registry, remote, writing
from studio.data.formats import Row
from studio.data.making import sets
from studio.data.problem import Problem
from studio.data.source import Columns, Source, Tags
from studio.errors import StudioError

HUBS = {"hf": "hf_hub_url", "ms": "ms_hub_url", "om": "om_hub_url"}
PAGES = (("hf", "huggingface.co/datasets/"), ("hf", "hf-mirror.com/datasets/"), ("ms", "modelscope.cn/datasets/"),
         ("ms", "modelscope.ai/datasets/"))  # fmt: skip
UPLOADS = "uploads"
TAIL_BYTES = 1 << 16
NUM_SHOWN_ROWS = 5


@dataclass(frozen=True)
class Proposal:
    """What would be entered. `columns`: those of the first rows, none for a set of a hub that is not here.

    `problem`: why the columns could not be guessed; they are then to be chosen.
    """

    where: str
    name: str
    entry: dict
    columns: tuple[str, ...] = ()
    problem: StudioError | None = None


def propose(where: str | Path, hub: str | None = None) -> Proposal:
    """How `where` would be entered: a path, the id of a hub (`owner/name`), or the address of its page.

    Raises StudioError for what is neither, and for a file that cannot be read or is cut off.
    """
    text = str(where).strip()
    path, is_there = registry.path_of(text)
    if hub is None and is_there:
        return _of_path(path.resolve())
    hub, found = _hub_id(text, hub)
    if not remote.OWNED_ID.fullmatch(found):
        raise StudioError("making_nothing_there", where=text[:200])
    return Proposal(text, sets.free_name(found.rpartition("/")[2]), _of_hub(HUBS[hub], found))


def known(name: str) -> Proposal:
    """How a set of the user's own registry is entered, to be changed (`register.register` with `replace`).

    Where the entry names no columns, as of a set of a hub that was not here when it was added, those of its rows are
    guessed. Raises StudioError for a name that is not there, and for a set that is not on this machine.
    """
    entry = registry.entries(paths.data()).get(name)
    source = registry.parse_entry(name, entry, paths.data())
    reading.files_of(source)
    if {"columns", "formatting"} & entry.keys():
        return Proposal(str(source.path), name, entry, _columns(source.path))
    found = _of_path(source.path)
    guessed = {key: value for key, value in found.entry.items() if key != "file_name"}
    return replace(found, name=name, entry=guessed | entry)


def preview(entry: Mapping, num_rows: int = NUM_SHOWN_ROWS) -> list[tuple[int, object, Row | Problem]]:
    """The first rows as `entry` would read them: number, raw row, canonical row or why there is none."""
    source = registry.parse_entry("–", dict(entry), paths.data())
    return [(number, raw, formats.to_row(source, raw)) for number, raw in islice(reading.read_rows(source), num_rows)]


def add(where: str | Path, name: str | None = None, entry: Mapping | None = None, hub: str | None = None) -> Source:
    """Enter a set in the user's own registry, as `entry` says or as `propose` would.

    Raises StudioError as `propose` and `register.register` do; the registry is then as it was.
    """
    proposal = propose(where, hub)
    if entry is None and proposal.problem:
        raise proposal.problem
    return register.register(name or proposal.name, entry or proposal.entry)


def keep_upload(upload: str | Path, file_name: str) -> Path:
    """Move an uploaded file below `paths.data()/uploads` under its own name, numbered if it is taken.

    Nothing of `file_name` but its last part counts. Raises StudioError for a kind of file that is not read, and for a
    file that is empty or ends in the middle; nothing is kept then.
    """
    upload, clean = Path(upload), _clean(file_name)
    if clean.suffix.lower() not in reading.READERS:
        raise StudioError("data_file_kind", path=clean, found=clean.suffix or "–", known=", ".join(reading.READERS))
    folder = paths.data() / UPLOADS
    with writing.on_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        kept = sets.reserved(folder, clean.stem, clean.suffix.lower())
        try:
            shutil.move(upload, kept)
            _refuse_cut(kept)
        except BaseException:
            kept.unlink(missing_ok=True)
            raise
    return kept


def _clean(file_name: str) -> Path:
    last = file_name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(char for char in last if char.isprintable() and char not in register.REFUSED_CHARS)
    path = Path(printable.lstrip(". ") or "upload")
    return path.with_name(path.stem.encode()[:150].decode(errors="ignore") + path.suffix)


def _of_path(path: Path) -> Proposal:
    _refuse_cut(path)
    base = paths.data().resolve()
    entry = {"file_name": path.relative_to(base).as_posix() if path.is_relative_to(base) else str(path)}
    name = sets.free_name(path.stem if path.is_file() else path.name)
    try:
        return Proposal(str(path), name, {**entry, **sets.entry_of(detect.source_of(path))}, _columns(path))
    except StudioError as problem:
        columns = _columns(path)  # what cannot be read at all is said by this
        return Proposal(str(path), name, entry, columns, problem)


def _columns(path: Path) -> tuple[str, ...]:
    return tuple(map(str, detect.peek(Source(path.name, path)).row))


def _refuse_cut(path: Path) -> None:
    """A JSON file that was not written to its end is read through, for the error that names the place."""
    if not path.is_file() or path.suffix.lower() not in (".json", ".jsonl"):
        return
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - TAIL_BYTES))
        tail = stream.read().rstrip(b"\x00\x20\t\r\n\0")
    if not tail.endswith((b"]", b"}")):
        for _ in reading.read_rows(Source(path.name, path)):
            continue


def _hub_id(text: str, hub: str | None) -> tuple[str, str]:
    for known, page in PAGES:
        if page in text:
            return hub or known, "/".join(text.partition(page)[2].split("?")[0].split("/")[:2])
    if hub is not None and hub not in HUBS:
        raise StudioError("making_hub_unknown", hub=hub, known=", ".join(HUBS))
    return hub or "hf", text


def _of_hub(key: str, found: str) -> dict:
    """With the columns that the registry knows for the same set."""
    known = (source for source in registry.usable("data").values() if found in dict(source.hub).values())
    source = next(known, None)
    return {key: found} | (sets.entry_of(source) if source else {})


def entry_with(entry: Mapping, formatting: str | None, columns: Mapping[str, str] | None) -> dict:
    """The entry with a format and columns of the user's own. Raises StudioError for a name that is not a column's."""
    new = dict(entry)
    unknown = [key for key in columns or () if key not in Columns.__dataclass_fields__]
    if unknown:
        raise StudioError("making_column_unknown", column=unknown[0], known=", ".join(Columns.__dataclass_fields__))
    if formatting:
        new["formatting"] = formatting
        tags = {"openai": asdict(Tags.of_openai())}.get(formatting)
        new = {key: value for key, value in new.items() if key != "tags"} | ({"tags": tags} if tags else {})
    if columns:
        new["columns"] = dict(columns)
        if {"chosen", "rejected"} <= set(columns):
            new["ranking"] = True
    return new
