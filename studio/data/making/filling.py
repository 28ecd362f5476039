"""Placeholders: which `{{names}}` stand in a set, and a set with values in their place."""

from collections.abc import Iterator, Mapping

from studio.data import formats, reading
from studio.data.formats import Filler
from studio.data.making import sets
from studio.data.making.origin import rows_of
from studio.data.making.sets import Made, Plan
from studio.data.making.spool import Progress, line, told
from studio.data.problem import Problem
from studio.data.source import Source
from studio.errors import StudioError


def placeholders(source: Source, progress: Progress | None = None) -> dict[str, int]:
    """The names in `{{…}}` and in how many rows each stands, the most frequent first."""
    found: dict[str, int] = {}
    for raw in told((raw for _, raw in reading.read_rows(source)), progress):
        for name in filled(raw, {})[1]:
            found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items(), key=lambda one: -one[1]))


def fill(
    source: Source, values: Mapping[str, str], name: str | None = None, progress: Progress | None = None
) -> Made:
    """The set with `values` for its placeholders; `counts` says how many rows changed and how many still hold others.

    Raises StudioError where none of the names stands in it.
    """
    counts = {"changed": 0, "unfilled": 0}
    plan = Plan(sets.named(name, f"{sets.base_of(source)}_filled"), sets.entry_of(source),
                _filled(source, values, counts, progress), counts)  # fmt: skip
    return sets.make([plan])[0]


def filled(raw: object, values: Mapping[str, str]) -> tuple[object, tuple[str, ...]]:
    """The row with values in place of placeholders, and the names of those that nobody gave. One that holds half a
    character, and is no text, stays as it is."""
    filler = Filler(dict(values))
    try:
        return filler.fill(raw), filler.unfilled()
    except Problem:
        return raw, ()


def _filled(
    source: Source, values: Mapping[str, str], counts: dict[str, int], progress: Progress | None
) -> Iterator[bytes]:
    for found in rows_of(source, progress):
        raw = formats.unpacked_row(source, found)
        new, others = filled(raw, values)
        counts["changed"] += new != raw
        counts["unfilled"] += bool(others)
        yield line(new)
    if not counts["changed"]:
        raise StudioError("making_fill_none", name=source.name, names=", ".join(values) or "–")
