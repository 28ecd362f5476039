"""From one form of rows to another: alpaca, sharegpt, openai. What a row says stays exactly the same.

Each row is read back in its new form and compared with what it was; one that the form cannot hold (tool calls in
alpaca, say) is refused, or left out and counted. Columns that the registry does not name go along.
"""

from collections.abc import Iterable, Iterator

from studio import text
from studio.data import formats, unread
from studio.data.formats import Row
from studio.data.making import forms, sets
from studio.data.making.origin import MEDIA, rows_of
from studio.data.making.sets import Made, Plan
from studio.data.making.spool import Progress, line
from studio.data.problem import Problem
from studio.data.source import FORMATS, Source
from studio.errors import StudioError

ALPACA = ("prompt", "query", "response", "history")
UNREAD = {"alpaca": ("messages",), "sharegpt": ALPACA, "openai": ALPACA}  # named by default, and of another form


def convert(
    source: Source, formatting: str, name: str | None = None, drop: bool = False, progress: Progress | None = None
) -> Made:
    """The set in another form. `drop`: rows that cannot be are left out and counted, else they are an error.

    Raises StudioError for plain text, for an unknown form, and at the first row that cannot be.
    """
    if formatting not in FORMATS:
        raise StudioError("making_form_unknown", formatting=formatting, known=", ".join(FORMATS))
    used: set[str] = set()
    counts = {"left_out": 0} if drop else {}
    entry: dict = {}

    def lines() -> Iterator[bytes]:
        yield from map(line, converted(source, formatting, rows_of(source, progress), used, counts))
        entry.update(forms.entry_for(forms.target(formatting, source), used))

    plan = Plan(sets.named(name, f"{sets.base_of(source)}_{formatting}"), entry, lines(), counts)
    return sets.make([plan])[0]


def kind_of(source: Source) -> str:
    """What the rows are for, as the stage that learns from them: pt, sft, dpo or kto."""
    if source.is_text:
        return "pt"
    return "dpo" if source.ranking else "kto" if source.columns.kto_tag else "sft"


def converted(
    source: Source, formatting: str, rows: Iterable[object], used: set[str], counts: dict[str, int] | None = None
) -> Iterator[dict]:
    """Each row in its new form; `used` gathers which columns occur. A row that cannot be is an error, unless
    `counts` has `left_out`; rows that lose keys of their messages are counted as `unread`."""
    if source.is_text:
        raise StudioError("making_convert_text", name=source.name)
    aim = forms.target(formatting, source)
    named, taken = (
        {column for name, column in vars(one.columns).items() if column and name not in UNREAD[one.formatting]}
        for one in (source, aim)
    )
    for number, raw in enumerate(rows, 1):
        new = _converted(source, raw, aim)
        if isinstance(new, Problem):
            if not counts or "left_out" not in counts:
                why = new.text(text.catalogue(text.preferred_language()))
                raise StudioError("making_convert_row", name=source.name, row=number, formatting=formatting, why=why)
            counts["left_out"] += 1
            continue
        row, new = new
        if counts is not None and unread.keys(source, raw):
            counts["unread"] = counts.get("unread", 0) + 1
        used |= new.keys() | ({forms.CALLS} if forms.has_calls(row) else set())
        yield new | {_apart(key, taken, raw): value for key, value in raw.items() if key not in named}


def _apart(key: str, taken: set[str], raw: dict) -> str:
    """A name for a column that nobody read: not one that is read, and not another's."""
    while key in taken:
        key += "_"
        while key in raw:
            key += "_"
    return key


def _converted(source: Source, raw: object, aim: Source) -> tuple[Row, dict] | Problem:
    row = formats.to_row(source, raw)
    if isinstance(row, Problem):
        return row
    try:
        new = forms.write(row, aim.formatting)
    except Problem as problem:
        return problem
    new |= {kind: list(getattr(row, kind)) for kind in MEDIA if getattr(row, kind)}
    again = formats.to_row(aim, new)
    if forms.said(again) != forms.said(row):
        return Problem("convert_lossy", {"formatting": aim.formatting})
    return row, new
