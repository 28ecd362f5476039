"""One SQL query on one database: read only, limited in time and in rows. For checks, and for scores by execution.

    running.run(path, "SELECT count(*) FROM singer", limit_s=5).rows      # ((6,),)

Three walls stand between a query and the disk: the file is opened read-only, an authorizer lets through what reads and
nothing else (no ATTACH, no PRAGMA that sets, no extension), and only one statement is taken.
"""

import re
import sqlite3
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from studio.data.sql import databases

LIMIT_S, GRACE_S = 10.0, 0.5
MAX_ROWS = 10_000
MAX_BYTES = 10_000_000  # of one value
MAX_RESULT_BYTES = 200_000_000
HEAP_BYTES = 500_000_000  # of SQLite in this process, for sorting and joining
STEPS = 1_000  # of SQLite's machine between two looks at the clock
FENCE = re.compile(r"```(?:\w+)?[ \t]*\n(.*?)```", re.DOTALL)
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
INLINE = re.compile(r"```(?:sql(?:ite)?\b)?(.*?)```", re.DOTALL | re.IGNORECASE)
BEGINS = re.compile(r"\bSELECT\b|\bWITH\s+(?:RECURSIVE\s+)?[^\s,():]+\s*(?:\([^()]*\)\s*)?AS\b", re.IGNORECASE)
MORE = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|PRAGMA|ATTACH|DETACH|VACUUM)\b", re.I)
READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
LOOKING = {"table_info", "table_list", "foreign_key_list", "index_list", "index_info"}
REFUSALS = ("one statement at a time", "not authorized")  # they come under several codes
FORBIDDEN = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer"}


class SqlFailed(Exception):
    """A query that does not run: `code` is syntax, refused, timeout or too_big, the text is SQLite's own."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True)
class Result:
    """What a query gives: names of the columns, rows (at most as many as were asked for), seconds it took."""

    columns: tuple[str, ...]
    rows: tuple[tuple, ...]
    whole: bool
    elapsed_s: float


def run(path: Path, sql: str, limit_s: float = LIMIT_S, max_rows: int = MAX_ROWS) -> Result:
    """Run one query. Raises SqlFailed where it does not run, StudioError where the file is no database.

    SQLite looks at the clock between two steps; a step that lasts (a search in a long text) is not waited for.
    """
    if not sql.strip().strip(";"):
        raise SqlFailed("syntax", "no SQL")
    found: Future[Result] = Future()

    def work() -> None:
        try:
            found.set_result(_run(path, sql, limit_s, max_rows))
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=work, name="sql", daemon=True).start()
    try:
        return found.result(limit_s + GRACE_S)
    except TimeoutError:
        raise _late(limit_s) from None


def _run(path: Path, sql: str, limit_s: float, max_rows: int) -> Result:
    began_s = time.monotonic()
    try:
        with databases.opened(path) as connection:
            connection.execute(f"PRAGMA hard_heap_limit={HEAP_BYTES}")
            connection.set_authorizer(_authorize)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BYTES)
            connection.set_progress_handler(lambda: time.monotonic() - began_s > limit_s, STEPS)
            cursor = connection.execute(sql)
            rows = _fetched(cursor, max_rows + 1)
            columns = tuple(column[0] for column in cursor.description or ())
    except MemoryError as error:
        raise SqlFailed("too_big", "more memory than a query may take") from error
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise _failed(error, limit_s) from error
    return Result(columns, tuple(rows[:max_rows]), len(rows) <= max_rows, time.monotonic() - began_s)


def _fetched(cursor: sqlite3.Cursor, most: int) -> list[tuple]:
    """The first rows. Raises SqlFailed where they are too large to be kept."""
    rows, size = [], 0
    for row in cursor:
        size += sum(len(value) for value in row if isinstance(value, str | bytes)) + 8 * len(row)
        if size > MAX_RESULT_BYTES:
            raise SqlFailed("too_big", f"a result beyond {MAX_RESULT_BYTES // 1_000_000} MB")
        rows.append(row)
        if len(rows) == most:
            break
    return rows


def query_in(answer: str) -> str:
    """The query in an answer, without the semicolon at its end: what stands in the first fence, else from the first
    SELECT or `WITH name AS` on that is in no comment, up to the end of the statement where words follow it."""
    fenced = FENCE.search(answer) or INLINE.search(answer)
    found = (fenced[1] if fenced else answer).strip()
    begin = BEGINS.search(COMMENT.sub(lambda hidden: " " * len(hidden[0]), found)) or BEGINS.search(found)
    if begin and not fenced:
        found = found[begin.start() :]
    ends = (place for place, letter in enumerate(found, 1) if letter == ";")
    end = next((end for end in ends if sqlite3.complete_statement(found[:end])), len(found))
    found = found if MORE.match(found, end) else found[:end]  # a second statement is for SQLite to refuse
    return found.rstrip().rstrip(";").rstrip()


def _late(limit_s: float) -> SqlFailed:
    return SqlFailed("timeout", f"not done after {limit_s:g} s")


def _authorize(action: int, first: str | None, second: str | None, *_: object) -> int:
    if action == sqlite3.SQLITE_FUNCTION and str(second).lower() in FORBIDDEN:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA:  # reading what a table is like
        return sqlite3.SQLITE_OK if str(first).lower() in LOOKING else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in READING else sqlite3.SQLITE_DENY


def _failed(error: Exception, limit_s: float) -> SqlFailed:
    """What SQLite said, as ours."""
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_INTERRUPT":
        return _late(limit_s)
    refused = name in ("SQLITE_AUTH", "SQLITE_READONLY") or any(words in str(error) for words in REFUSALS)
    return SqlFailed("refused" if refused else "too_big" if name == "SQLITE_TOOBIG" else "syntax", str(error))
