"""Local files to raw rows, one at a time: json, jsonl, csv, tsv, parquet, arrow and txt, alone or a folder of one kind.

Text is UTF-8, a byte order mark is passed over. Memory stays at a few rows, whatever the size of the file. What cannot
be read is a StudioError that names the file, the line and the reason; an empty file is one too.
"""

import csv
import difflib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.data import streaming
from studio.data.source import HUB_KEYS, Source
from studio.errors import StudioError

NUM_BATCH_ROWS = 1_000
MAX_CELL_CHARS = 2**31 - 1  # the csv module stops at 131,072 by itself, less than a long document
INFO = "dataset_info.json"


def read_rows(source: Source) -> Iterator[tuple[int, object]]:
    """Each row of the set with its number, counted from 1 through all its files; a row should be a dict, but is not
    checked here."""
    number = 0
    for file in files_of(source):
        for raw in READERS[file.suffix.lower()](file):
            number += 1
            yield number, raw
    if not number:
        raise StudioError("data_empty", file=source.path)


def files_of(source: Source) -> list[Path]:
    """The files of the set, sorted. Raises StudioError if they are not here, or not of one readable kind."""
    if source.path is None:
        place = next((key for key, _ in source.hub if key in HUB_KEYS[3:]), None)
        if place:
            raise StudioError("data_place_unavailable", name=source.name, place=place, where=dict(source.hub)[place])
        raise StudioError("data_not_downloaded", name=source.name, where=source.hub[0][1])
    path = source.path
    if not path.exists():
        there = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        nearest = difflib.get_close_matches(path.name, there, n=3) or ["–"]
        raise StudioError("data_file_missing", name=source.name, path=path, nearest=", ".join(nearest))
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if _is_data(file))
    kinds = {file.suffix.lower() for file in files}
    if not kinds or not kinds <= READERS.keys():
        found = ", ".join(sorted(kinds - READERS.keys())) or "–"
        raise StudioError("data_file_kind", path=path, found=found, known=", ".join(READERS))
    if len(kinds) > 1:
        raise StudioError("data_folder_mixed", path=path, kinds=", ".join(sorted(kinds)))
    return files


def _is_data(file: Path) -> bool:
    return file.is_file() and not file.name.startswith(".") and file.name != INFO


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank, with their ends. Raises StudioError at the first one that is not UTF-8."""
    with file.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise StudioError("data_not_utf8", file=file, line=number, why=error.reason) from None
            if text.strip():
                yield number, text


def _jsonl(file: Path) -> Iterator[object]:
    for number, text in _lines(file):
        try:
            yield json.loads(text)
        except json.JSONDecodeError as error:
            where = {"file": file, "line": number, "column": error.colno, "why": error.msg}
            raise StudioError("data_json_broken" if text.endswith("\n") else "data_json_cut", **where) from None


def _json(file: Path) -> Iterator[object]:
    """An array of rows, or (as many files called .json are) one row a line."""
    with file.open("rb") as stream:
        start = stream.read(4096).decode("utf-8-sig", "ignore").lstrip()[:1]
    return streaming.array_items(file) if start == "[" else _jsonl(file)


def _table(file: Path) -> Iterator[dict]:
    csv.field_size_limit(MAX_CELL_CHARS)
    delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
    line = 1
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream, delimiter=delimiter, strict=True)
            header = next(rows, [])
            for cells in rows:
                line = rows.line_num
                if cells and len(cells) != len(header):
                    values = {"found": len(cells), "wanted": len(header)}
                    raise StudioError("data_table_cells", file=file, line=line, **values)
                if cells:
                    yield dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise StudioError("data_table_broken", file=file, line=line, why=error) from None
    except UnicodeDecodeError as error:
        raise StudioError("data_not_utf8", file=file, line=streaming.bad_line(file), why=error.reason) from None


def _text(file: Path) -> Iterator[dict]:
    """One row a line, as LLaMA-Factory reads a .txt, but without the blank ones."""
    for _, text in _lines(file):
        yield {"text": text.rstrip("\r\n")}


def _parquet(file: Path) -> Iterator[dict]:
    import pyarrow.parquet  # 0.1 s that most sets do not need

    yield from _batches(file, lambda: pyarrow.parquet.ParquetFile(file).iter_batches(NUM_BATCH_ROWS))


def _arrow(file: Path) -> Iterator[dict]:
    """An Arrow IPC file, or the stream that the `datasets` library writes."""
    import pyarrow

    def batches() -> Iterator:
        try:
            reader = pyarrow.ipc.open_file(pyarrow.memory_map(str(file)))
            return (reader.get_batch(index) for index in range(reader.num_record_batches))
        except pyarrow.ArrowInvalid:
            return iter(pyarrow.ipc.open_stream(pyarrow.memory_map(str(file))))

    yield from _batches(file, batches)


def _batches(file: Path, open_batches: Callable[[], Iterator]) -> Iterator[dict]:
    import pyarrow

    try:
        for batch in open_batches():
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise StudioError("data_unreadable", file=file, why=error) from None


READERS = {
    ".json": _json,
    ".jsonl": _jsonl,
    ".csv": _table,
    ".tsv": _table,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".txt": _text,
}
