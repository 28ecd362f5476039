"""A set as one file for other programs: json, jsonl, csv, parquet, xlsx. Rows stand in it as they are in the set.

What a cell of a table has no form for (lists, objects; in parquet lists of objects with unlike keys) is written as
JSON. The file is whole or not there.
"""

import csv
import json
import secrets
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from studio import paths
from studio.data import characters, writing
from studio.data.making import sets
from studio.data.making.origin import rows_of
from studio.data.making.spool import Progress, Spool
from studio.data.source import Source
from studio.errors import StudioError

KEPT_S = 24 * 3600  # what is downloaded from the page
NUM_BATCH_ROWS = 5_000
SHEET_ROWS = 1_048_576
CELL_CHARS = 32_767


def export(source: Source, kind: str, to: str | Path | None = None, progress: Progress | None = None) -> Path:
    """Write the set as a file of that kind and give its path; `to` None is a file below `paths.cache()/exports`.

    Raises StudioError for a kind that is not in EXPORTS, for what the kind cannot hold, and where it cannot be written.
    """
    if kind not in EXPORTS:
        raise StudioError("making_kind_unknown", kind=kind, known=", ".join(EXPORTS))
    usual = f"{sets.base_of(source).replace('/', '_')}.{kind}"
    file = Path(to).expanduser() if to else paths.cache() / "exports" / usual
    if not to:
        writing.drop_old(file.parent, KEPT_S)
    if to and file.exists():
        raise StudioError("making_file_there", file=file)
    draft = file.with_name(f".making.{secrets.token_hex(8)}")
    with writing.on_disk(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            spool = Spool(rows_of(source, progress), file.parent)
            EXPORTS[kind](spool, draft)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    return file


def _jsonl(spool: Spool, file: Path) -> None:
    with file.open("xb") as stream:
        stream.writelines(spool.all_lines())


def _json(spool: Spool, file: Path) -> None:
    with file.open("xb") as stream:
        for place, text in enumerate(spool.all_lines()):
            stream.write((b",\n  " if place else b"[\n  ") + text.rstrip(b"\n"))
        stream.write(b"\n]\n")


def _csv(spool: Spool, file: Path) -> None:
    with file.open("x", encoding="utf-8-sig", newline="") as stream:  # Excel takes it for another encoding without
        columns = _columns(spool)
        table = csv.writer(stream)
        table.writerow(columns)
        for row in _rows(spool):
            table.writerow([_cell(row.get(column)) for column in columns])


def _parquet(spool: Spool, file: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    schema, texts = _schema(spool)
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in _batches(spool):
            rows = [{name: _json_text(row.get(name)) if name in texts else row.get(name) for name in schema.names}
                    for row in rows]  # fmt: skip
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))


def _xlsx(spool: Spool, file: Path) -> None:
    import openpyxl
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    columns = _columns(spool)
    _refuse_large(spool)  # the writer cannot be left in the middle
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("rows")

    def cell(value: object) -> Any:
        made = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("\ufffd", value) if isinstance(value, str) else value)
        if made.data_type == "f":  # a text that begins with = is not a formula
            made.data_type = "s"
        return made

    sheet.append([cell(column) for column in columns])
    for row in _rows(spool):
        sheet.append([cell(_cell(row.get(column))) for column in columns])
    book.save(file)


def _refuse_large(spool: Spool) -> None:
    """A spreadsheet's limits."""
    if len(spool) >= SHEET_ROWS:
        raise StudioError("making_sheet_rows", rows=len(spool), most=SHEET_ROWS - 1)
    for number, row in enumerate(_rows(spool), 1):
        for column, value in row.items():
            num_chars = len(text) if isinstance(text := _cell(value), str) else 0
            if num_chars > CELL_CHARS:
                raise StudioError("making_sheet_cell", row=number, column=column, chars=num_chars, most=CELL_CHARS)


EXPORTS: dict[str, Callable[[Spool, Path], None]] = {
    "json": _json, "jsonl": _jsonl, "csv": _csv, "parquet": _parquet, "xlsx": _xlsx,
}  # fmt: skip


def _rows(spool: Spool) -> Iterator[dict]:
    for number, text in enumerate(spool.all_lines(), 1):
        row = characters.escaped(json.loads(text))  # half of a character is written as JSON writes it
        if not isinstance(row, dict):
            raise StudioError("making_table_row", row=number)
        yield row


def _batches(spool: Spool) -> Iterator[list[dict]]:
    rows = _rows(spool)
    while batch := list(islice(rows, NUM_BATCH_ROWS)):
        yield batch


def _columns(spool: Spool) -> list[str]:
    """Every column that occurs, in the order of their first rows."""
    return list(dict.fromkeys(chain.from_iterable(_rows(spool))))


def _cell(value: object) -> object:
    return _json_text(value) if isinstance(value, list | dict) else value


def _json_text(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _schema(spool: Spool) -> tuple[Any, set[str]]:
    """The types of all columns, and the columns that become texts: whose rows, or objects in them, are unlike."""
    import pyarrow

    columns = _columns(spool)
    types: dict[str, Any] = {}
    texts: set[str] = set()
    for rows in _batches(spool):
        for name in columns:
            if name in texts:
                continue
            try:
                found = pyarrow.schema([(name, pyarrow.array([row.get(name) for row in rows]).type)])
                both = [types.get(name, found), found]
                types[name] = pyarrow.unify_schemas(both, promote_options="permissive")
            except pyarrow.ArrowException:
                texts.add(name)
    kinds = {name: types[name].field(name).type for name in columns if name not in texts}
    texts |= _unlike(spool, kinds) | {name for name, kind in kinds.items() if _hollow(kind)}
    return pyarrow.schema([(name, pyarrow.string() if name in texts else kinds[name]) for name in columns]), texts


def _unlike(spool: Spool, kinds: dict[str, Any]) -> set[str]:
    """The columns of lists whose objects would come back changed: parquet gives each of them the keys of all."""
    import pyarrow

    found: set[str] = set()
    nested = {name: kind for name, kind in kinds.items() if pyarrow.types.is_list(kind) and "struct<" in str(kind)}
    for rows in _batches(spool) if nested else ():
        for name in nested.keys() - found:
            values = [row.get(name) for row in rows]
            if json.dumps(pyarrow.array(values, nested[name]).to_pylist()) != json.dumps(values):
                found.add(name)
    return found


def _hollow(kind: Any) -> bool:
    """A column of nothing but nulls, or that holds objects without a key, which parquet has no form for."""
    import pyarrow

    return pyarrow.types.is_null(kind) or "struct<>" in str(kind)
