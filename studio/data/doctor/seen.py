"""A row as the checks see it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from studio.data import formats
from studio.data.browse.salvage import Broken
from studio.data.formats import Row
from studio.data.problem import Problem
from studio.data.source import Columns, Source

NOT_TEXT = ("images", "videos", "audios", "kto_tag")  # columns without words of the row


@dataclass(frozen=True)
class Seen:
    """`row` is what training makes of it, a Problem where it cannot."""

    number: int
    raw: object
    row: Row | Problem
    columns: tuple[str, ...]

    @cached_property
    def text(self) -> str:
        """All words of the columns that are read, one string below the other."""
        return "\n".join(text for column in self.columns for text in strings(self.raw.get(column)))

    @cached_property
    def prompt(self) -> str:
        """All that stands before the answer; of plain text, the text."""
        row = self.row
        return row.text if row.text is not None else _key([*row.messages[:-1], *row.tools])

    @cached_property
    def answer(self) -> str:
        """The answer, of a pair both; empty for plain text."""
        row = self.row
        if row.text is not None:
            return ""
        worse = [row.rejected] if row.rejected else []
        return _key([row.messages[-1], *worse, *([] if row.good is None else [row.good])])

    @property
    def question(self) -> str:
        """What was said last before the answer."""
        return "" if self.row.text is not None else str(self.row.messages[-2].get("content") or "")

    @property
    def said(self) -> str:
        """The answer as it is said."""
        return "" if self.row.text is not None else str(self.row.messages[-1].get("content") or "")


def see(source: Source, number: int, raw: object, placeholders: dict[str, str] | None = None) -> Seen:
    row = raw.problem if isinstance(raw, Broken) else formats.to_row(source, raw, placeholders)
    return Seen(number, raw, row, columns_of(source) if isinstance(raw, dict) else ())


def columns_of(source: Source) -> tuple[str, ...]:
    """The columns whose words are read."""
    return _named(source.columns)


@lru_cache(maxsize=64)
def _named(columns: Columns) -> tuple[str, ...]:
    return tuple(column for name, column in vars(columns).items() if column and name not in NOT_TEXT)


def strings(value: object) -> Iterator[str]:
    """Every string in nested lists and objects, but not the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)


def _key(parts: list) -> str:
    if all(isinstance(part, dict) and part.keys() == {"role", "content"} for part in parts):
        return "\0".join(f"{part['role']}\1{part['content'].strip()}" for part in parts)
    return json.dumps(parts, ensure_ascii=False, sort_keys=True, default=str)
