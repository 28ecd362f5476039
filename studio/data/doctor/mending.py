"""A new set without what the doctor found."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from studio.data import formats, marks
from studio.data.browse.lens import Lens
from studio.data.browse.salvage import Broken
from studio.data.doctor import characters, personal, turns
from studio.data.doctor.examination import Wanted, gather, rows_of
from studio.data.doctor.finding import CODES
from studio.data.doctor.seen import columns_of
from studio.data.making import sets
from studio.data.making.filling import filled
from studio.data.making.origin import whole
from studio.data.making.sets import Made, Plan
from studio.data.making.spool import Progress, line
from studio.data.problem import Problem
from studio.data.source import Source
from studio.errors import StudioError


@dataclass(frozen=True)
class Values:
    """What a fix needs beside the rows: as `examine` had it, and values for placeholders."""

    lens: Lens | None = None
    against: Source | Sequence[Source] | None = None
    placeholders: Mapping[str, str] = field(default_factory=dict)


Mend = Callable[[dict], dict | None]


def fix(
    source: Source,
    codes: Collection[str],
    name: str | None = None,
    values: Values | None = None,
    progress: Progress | None = None,
) -> Made:
    """Write a new set in which these findings are mended, and register it: `<set>_clean` unless `name` is given.

    `Made.counts`: rows `changed` and `left_out`. Raises StudioError for a code without a fix, for placeholders without
    values, for a name that is taken, and where no row would be left.
    """
    values, wanted = values or Values(), frozenset(codes)
    hopeless = [code for code in wanted if CODES.get(code, ("", None))[1] is None]
    if hopeless or not wanted:
        fixable = ", ".join(code for code, (_, how) in CODES.items() if how)
        raise StudioError("doctor_no_fix", code=", ".join(sorted(hopeless)) or "–", known=fixable)
    if "placeholders" in wanted and not values.placeholders:
        raise StudioError("doctor_no_values")
    name = sets.named(name, f"{sets.base_of(source)}_clean")
    dropped = frozenset(code for code in wanted if CODES[code][1] == "drop")
    tally = gather(source, Wanted(dropped, values.lens, values.against), progress, all_rows=dropped)
    out = {number for code in dropped for number in tally.rows.get(code, ())}
    counts = {"changed": 0, "left_out": 0}
    plan = Plan(name, sets.entry_of(source),
                _mended(source, out, _mends(source, wanted, values), counts, progress), counts)  # fmt: skip
    return sets.make([plan])[0]


def _mends(source: Source, wanted: frozenset[str], values: Values) -> list[Mend]:
    mends: list[Mend] = []
    if "turns" in wanted:
        mends.append(partial(turns.mend, source))
    if "placeholders" in wanted:
        mends.append(lambda raw: filled(raw, values.placeholders)[0])
    if wanted & {*characters.CODES}:
        mends.append(partial(_texts, source, lambda text: characters.clean(text, wanted)))
    if wanted & {*personal.CODES}:
        mends.append(partial(_texts, source, lambda text: personal.mask(text, wanted)))
    return mends


def _mended(
    source: Source, out: set[int], mends: list[Mend], counts: dict[str, int], progress: Progress | None
) -> Iterator[bytes]:
    finish = whole(source)
    for seen in rows_of(source, progress):
        raw = formats.unpacked_row(source, seen.raw)
        new = None if seen.number in out else _one(source, raw, mends)
        if new is None:
            counts["left_out"] += 1
            continue
        counts["changed"] += new is not raw and new != raw
        yield line(finish(new))


def _one(source: Source, raw: object, mends: list[Mend]) -> object | None:
    """The row mended; None where it cannot be, or where nothing that could be learned from would be left of it."""
    if isinstance(raw, Broken):
        return None  # there is nothing that could be written
    new = raw
    for mend in mends if isinstance(new, dict) else ():
        before, new = new, mend(new)
        if new is None or (new != before and _is_good(source, before) and not _is_good(source, new)):
            return None
    return new


def _is_good(source: Source, raw: object) -> bool:
    return not isinstance(formats.to_row(source, raw), Problem)


class _Lost(Exception):
    """A text that cannot be cleaned."""


def _texts(source: Source, change: Callable[[str], str | None], raw: dict) -> dict | None:
    """`change` for every string of the columns that are read."""

    def changed(text: str) -> str:
        new = change(text)
        if new is None:
            raise _Lost
        return new

    columns = columns_of(source)
    try:
        return {key: marks.in_strings(value, changed) if key in columns else value for key, value in raw.items()}
    except _Lost:
        return None
