"""The rows of a set for looking at them: what cannot be read is a row too, and says where and why.

Training refuses a file with a broken line as a whole (`studio.data.reading`). A look goes on behind it where the format
lets it: lines of text, of JSON and of a table stand for themselves. In the other formats nothing is certain behind a
break: it is the last row of its file.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.data import charset, reading, streaming, tables
from studio.data.problem import Problem
from studio.errors import StudioError
from studio.text import Catalogue

MAX_SHOWN_CHARS = 2_000
END = "broken_end"
TABLES = (".csv", ".tsv")
MAX_DEPTH = 200  # of lists and objects; who walks through a row with functions that call themselves gets no further


@dataclass(frozen=True, slots=True)
class Broken:
    """What stands where a row should: the code and values of its problem, and how its text begins."""

    code: str
    values: dict
    text: str = ""

    @property
    def problem(self) -> Problem:
        return End(self.code, self.values) if self.code == END else Problem(self.code, self.values)


class End(Problem):
    """The file ends here for the reader: `values` hold the key and the values of its error."""

    def text(self, t: Catalogue) -> str:
        why = StudioError(self.values["key"], **self.values["values"])
        return t(f"errors.row_{END}", why=why.text(t))


def read_rows(files: list[Path]) -> Iterator[object]:
    """Each raw row or Broken, in the order in which training counts them.

    Raises StudioError where not even the first row can be read.
    """
    begun = False
    for file in files:
        try:
            for raw in _rows(file):
                begun = True
                yield Broken("too_deep", {}, _shown(raw)) if _is_deep(raw) else raw
        except (StudioError, OSError) as found:
            error = found
            if isinstance(found, OSError):
                error = StudioError("data_unreadable", file=file, why=found.strerror or found)
            if not begun:
                raise error from None
            values = {name: value if isinstance(value, int) else str(value) for name, value in error.values.items()}
            yield Broken(END, {"key": error.key, "values": values})


def _rows(file: Path) -> Iterator[object]:
    kind = file.suffix.lower()
    if kind in TABLES:
        return _table(file)
    if kind == ".txt":
        return _texts(file)
    return _lines(file) if kind in reading.JSON and not reading.is_array(file) else reading.READERS[kind](file)


def _is_deep(raw: object) -> bool:
    """Level by level: the deeper levels of a usual row are soon empty."""
    level = [raw]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level if isinstance(value, dict | list)
                 for inner in (value.values() if isinstance(value, dict) else value)]  # fmt: skip
        if not level:
            return False
    return any(isinstance(value, dict | list) for value in level)


def _shown(raw: object) -> str:
    try:
        return json.dumps(raw, ensure_ascii=False, default=str)[:MAX_SHOWN_CHARS]
    except RecursionError:
        return ""


def _table(file: Path) -> Iterator[object]:
    is_first = True
    for line, header, cells in tables.records(file, _errors(file)):
        if is_first and (why := _fault(", ".join(header))):
            raise StudioError("data_not_utf8", file=file, line=charset.bad_line(file), why=why)
        is_first = False
        shown = ", ".join(cells)
        if why := _fault(shown):
            yield _undecoded(file, line, shown, why)
        elif len(cells) == len(header):
            yield tables.row_of(header, cells)
        else:
            values = {"line": line, "found": len(cells), "wanted": len(header)}
            yield Broken("broken_cells", values, shown[:MAX_SHOWN_CHARS])


def _texts(file: Path) -> Iterator[object]:
    """A row a line, as `reading` has them."""
    for _, text in _decoded(file):
        yield text if isinstance(text, Broken) else {"text": text.rstrip("\r\n")}


def _lines(file: Path) -> Iterator[object]:
    """Rows of JSON, a line each. A file that is one object over many lines is no set at all: a StudioError says so."""
    begun = False
    for number, text in _decoded(file):
        if isinstance(text, Broken):
            yield text
            continue
        text = text.rstrip()
        try:
            yield json.loads(text)
        except (ValueError, RecursionError) as error:
            if not begun:
                _refuse_object(file)
            values = {"line": number, "column": getattr(error, "colno", 1), "why": streaming.reason(error)}
            yield Broken("broken_json", values, text[:MAX_SHOWN_CHARS])
        begun = True


def _decoded(file: Path) -> Iterator[tuple[int, str | Broken]]:
    """Numbered lines that are not blank, with their ends."""
    with file.open(encoding=charset.codec(file), errors=_errors(file), newline="\n") as stream:
        for number, line in enumerate(streaming.lines(stream, file), 1):
            if line.strip():
                why = _fault(line)
                yield number, _undecoded(file, number, line.strip(), why) if why else line


def _errors(file: Path) -> str:
    """What becomes of bytes that are no text: kept, as half characters. UTF-16 cannot keep them."""
    return "surrogateescape" if charset.of_file(file) == charset.UTF8 else "replace"


def _fault(text: str) -> str | None:
    """Why the bytes of a text could not be decoded, None where they could."""
    if not text.isascii():
        try:
            text.encode(errors="surrogateescape").decode()
        except UnicodeDecodeError as error:
            return error.reason
    return None


def _undecoded(file: Path, line: int, text: str, why: str) -> Broken:
    shown = text[:MAX_SHOWN_CHARS].encode(errors="surrogateescape").decode(errors="replace")
    return Broken("broken_line", {"line": line, "file": file.name, "why": why}, shown)


def _refuse_object(file: Path) -> None:
    try:
        next(reading.READERS[file.suffix.lower()](file), None)
    except StudioError as error:
        if error.key == "data_json_object":
            raise
