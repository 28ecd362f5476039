"""Rows of csv, tsv and xlsx files: the first line names the columns. Memory stays at a few rows.

Cells are text as they stand; those of a spreadsheet become text, yes and no stay what they are, empty cells are null.
"""

import csv
import datetime
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import ParseError

from studio.data import charset, streaming
from studio.errors import StudioError

DELIMITERS = (",", ";", "\t")  # the last two where the header has no comma
# What a spreadsheet may unpack to: honest ones grow tenfold to thirtyfold.
MAX_UNPACKED_BYTES = 2 << 30
MAX_GROWTH, FREE_BYTES = 200, 64 << 20
# What a damaged spreadsheet raises, be it the packing that is broken, the XML or what it says.
BROKEN = (AttributeError, EOFError, LookupError, ParseError, RuntimeError, TypeError, ValueError, zipfile.BadZipFile,
          zlib.error)  # fmt: skip


def separated(file: Path) -> Iterator[dict]:
    """The rows of a csv or tsv file. Raises StudioError with the line that breaks it."""
    for line, header, cells in records(file):
        if len(cells) != len(header):
            raise StudioError("data_table_cells", file=file, line=line, found=len(cells), wanted=len(header))
        yield row_of(header, cells)


def records(file: Path, errors: str = "strict") -> Iterator[tuple[int, list[str], list[str]]]:
    """(last line, columns, cells) of each record of a csv or tsv file, be there as many cells as columns or not.

    `errors`: what becomes of bytes that are no text, as `open` names it. Raises StudioError with the line that breaks
    the file.
    """
    csv.field_size_limit(streaming.MAX_ROW_CHARS)  # by itself it stops at 131,072, less than a long document
    line = 0
    try:
        with file.open(encoding=charset.codec(file), errors=errors, newline="") as stream:
            start = next((line for line in streaming.lines(stream, file) if line.strip()), "")
            stream.seek(0)
            delimiter = "\t" if file.suffix.lower() == ".tsv" else _delimiter(start)
            rows = csv.reader(streaming.lines(stream, file), delimiter=delimiter, strict=True)
            header = _header(file, next(filter(any, rows), []))
            line = rows.line_num
            for cells in rows:
                line = rows.line_num
                if cells:
                    yield line, header, cells
    except csv.Error as error:
        raise StudioError("data_table_broken", file=file, line=line + 1, why=error) from None
    except UnicodeDecodeError as error:
        raise StudioError("data_not_utf8", file=file, line=charset.bad_line(file), why=error.reason) from None


def row_of(header: list[str], cells: list) -> dict:
    """The cells by their columns. What stands below no name has its place for one, `column_3`; empty cells there, which
    many programs write at the end of a line, are left out."""
    row = dict(zip(header, cells, strict=True))
    if "" not in row:
        return row
    del row[""]
    for place, (name, cell) in enumerate(zip(header, cells, strict=True), 1):
        if not name and cell not in ("", None):
            row[_free(f"column_{place}", header)] = cell
    return row


def _free(name: str, taken: list[str]) -> str:
    return _free(f"{name}_", taken) if name in taken else name


def _delimiter(header: str) -> str:
    return next((one for one in DELIMITERS if one in header), ",")


def _header(file: Path, cells: list) -> list[str]:
    names = ["" if cell is None else str(cell).strip() for cell in cells]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise StudioError("data_table_header", file=file, columns=", ".join(twice))
    return names


def sheet(file: Path) -> Iterator[dict]:
    """The rows of the first sheet of an xlsx file. Raises StudioError for one that is broken, or grows too large."""
    book = _open(file)
    try:
        first = book.worksheets[0]
        first.reset_dimensions()  # some programs write a wrong size
        rows = (cells for cells in first.iter_rows(values_only=True) if any(cell is not None for cell in cells))
        header = _header(file, list(next(rows, ())))
        for cells in rows:
            texts = [_text(cell) for cell in cells] + [None] * (len(header) - len(cells))
            if any(cell is not None for cell in texts[len(header) :]):
                raise StudioError("data_sheet_cells", file=file, columns=len(header))
            yield row_of(header, texts[: len(header)])
    except BROKEN as error:
        raise StudioError("data_unreadable", file=file, why=error) from None
    finally:
        book.close()


def sheet_names(file: Path) -> list[str]:
    """The names of all sheets; only the first is read."""
    book = _open(file)
    try:
        return list(book.sheetnames)
    finally:
        book.close()


def _open(file: Path):
    import openpyxl  # 0.2 s that other files do not need

    try:
        with zipfile.ZipFile(file) as members:
            unpacked = sum(member.file_size for member in members.infolist())
        size = file.stat().st_size
        if unpacked > MAX_UNPACKED_BYTES or unpacked > max(FREE_BYTES, MAX_GROWTH * size):
            values = {"unpacked_mib": unpacked >> 20, "size_mib": f"{size / 2**20:.1f}"}
            raise StudioError("data_sheet_bomb", file=file, **values)
        return openpyxl.load_workbook(file, read_only=True, data_only=True)
    except (OSError, *BROKEN) as error:
        raise StudioError("data_unreadable", file=file, why=error) from None


def _text(cell: object) -> str | bool | None:
    if cell is None or isinstance(cell, str | bool):
        return cell
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.datetime | datetime.date | datetime.time):
        return cell.isoformat(sep=" ") if isinstance(cell, datetime.datetime) else cell.isoformat()
    return str(cell)
