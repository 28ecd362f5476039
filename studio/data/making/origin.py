"""The rows a new set is made of, as they stand in the old one."""

from collections.abc import Callable, Iterator
from pathlib import Path

from studio import paths
from studio.data import formats, reading
from studio.data.browse import opening
from studio.data.making.spool import Progress, told
from studio.data.source import Source

MEDIA = ("images", "videos", "audios")


def rows_of(source: Source, progress: Progress | None = None) -> Iterator[object]:
    """Each raw row, ready for a new set."""
    known = opening.opened(source) if progress else None
    rows = map(whole(source), (raw for _, raw in reading.read_rows(source)))
    return told(rows, progress, known.num_rows if known else 0)


def whole(source: Source) -> Callable[[object], object]:
    """What makes the paths of a row's pictures whole, where the new set's folder is not theirs."""
    folder = source.media_dir
    columns = [column for column in (getattr(source.columns, kind) for kind in MEDIA) if column]
    if not columns or folder is None or folder.resolve() == paths.data().resolve():
        return lambda raw: raw

    def change(raw: object) -> object:
        there = [column for column in columns if raw.get(column)] if isinstance(raw, dict) else []
        raw = formats.unpacked_row(source, raw) if there else raw
        return raw | {column: _paths(raw[column], folder) for column in there} if there else raw

    return change


def _paths(value: object, folder: Path) -> object:
    if isinstance(value, list):
        return [_paths(item, folder) for item in value]
    if isinstance(value, str) and (folder / value).is_file():
        return str((folder / value).resolve())
    return value
