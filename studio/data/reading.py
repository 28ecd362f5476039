"""Local files to raw rows, one at a time: json, jsonl, csv, tsv, xlsx, parquet, arrow and txt, alone or a folder of
one kind.

Text is UTF-8 or what `studio.data.charset` finds. Memory stays at a few rows, whatever the size of the file. What
cannot be read is a StudioError that names the file, the line and the reason; an empty file is one too.
"""

import difflib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from studio.config import Notice
from studio.data import charset, streaming, tables
from studio.data.source import Source
from studio.errors import StudioError

NUM_BATCH_ROWS = 1_000
MAX_BATCH_BYTES = 8 << 20
MAX_LIST_CHARS = 16 << 20  # of a line that may be a list for itself
MAX_OBJECT_BYTES = 64 << 20  # a file that is one JSON object is looked at up to this size, to say what it is
INFO = "dataset_info.json"
STATE = "state.json"  # what the `datasets` library writes beside its .arrow files
BESIDE = ("readme", "license", "licence")  # what stands in a folder beside the data


def read_rows(source: Source) -> Iterator[tuple[int, object]]:
    """Each row of the set with its number, counted from 1 through all its files; a row should be a dict, but is not
    checked here."""
    number = 0
    for file in files_of(source):
        try:
            for raw in READERS[file.suffix.lower()](file):
                number += 1
                yield number, raw
        except OSError as error:
            raise StudioError("data_unreadable", file=file, why=error.strerror or error) from None
    if not number:
        raise StudioError("data_empty", file=source.path)


def files_of(source: Source) -> list[Path]:
    """The files of the set, sorted. Raises StudioError if they are not here, or not of one readable kind."""
    if source.path is None:
        kind, where = source.hub[0]
        is_script = kind == "script_url"
        raise StudioError("data_script" if is_script else "data_not_downloaded", name=source.name, where=where)
    try:
        return _found(source, source.path)
    except OSError as error:
        raise StudioError("data_unreadable", file=source.path, why=error.strerror or error) from None


def _found(source: Source, path: Path) -> list[Path]:
    if not path.exists():
        there = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        nearest = difflib.get_close_matches(path.name, there, n=3) or ["–"]
        raise StudioError("data_file_missing", name=source.name, path=path, nearest=", ".join(nearest))
    files = [path] if path.is_file() else _within(path)
    kinds = {file.suffix.lower() for file in files}
    if not kinds or not kinds <= READERS.keys():
        found = ", ".join(sorted(kinds - READERS.keys())) or "–"
        raise StudioError("data_file_kind", path=path, found=found, known=", ".join(READERS))
    if len({".json" if kind in JSON else kind for kind in kinds}) > 1:
        raise StudioError("data_folder_mixed", path=path, kinds=", ".join(sorted(kinds)))
    return files


def _within(folder: Path) -> list[Path]:
    """The files of data in a folder. Raises StudioError, naming its folders that hold some, where it has none."""
    files = sorted(file for file in folder.iterdir() if _is_data(file))
    if any(file.suffix.lower() == ".arrow" for file in files):
        files = [file for file in files if file.name != STATE]
    if not files:
        below = sorted({str(file.parent) for file in folder.glob("*/*") if file.suffix.lower() in READERS})
        raise StudioError("data_folder_empty", path=folder, below=", ".join(below[:5]) or "–", known=", ".join(READERS))
    return files


def notices(source: Source) -> list[Notice]:
    """What is to be known about how the set's files are read: another encoding, sheets that are not read."""
    found = []
    for file in files_of(source):
        kind = file.suffix.lower()
        if kind in TEXTS and charset.of_file(file) != charset.UTF8:
            found.append(Notice("data_charset", {"file": file.name, "charset": charset.of_file(file).upper()}))
        if kind == ".xlsx" and len(names := tables.sheet_names(file)) > 1:
            found.append(Notice("data_sheets", {"file": file.name, "sheet": names[0], "others": ", ".join(names[1:])}))
    return found


