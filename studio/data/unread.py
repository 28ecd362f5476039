"""What a row holds that no training reads: columns with the usual names that its set does not name, keys of messages.

It goes in silence in LLaMA-Factory; here the doctor, a run's report and a conversion tell it.
"""

from collections.abc import Iterator

from studio.data import formats, media
from studio.data.source import Source

USUAL = ("input", "system", "history", "tools", *formats.THOUGHTS, *media.MARKS)
READ = ("tool_calls", *formats.THOUGHTS)
PLAIN = ("id", "tool_call_id", "type")  # the order of the messages says it


def names(source: Source, raw: object) -> tuple[str, ...]:
    """What the row holds that is not read: `input`, or `messages.weight` for a key of a message."""
    if not isinstance(raw, dict):
        return ()
    named = vars(source.columns).values()
    return (*(name for name in USUAL if name in raw and name not in named and _holds(raw[name])), *keys(source, raw))


def keys(source: Source, raw: dict) -> tuple[str, ...]:
    """Those of messages alone, sorted."""
    if source.formatting == "alpaca":
        return ()
    known, found = {source.tags.role_tag, source.tags.content_tag, *READ, *PLAIN}, set()
    for key in ("messages", *formats.JUDGED):
        column = getattr(source.columns, key)
        for turn in _turns(key, raw.get(column)) if column else ():
            found |= {f"{column}.{name}" for name in turn.keys() - known if _holds(turn[name])}
    return tuple(sorted(found))


def _turns(key: str, value: object) -> Iterator[dict]:
    value = formats.unpacked(key, value)
    return (turn for turn in (value if isinstance(value, list) else [value]) if isinstance(turn, dict))


def _holds(value: object) -> bool:
    """Whether something is said: no number is nothing, a weight of 0 for one."""
    return value is not None and value not in ("", "[]", "{}", [], {})
