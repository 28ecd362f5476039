"""The SQLite databases of a folder, by their ids, and opening one so that nothing can be written."""

import difflib
import filecmp
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from studio.data.sql import packed
from studio.errors import StudioError

KINDS = packed.DATABASES
MAGIC = b"SQLite format 3\0"
DEPTH = 6  # folders below the one that is named


def find(folder: Path) -> dict[str, Path]:
    """The databases below a folder: `<id>/<id>.sqlite`, or `<id>.sqlite` anywhere; a single file stands for itself.
    A zip stands for the folder that was packed.

    Raises StudioError where there are none, where two that differ have one id, and for a zip not to be trusted.
    """
    folder = folder.expanduser()
    if folder.is_file() and folder.suffix.lower() == packed.ZIP:
        folder = packed.folder_of(folder)
    if folder.is_file():
        return {folder.stem: folder}
    if not folder.is_dir():
        raise StudioError("sql_folder_missing", path=folder)
    found: dict[str, Path] = {}
    for path in _files(folder, DEPTH):
        other = found.get(path.stem)
        if other is None or (path.parent.name == path.stem != other.parent.name):
            found[path.stem] = path
        elif (other.parent.name != other.stem or path.parent.name == path.stem) and not filecmp.cmp(other, path, False):
            raise StudioError("sql_database_twice", name=path.stem, first=other, second=path)
    if not found:
        raise StudioError("sql_no_databases", path=folder, known=", ".join(KINDS))
    return found


def named(name: str, known: Mapping[str, Path]) -> Path:
    """The database of an id, whatever its letters' case. Raises StudioError naming the nearest ones."""
    lower = {one.lower(): path for one, path in known.items()}
    if path := known.get(name) or lower.get(name.lower()):
        return path
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or sorted(known)[:3]
    raise StudioError("sql_database_missing", name=name, nearest=", ".join(near))


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can only read. A file with a log of changes beside it is read with them.

    Raises StudioError for what is no SQLite database.
    """
    _check(path)
    log = path.with_name(f"{path.name}-wal")
    # Without a log the file is taken as it is: no lock and no file is made beside it, so a read-only disk will do.
    mode = "mode=ro" if log.is_file() and log.stat().st_size else "mode=ro&immutable=1"
    with closing(_connected(path, mode)) as connection:
        yield connection


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?{mode}", uri=True)
        connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA trusted_schema = 0")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        raise StudioError("sql_database_broken", path=path, why=error) from error
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def is_one(path: Path) -> bool:
    """Whether the file begins as a database does: other programs call their files .db too."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _check(path: Path) -> None:
    try:
        good = is_one(path)
    except OSError as error:
        raise StudioError("sql_database_broken", path=path, why=error.strerror or error) from error
    if not good:
        raise StudioError("sql_database_broken", path=path, why="not SQLite 3" if path.stat().st_size else "empty")


def _files(folder: Path, depth: int) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and depth > 1:
            yield from _files(path, depth - 1)
        elif path.suffix.lower() in KINDS and path.is_file():
            yield path