def _is_data(file: Path) -> bool:
    named = file.is_file() and not file.name.startswith(".") and file.name != INFO
    return named and not file.name.lower().startswith(BESIDE)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank, with their ends. Raises StudioError at the first that cannot be decoded."""
    name = charset.of_file(file)
    if name != charset.UTF8:
        number = 0
        try:
            with file.open(encoding=name, newline="\n") as stream:
                for number, text in enumerate(streaming.lines(stream, file), 1):
                    if text.strip():
                        yield number, text
        except UnicodeDecodeError as error:
            raise StudioError("data_not_utf8", file=file, line=number + 1, why=error.reason) from None
        return
    with file.open("rb") as stream:
        for number, line in enumerate(streaming.lines(stream, file), 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise StudioError("data_not_utf8", file=file, line=number, why=error.reason) from None
            if text.strip():
                yield number, text


def _jsonl(file: Path) -> Iterator[object]:
    is_first = True
    for number, text in _lines(file):
        try:
            yield json.loads(text)
        except (ValueError, RecursionError) as error:
            column = getattr(error, "colno", 1)
            where = {"file": file, "line": number, "column": column, "why": streaming.reason(error)}
            if is_first:
                _refuse_object(file)
            is_cut = not text.endswith("\n") and streaming.is_cut(error, text)
            raise StudioError("data_json_cut" if is_cut else "data_json_broken", **where) from None
        is_first = False


def _refuse_object(file: Path) -> None:
    """A file that is one JSON object over many lines: valid, but no rows. Says which of its parts may be them."""
    if file.stat().st_size > MAX_OBJECT_BYTES:
        return
    try:
        found = json.loads(file.read_text(charset.codec(file)))
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict):
        raise one_object(file, found)


def one_object(file: Path, found: dict) -> StudioError:
    """What is said of a file that is one JSON object: which of its parts may be the rows."""
    lists = [key for key, value in found.items() if isinstance(value, list)]
    return StudioError("data_json_object", file=file, keys=", ".join(lists or list(found)[:8]) or "–")


def is_array(file: Path) -> bool:
    """Whether a file of JSON is one array of rows and not a row a line, whatever it is called."""
    with file.open(encoding=charset.codec(file), errors="ignore", newline="\n") as stream:
        start = stream.read(4096).lstrip()
        if not start.startswith("[") or file.suffix.lower() == ".json":
            return start.startswith("[")
        stream.seek(0)
        first = next((line for line in iter(lambda: stream.readline(MAX_LIST_CHARS), "") if line.strip()), "")
        try:
            json.loads(first)
        except (ValueError, RecursionError):
            return True  # it goes on below
        return not stream.read(4096).strip()


def _json(file: Path) -> Iterator[object]:
    return streaming.array_items(file) if is_array(file) else _jsonl(file)


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
            batch.validate(full=True)  # a damaged one would read beyond its memory
            size = max(1, MAX_BATCH_BYTES * batch.num_rows // max(1, batch.nbytes))
            nested = [field.name for field in batch.schema if "struct<" in str(field.type)]
            for start in range(0, batch.num_rows, size):  # an .arrow may be a single batch, and a row a book
                for row in batch.slice(start, size).to_pylist():
                    yield row | {name: _without_nulls(row[name]) for name in nested}
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise StudioError("data_unreadable", file=file, why=str(error).rstrip(".\n ")) from None


def _without_nulls(value: object) -> object:
    """Arrow gives each object in a column the keys of all of them: those that it lacks are null."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


READERS = {
    ".json": _json,
    ".jsonl": _json,
    ".ndjson": _json,
    ".csv": tables.separated,
    ".tsv": tables.separated,
    ".xlsx": tables.sheet,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".txt": _text,
}
JSON = (".json", ".jsonl", ".ndjson")
TEXTS = (*JSON, ".csv", ".tsv", ".txt")
