"""Questions and databases to a registered set of conversations: one for each entry of the list, its turns in order.

A row is sharegpt's, `{"conversations": […], "system": …, "db_id": …}`; its system message is the prompt with the schema
filled in. What is left out is counted with its reason and its numbers in the list.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path

from studio.data import register, writing
from studio.data.making import parts as sizes
from studio.data.making import sets
from studio.data.sql import databases, questions, running, schema
from studio.data.sql.questions import Entry
from studio.errors import StudioError

PROMPTS = {
    "en": "You write SQL for a SQLite database. These are its tables:\n\n{schema}\n\n"
    "Answer every question with one SQL query and nothing else.",
    "zh": "你为一个 SQLite 数据库编写 SQL。它的表如下：\n\n{schema}\n\n"
    "对每个问题，只回答一条 SQL 查询，不要写别的内容。",
}
ENTRY = {"formatting": "sharegpt", "columns": {"messages": "conversations", "system": "system"}}
SCHEMA, KEYS, NAME = "{schema}", "{foreign_keys}", "{database}"
BY = ("database", "row")
NUM_SCHEMAS = 256  # each in the words of a prompt

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Wanted:
    """How the rows are to be.

    prompt           the system message around `{schema}`; `{database}` and `{foreign_keys}` may stand in it too
    check_sql        leave out entries whose SQL does not run
    join             one conversation for each database, out of all its entries
    skip_missing     leave out entries whose database is not there, instead of refusing all
    split, by, seed  shares of parts (`0.7,0.3`), whole databases or single rows apart, and the chance behind it
    """

    prompt: str = PROMPTS["en"]
    check_sql: bool = False
    skip_missing: bool = False
    join: bool = False
    split: str | None = None
    by: str = "database"
    seed: int = 42


@dataclass
class Report:
    """What became of the list. `left_out`: numbers of entries by reason (`asking.refused_<reason>`); `num_over`: rows
    that the shares leave in no part; `parts`: the ids of each part's databases."""

    made: tuple[sets.Made, ...] = ()
    num_turns: int = 0
    num_over: int = 0
    left_out: dict[str, list[int]] = field(default_factory=dict)
    details: dict[int, str] = field(default_factory=dict)  # of entries left out, what there is to say
    parts: tuple[frozenset[str], ...] = ()

    @property
    def shared(self) -> frozenset[str]:
        """The databases that stand in more than one part."""
        names = [name for part in self.parts for name in part]
        return frozenset(name for name in names if names.count(name) > 1)


