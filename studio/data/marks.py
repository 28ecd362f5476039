"""Invisible marks in a rendered text: where a turn begins and ends, and where tokens must not join.

They are private-use characters of a plane that no font uses, and are taken out of the data before rendering.
"""

import re
from collections.abc import Callable

OPEN, CLOSE, CUT = "\U0010fff0", "\U0010fff1", "\U0010fff2"
MARKS = re.compile(f"[{OPEN}{CLOSE}{CUT}]")


def split(marked: str, cut_at_turns: bool) -> tuple[str, tuple[tuple[int, int], ...], tuple[int, ...]]:
    """The text without marks, the turns as character ranges, and the cuts (`cut_at_turns`: the ends of turns too)."""
    pieces, turns, cuts = [], [], []
    length = begin = start = 0
    for match in MARKS.finditer(marked):
        pieces.append(marked[start : match.start()])
        length += match.start() - start
        start = match.end()
        if cut_at_turns or match[0] == CUT:
            cuts.append(length)
        if match[0] == OPEN:
            begin = length
        elif match[0] == CLOSE and length > begin:
            turns.append((begin, length))
    pieces.append(marked[start:])
    return "".join(pieces), tuple(turns), tuple(cuts)


def without(text: str) -> str:
    return text if text.isascii() else MARKS.sub("", text)


def in_strings(value: object, change: Callable[[str], str]) -> object:
    """`change` for every string in nested lists and dicts; keys stay as they are."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list | tuple):
        return [in_strings(item, change) for item in value]
    if isinstance(value, dict):
        return {key: in_strings(item, change) for key, item in value.items()}
    return value
