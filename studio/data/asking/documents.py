"""Documents to ask about: their text out of txt, Markdown, PDF and Word files, in pieces that overlap; of an SQLite
database, its schema in one piece.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.data import charset
from studio.data.sql import databases, schema
from studio.errors import StudioError

TEXTS = (".txt", ".md", ".markdown", ".rst")
KINDS = (*TEXTS, ".pdf", ".docx", *databases.KINDS)
MAX_UNPACKED_BYTES = 1 << 28  # more than any document; a bomb, or data that is none
ENDS = ("\n\n", "\n", ". ", "! ", "? ", "。", "！", "？", "；", "; ", " ")  # where a piece may end, the best first


@dataclass(frozen=True)
class Piece:
    """A part of a document. `number` counts through all documents of a job, from 1."""

    number: int
    document: str
    text: str
    database: Path | None = None


def pieces(documents: Sequence[str], num_chars: int, num_shared: int) -> list[Piece]:
    """All documents in pieces of at most `num_chars`, of which the next repeats up to `num_shared`.

    Raises StudioError for a file that is not there, of another kind, or without text.
    """
    found: list[Piece] = []
    for file in files(documents):
        is_database = file.suffix.lower() in databases.KINDS
        for text in [schema.text(file)] if is_database else cut(read(file), num_chars, num_shared):
            found.append(Piece(len(found) + 1, file.name, text, file if is_database else None))
    return found


def files(documents: Sequence[str]) -> list[Path]:
    """The files that are named, and those of the folders that are named. Raises StudioError where there are none."""
    found: list[Path] = []
    for name in documents:
        path = Path(name).expanduser()
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in KINDS and file.is_file())
            inside = [file for file in inside if not file.name.startswith((".", "~$")) and _is_what_it_says(file)]
            if not inside:
                raise StudioError("document_none", path=path, known=", ".join(KINDS))
            found += inside
        elif not path.is_file():
            raise StudioError("document_missing", path=path)
        elif path.suffix.lower() not in KINDS:
            raise StudioError("document_kind", path=path, known=", ".join(KINDS))
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _is_what_it_says(file: Path) -> bool:
    return file.suffix.lower() not in databases.KINDS or databases.is_one(file)


def read(file: Path) -> str:
    """The text of a document. Raises StudioError where it cannot be read or holds none."""
    kind = file.suffix.lower()
    try:
        if file.stat().st_size > MAX_UNPACKED_BYTES:
            raise StudioError("document_unreadable", path=file, why=f"> {MAX_UNPACKED_BYTES >> 20} MiB")
        text = _pdf(file) if kind == ".pdf" else _word(file) if kind == ".docx" else _plain(file)
    except OSError as error:
        raise StudioError("document_unreadable", path=file, why=error.strerror or error) from error
    if not text.strip():
        raise StudioError("document_empty", path=file)
    return text


def cut(text: str, num_chars: int, num_shared: int) -> Iterator[str]:
    """Pieces that end with a paragraph, else a line, a sentence or a word, in the second half of what fits; each
    begins a quarter of that further on, or more, however much is shared."""
    text, start = text.strip(), 0
    while len(text) - start > num_chars:
        end = _end(text, start + num_chars // 2, start + num_chars)
        yield text[start:end].strip()
        start = _begin(text, max(end - num_shared, start + num_chars // 4), end) if num_shared else end
    if text[start:].strip():
        yield text[start:].strip()


def _end(text: str, least: int, most: int) -> int:
    for mark in ENDS:
        place = text.rfind(mark, least, most)
        if place >= 0:
            return place + len(mark)
    return most


def _begin(text: str, least: int, most: int) -> int:
    """After the first end of a sentence or a word from there on."""
    places = [place + len(mark) for mark in ENDS[:-1] if (place := text.find(mark, least, most)) >= 0]
    space = text.find(" ", least, most)
    return min(places) if places else space + 1 if space >= 0 else least


def _plain(file: Path) -> str:
    try:
        return file.read_bytes().decode(charset.codec(file)).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise StudioError("data_not_utf8", file=file, line=charset.bad_line(file), why=error.reason) from None


def _pdf(file: Path) -> str:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise StudioError("document_locked", path=file)
        return "\n\n".join(page.extract_text() for page in reader.pages)
    except (PyPdfError, ValueError, KeyError, RecursionError) as error:
        raise StudioError("document_unreadable", path=file, why=error) from error


def _word(file: Path) -> str:
    """Paragraphs and tables, in their order."""
    import zipfile

    import docx
    from docx.opc.exceptions import PackageNotFoundError
    from docx.table import Table

    try:
        with zipfile.ZipFile(file) as packed:
            if sum(part.file_size for part in packed.infolist()) > MAX_UNPACKED_BYTES:
                raise ValueError("it unpacks to more than a document holds")
        found = docx.Document(str(file))
    except (PackageNotFoundError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise StudioError("document_unreadable", path=file, why=error) from error
    parts = []
    for part in found.iter_inner_content():
        if isinstance(part, Table):
            parts += [" | ".join(cell.text.strip() for cell in row.cells) for row in part.rows]
        else:
            parts.append(part.text)
    return "\n".join(parts)
