"""One pass over a set: every row before every check, and what the checks say in the end."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from studio.data import reading
from studio.data.browse import opening, salvage
from studio.data.browse.lens import Lens
from studio.data.doctor import balance, characters, fit, nearness, personal, repeats, rowwise
from studio.data.doctor.finding import CODES, Finding, Tally, worst_first
from studio.data.doctor.seen import Seen, see
from studio.data.making.spool import TELL_ROWS, Progress
from studio.data.problem import Problem
from studio.data.source import Source
from studio.errors import StudioError

CHECKS = tuple(CODES)
LEAKS = {"leak", "near_leak"}
Look = Callable[[Seen, Tally], Any]
FILES = ("data_file_missing", "data_not_downloaded", "data_script", "data_place_unavailable")


@dataclass(frozen=True)
class Wanted:
    """What to look for, through which model's eyes, and beside which sets."""

    checks: frozenset[str]
    lens: Lens | None = None
    against: Source | Sequence[Source] | None = None

    @property
    def held_out(self) -> Sequence[Source]:
        return [self.against] if isinstance(self.against, Source) else self.against or ()


def examine(
    source: Source,
    checks: Collection[str] = CHECKS,
    lens: Lens | None = None,
    against: Source | Sequence[Source] | None = None,
    progress: Progress | None = None,
) -> tuple[Finding, ...]:
    """What is wrong with the set, the worst first. `checks`: the codes to look for (CHECKS is all of them).

    `lens`: the model and template it is for (too long rows, tokens that are missing; without: lengths in characters).
    `against`: a set or several whose questions must not stand in this one, because they are evaluated on.
    `progress(rows done, rows in all or 0)` may raise to cancel. What cannot be read is a finding, not an error.
    """
    tally = gather(source, Wanted(frozenset(checks), lens, against), progress)
    found = [finding for finding in tally.findings() if finding.code in checks]
    return worst_first([*found, *(fit.entry(source) if "entry" in checks else ())])


def gather(
    source: Source, wanted: Wanted, progress: Progress | None = None, all_rows: frozenset[str] = frozenset()
) -> Tally:
    """As `examine`; of the codes in `all_rows` every row number is kept."""
    tally = Tally(source.name, all_rows)
    try:
        reading.files_of(source)
    except StudioError as error:
        tally.note("missing" if error.key in FILES else "unreadable", why=error)
        return tally
    round_, seen = _round(source, wanted, tally), None
    try:
        for seen in rows_of(source, progress, _placeholders(wanted)):
            rowwise.usable(seen, tally)
            round_.look(seen, tally)
    except StudioError as error:
        tally.note("unreadable", why=error)  # not even its first row
        return tally
    if seen is None:
        tally.note("unreadable", why=StudioError("data_empty", file=source.path))
    round_.finish(tally)
    return tally


def _placeholders(wanted: Wanted) -> dict[str, str] | None:
    return dict(wanted.lens.placeholders) if wanted.lens else None


def rows_of(
    source: Source, progress: Progress | None = None, placeholders: dict[str, str] | None = None
) -> Iterator[Seen]:
    """Every row of the set, those too that cannot be read."""
    known = opening.opened(source)
    total, number = known.num_rows if known else 0, 0
    for number, raw in enumerate(salvage.read_rows(reading.files_of(source)), 1):
        yield see(source, number, raw, placeholders)
        if progress and number % TELL_ROWS == 0:
            progress(number, max(total, number) if total else 0)
    if progress:
        progress(number, number)


@dataclass
class _Round:
    """What looks at each row that can be read, at each that can be learned from, and what is said in the end."""

    any_row: list[Look] = field(default_factory=list)
    good_row: list[Look] = field(default_factory=list)
    again: repeats.Repeats | None = None
    near: nearness.Nearness | None = None
    others: list[Any] = field(default_factory=list)

    def look(self, seen: Seen, tally: Tally) -> None:
        if isinstance(seen.raw, dict):
            for look in self.any_row:
                look(seen, tally)
        if not isinstance(seen.row, Problem):
            for look in self.good_row:
                look(seen, tally)

    def hold(self, sources: Sequence[Source]) -> None:
        """Show the sets one evaluates on to what looks for leaks. Raises StudioError for one that is not here."""
        for seen in chain.from_iterable(map(rows_of, sources)):
            for one in (self.again, self.near):
                if one is not None and not isinstance(seen.row, Problem):
                    one.hold(seen)

    def finish(self, tally: Tally) -> None:
        again = self.again.finish(tally) if self.again else np.zeros(0, bool)
        if self.near:
            self.near.finish(tally, again)
        for other in self.others:
            other.finish(tally)


def _round(source: Source, wanted: Wanted, tally: Tally) -> _Round:
    checks, round_ = wanted.checks, _Round()
    round_.any_row = [one.look for one in (characters, personal) if checks & {*one.CODES}]
    alone = (rowwise.placeholders, rowwise.echo, rowwise.equal_pair, rowwise.refusal)
    round_.good_row = [look for look in alone if look.__name__ in checks]
    if checks & {*repeats.CODES, *nearness.CODES}:
        round_.again = repeats.Repeats(source.ranking or source.columns.kto_tag is not None or source.is_text)
        round_.good_row.append(round_.again.look)
    if checks & {*nearness.CODES}:
        round_.near = nearness.Nearness()
        round_.good_row.append(round_.near.look)
    if checks & LEAKS:
        round_.hold(wanted.held_out)
    if "unread" in checks:
        round_.others.append(rowwise.Unread(source))
    if "imbalance" in checks:
        round_.others.append(balance.Balance())
    if wanted.lens is not None and checks & {"too_long", "tokens", "lens"}:
        found = fit.lengths(wanted.lens, tally)
        round_.others += [found] if found else []
    elif "long" in checks:
        round_.good_row.append(rowwise.long)
    round_.good_row += [other.look for other in round_.others]
    return round_