def make(
    folder: Path, file: Path, name: str, wanted: Wanted | None = None, progress: Progress | None = None
) -> Report:
    """The set, or its parts, made and registered. `progress(entries, of)` may raise to call it off.

    Raises StudioError for a missing database (with the nearest), a file of another shape, a name that is taken.
    """
    wanted, report = wanted or Wanted(), Report()
    if SCHEMA not in wanted.prompt:
        raise StudioError("sql_prompt_mark", mark=SCHEMA)
    if not wanted.split:
        register.check_name(name, taken=True)
    known = databases.find(folder)
    kept = list(_kept(questions.read(file), known, wanted, report, progress))
    if not kept:
        reasons = ", ".join(f"{reason} {len(numbers)}" for reason, numbers in report.left_out.items())
        raise StudioError("sql_no_rows", path=file, reasons=reasons or "–")
    report.num_turns = sum(len(row["conversations"]) // 2 for row in kept)
    rows = _joined(kept) if wanted.join else kept
    parts = _split(rows, wanted)
    report.num_over = len(rows) - sum(map(len, parts))
    report.parts = tuple(frozenset(row["db_id"] for row in part) for part in parts)
    report.made = sets.make([
        sets.Plan(part_name, ENTRY, (writing.lines([row]).encode() for row in part))
        for part_name, part in zip(_names(name, len(parts)), parts, strict=True)
    ])
    return report


def preview(folder: Path, file: Path, wanted: Wanted | None = None, number: int = 1) -> dict:
    """The row of one entry of the list, without writing anything. Raises StudioError as `make` does."""
    entries = questions.read(file)
    entry = entries[max(1, min(number, len(entries))) - 1]
    return _row(entry, databases.named(entry.database, databases.find(folder)), (wanted or Wanted()).prompt)


def _kept(
    entries: Sequence[Entry], known: Mapping[str, Path], wanted: Wanted, report: Report, progress: Progress | None
) -> Iterator[dict]:
    """The rows of the entries that can be used."""
    for entry in entries:
        if progress:
            progress(entry.number - 1, len(entries))
        try:
            path = databases.named(entry.database, known)
        except StudioError:
            if not wanted.skip_missing:
                raise
            _leave_out(report, entry, "no_database", entry.database)
            continue
        if not all(turn.sql for turn in entry.turns):
            _leave_out(report, entry, "no_sql", "")
        elif wanted.check_sql and (why := _why_not(path, entry)):
            _leave_out(report, entry, "sql_fails", why)
        else:
            yield _row(entry, path, wanted.prompt)
    if progress:
        progress(len(entries), len(entries))


def _leave_out(report: Report, entry: Entry, reason: str, detail: str) -> None:
    report.left_out.setdefault(reason, []).append(entry.number)
    report.details[entry.number] = detail


def _why_not(path: Path, entry: Entry) -> str | None:
    """Why the first SQL that does not run does not; None if all do."""
    for turn in entry.turns:
        try:
            running.run(path, turn.sql, max_rows=1)
        except running.SqlFailed as failed:
            return str(failed)
    return None


def _row(entry: Entry, path: Path, prompt: str) -> dict:
    turns = [{"from": side, "value": words} for turn in entry.turns
             for side, words in (("human", turn.question), ("gpt", turn.sql or ""))]  # fmt: skip
    row = {"conversations": turns, "system": _system(path, path.stat().st_mtime_ns, prompt), "db_id": path.stem}
    return row | ({"question_id": entry.id} if entry.id is not None else {})


def _joined(rows: list[dict]) -> list[dict]:
    """One row a database, its conversations one after the other."""
    found: dict[str, dict] = {}
    for row in rows:
        whole = found.setdefault(row["db_id"], {**row, "conversations": []})
        whole["conversations"] += row["conversations"]
        whole.pop("question_id", None)
    return list(found.values())


@lru_cache(NUM_SCHEMAS)
def _system(path: Path, _changed_ns: int, prompt: str) -> str:
    filled = prompt.replace(SCHEMA, schema.text(path)).replace(NAME, path.stem)
    return filled.replace(KEYS, schema.foreign_keys(path)) if KEYS in prompt else filled


def _split(rows: list[dict], wanted: Wanted) -> list[list[dict]]:
    """The rows in parts by the shares that are wanted."""
    if not wanted.split:
        return [rows]
    shares = sizes.parse_sizes(wanted.split)
    if wanted.by not in BY or (wanted.by == "database" and isinstance(shares[0], int)):
        raise StudioError("sql_split", split=wanted.split if wanted.by in BY else wanted.by)
    chance = random.Random(wanted.seed)
    counts = sizes.sizes_of(len(rows), shares)
    if wanted.by == "database":
        return _split_databases(rows, counts, chance)
    chance.shuffle(rows)
    bounds = [0, *accumulate(counts)]
    return [rows[begin:end] for begin, end in pairwise(bounds)]


def _split_databases(rows: list[dict], counts: Sequence[int], chance: random.Random) -> list[list[dict]]:
    """Whole databases, the largest first, each to the part that lacks most rows, or to what is over."""
    by_database: dict[str, list[dict]] = {}
    for row in rows:
        by_database.setdefault(row["db_id"], []).append(row)
    if len(by_database) < len(counts):
        raise StudioError("sql_split_databases", count=len(by_database), parts=len(counts))
    groups = list(by_database.values())
    chance.shuffle(groups)
    groups.sort(key=len, reverse=True)
    wanted = [*counts, len(rows) - sum(counts)]
    found: list[list[dict]] = [[] for _ in wanted]
    for place, group in enumerate(groups):
        empty = [part for part in range(len(counts)) if not found[part]]
        open_parts = empty if len(groups) - place <= len(empty) else range(len(wanted))
        part = max(open_parts, key=lambda number: wanted[number] - len(found[number]))
        found[part] += group
    return found[:-1]


def _names(name: str, count: int) -> list[str]:
    if count == 1:
        return [name]
    endings = sizes.PARTS.get(count) or tuple(map(str, range(1, count + 1)))
    stem = sets.free_stem(name, endings)
    return [f"{stem}_{ending}" for ending in endings]
