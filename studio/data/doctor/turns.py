"""Turns in the wrong order, put right where nothing has to be invented.

Neighbours of one role become one message, empty messages go, so does what stands before the first question and what
stands behind the last answer.
"""

from studio.data import formats
from studio.data.problem import Problem
from studio.data.source import Source, Tags

BETWEEN = "\n\n"


def mend(source: Source, raw: dict) -> dict | None:
    """The row as it is if its turns are right, mended if that can be, else None."""
    if source.formatting == "alpaca" or not _is_wrong(formats.to_row(source, raw)):
        return raw
    column, tags = source.columns.messages, source.tags
    if not isinstance(raw.get(column), list):
        return None  # those before the better answer of a pair
    turns = [dict(turn) for turn in raw[column]]
    system = [turns.pop(0)] if turns and formats.is_system(turns[0], tags) else []
    turns = _joined(turns, tags)
    questions, answers = (tags.user_tag, tags.observation_tag), (tags.assistant_tag, tags.function_tag)
    while turns and turns[0].get(tags.role_tag) != tags.user_tag:
        turns.pop(0)
    last = questions if source.ranking else answers
    while turns and turns[-1].get(tags.role_tag) not in last:
        turns.pop()
    new = raw | {column: system + turns}
    return None if not turns or isinstance(formats.to_row(source, new), Problem) else new


def _is_wrong(row: object) -> bool:
    return isinstance(row, Problem) and row.code in ("roles", "no_answer", "no_question", "empty_turn")


def _joined(turns: list[dict], tags: Tags) -> list[dict]:
    joined: list[dict] = []
    for turn in turns:
        content, role = turn.get(tags.content_tag), turn.get(tags.role_tag)
        if isinstance(content, str) and not content.strip() and not turn.get("tool_calls"):
            continue
        before = joined[-1] if joined else {}
        alike = before.get(tags.role_tag) == role and role in (tags.user_tag, tags.assistant_tag)
        if alike and all(_is_plain(one, tags) for one in (before, turn)):
            joined[-1] = before | {tags.content_tag: before[tags.content_tag] + BETWEEN + content}
        else:
            joined.append(turn)
    return joined


def _is_plain(turn: dict, tags: Tags) -> bool:
    return isinstance(turn.get(tags.content_tag), str) and not turn.get("tool_calls")
