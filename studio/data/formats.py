"""Every source format to one canonical row.

A `Row` holds `messages` in the form chat templates expect (system, user, assistant, tool; an assistant message may hold
`tool_calls`) and `tools`, or `text` alone for pre-training. A judged row also has `rejected`, the worse of two answers
(the better one ends `messages`), or `good`, what its answer was marked; `images`, `videos` and `audios` are paths. A
raw row that cannot become one is a `Problem` that says why; turn order is judged as LLaMA-Factory judges it, which
drops such rows too, but in silence.
"""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from studio.data import characters, media, toolcalls
from studio.data.problem import Problem
from studio.data.source import Columns, Source, Tags

PLACEHOLDER = re.compile(r"\{\{\s*([^\W\d]\w*)\s*\}\}")
JUDGED = ("chosen", "rejected")
THOUGHTS = ("reasoning_content", "reasoning")  # of an answer, as endpoints write beside it what the model thought
DEVELOPER = "developer"  # OpenAI's newer name of the system's role
LISTS = ("history", "messages", "chosen", "rejected", *media.MARKS)
VERDICTS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Row:
    """One example. `filled` names the `{{placeholders}}` that were in it, `unfilled` those that still are."""

    messages: tuple[dict, ...] = ()
    tools: tuple[dict, ...] = ()
    text: str | None = None
    unfilled: tuple[str, ...] = ()
    rejected: dict | None = None
    good: bool | None = None
    images: tuple[str, ...] = ()
    videos: tuple[str | tuple[str, ...], ...] = ()
    audios: tuple[str, ...] = ()
    filled: tuple[str, ...] = ()

    @property
    def media(self) -> tuple[str, ...]:
        """The kinds of media the row has."""
        return tuple(kind for kind in media.MARKS if getattr(self, kind))


def to_row(source: Source, raw: object, placeholders: dict[str, str] | None = None) -> Row | Problem:
    """The canonical row of `raw`, its `{{name}}` replaced by `placeholders["name"]` in every string."""
    if not isinstance(raw, dict):
        return Problem("not_object", {"kind": type(raw).__name__})
    filler = Filler(placeholders or {})
    try:
        fields = {name: filler.fill(unpacked(name, raw.get(column))) for name, column in _named(source.columns)}
        marks = {"filled": tuple(filler.filled), "unfilled": filler.unfilled()}
        if source.is_text:
            text = _text(source.columns, raw, fields)
            return Row(text=text, **marks, **media.of_row(source, fields, [text]))
        messages = _alpaca(source, raw, fields) if source.formatting == "alpaca" else _chat(source, raw, fields)
        rejected = None
        if source.ranking:
            chosen, rejected = (_judged(source, name, raw, fields, len(messages) + 1) for name in JUDGED)
            messages.append(chosen)
        tools, good = toolcalls.parse_tools(fields.get("tools")), _verdict(source.columns, raw)
        found = media.of_row(source, fields, [message.get("content") or "" for message in messages])
        return Row(tuple(messages), tools, rejected=rejected, good=good, **marks, **found)
    except Problem as problem:
        return problem
    except RecursionError:
        return Problem("too_deep")


@lru_cache(maxsize=64)
def _named(columns: Columns) -> tuple[tuple[str, str], ...]:
    return tuple((name, column) for name, column in vars(columns).items() if column)


def unpacked_row(source: Source, raw: object) -> object:
    """The row with lists where a table holds them as JSON text, so that words in them can be changed."""
    if not isinstance(raw, dict):
        return raw
    lists = {column: unpacked(name, raw.get(column)) for name, column in _named(source.columns) if name in LISTS}
    lists = {column: value for column, value in lists.items() if value is not raw.get(column)}
    return raw | lists if lists else raw


def unpacked(name: str, text: object) -> object:
    """The list that a table holds as JSON text in the column for `name`; anything else as it is.

    An answer may be JSON itself: in the columns of answers only a conversation is taken for a list.
    """
    if name in LISTS and isinstance(text, str) and text.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            found = json.loads(text)
            first = found[0] if found else None
            is_turn = isinstance(first, dict) and ("role" in first or "from" in first)
            return found if is_turn or name not in ("messages", *JUDGED) else text
    return text


class Filler:
    """Replaces `{{name}}` in nested strings and remembers the names, also those that nobody gave."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self.missing: dict[str, None] = {}
        self.filled: dict[str, None] = {}

    def fill(self, value: object) -> object:
        if isinstance(value, str):
            characters.check(value)
            return PLACEHOLDER.sub(self._one, value) if "{{" in value else value
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            characters.check("".join(map(str, value)))
            return {key: self.fill(item) for key, item in value.items()}
        return value

    def unfilled(self) -> tuple[str, ...]:
        return tuple(self.missing)

    def _one(self, match: re.Match) -> str:
        name = match[1]
        known = name in self.values
        (self.filled if known else self.missing)[name] = None
        return str(self.values[name]) if known else match[0]


def _text(columns: Columns, raw: dict, fields: dict) -> str:
    text = _string(columns.prompt, raw, fields.get("prompt"))
    if not text.strip():
        raise Problem("empty_text", {"column": columns.prompt})
    return text


def _verdict(columns: Columns, raw: dict) -> bool | None:
    """What an answer was marked; None where the set marks none."""
    if columns.kto_tag is None:
        return None
    if columns.kto_tag not in raw:
        raise Problem("missing_column", {"column": columns.kto_tag, "found": ", ".join(map(str, raw))})
    found = raw[columns.kto_tag]
    if str(found).strip().lower() not in VERDICTS:
        raise Problem("no_verdict", {"column": columns.kto_tag, "found": found})
    return VERDICTS[str(found).strip().lower()]


def _judged(source: Source, name: str, raw: dict, fields: dict, number: int) -> dict:
    """One of two answers: a text, or a message of the assistant's side, alone or at the end of a conversation."""
    column, answer = getattr(source.columns, name), fields.get(name)
    if column is None or column not in raw:
        raise Problem("missing_column", {"column": column or name, "found": ", ".join(map(str, raw))})
    if isinstance(answer, list) and answer:
        answer = answer[-1]  # of a whole conversation, too, as many sets of hubs hold it
    if isinstance(answer, dict) and source.formatting == "alpaca":
        answer = next((answer[tag] for tag in ("content", "value") if tag in answer), None)
    if isinstance(answer, dict) and source.formatting != "alpaca":
        side, role = _roles(source.tags).get(str(answer.get(source.tags.role_tag)), (None, None))
        if side == "assistant":
            answer = dict(answer)
            media.refuse(media.lift([answer], source.tags.content_tag))
            return _turn(answer, role, source.tags, number)
    if not isinstance(answer, str):
        raise Problem("pair_answer", {"column": column})
    if not answer.strip():
        raise Problem("empty_answer", {"column": column})
    return _message("assistant", answer)


def _alpaca(source: Source, raw: dict, fields: dict) -> list[dict]:
    columns = source.columns
    prompt = _string(columns.prompt, raw, fields.get("prompt"))
    query = _string(columns.query, raw, fields.get("query"), needed=False)
    messages = _system(_string(columns.system, raw, fields.get("system"), needed=False))
    history = fields.get("history") or ()
    for turn, pair in enumerate(history if isinstance(history, list | tuple) else [history], 1):
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(part, str) for part in pair)):
            raise Problem("history", {"column": columns.history, "turn": turn})
        messages += [_message("user", pair[0]), _message("assistant", pair[1])]
    messages.append(_message("user", "\n".join(part for part in (prompt, query) if part)))
    if source.ranking:
        return messages
    answer = _string(columns.response, raw, fields.get("response"))
    if not answer.strip():
        raise Problem("empty_answer", {"column": columns.response})
    return [*messages, _message("assistant", answer)]


def _string(column: str | None, raw: dict, value: object, needed: bool = True) -> str:
    """The text of a column; a needed column must be there, and null is the empty text."""
    if needed and (column is None or column not in raw):
        found = {"column": column, "name": "prompt", "found": ", ".join(map(str, raw))}
        raise Problem("missing_column" if column else "unnamed_column", found)  # of those needed, one may be unnamed
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Problem("not_text", {"column": column, "kind": type(value).__name__})
    return value


def _chat(source: Source, raw: dict, fields: dict) -> list[dict]:
    """Messages whose roles alternate: user or observation, then assistant or function call, to the last answer.

    Of a ranking they end with the last question.
    """
    columns, tags = source.columns, source.tags
    turns = _turns(source, raw, fields)
    for kind, found in media.lift(turns, tags.content_tag).items():
        fields[kind] = [*(fields.get(kind) or ()), *found]
    messages = _system(_string(columns.system, raw, fields.get("system"), needed=False))
    if turns and is_system(turns[0], tags):
        messages = _system(_content(turns.pop(0), tags, 1))
    roles = _roles(tags)
    expected, previous = "user", None
    for number, turn in enumerate(turns, 1):
        role = turn.get(tags.role_tag)
        side, name = roles.get(str(role), (None, None))  # what is no text is no role
        joined = source.formatting == "openai" and name == previous == "tool"  # several answers to parallel calls
        if side != expected and not joined:
            if role == "system" and not tags.system_tag:
                raise Problem("no_system_tag", {"turn": number})
            raise Problem("roles", {"turn": number, "role": role, "expected": _names(tags, expected)})
        messages.append(_turn(turn, name, tags, number))
        expected, previous = ("user" if side == "assistant" else "assistant"), name
    if not turns or expected != ("assistant" if source.ranking else "user"):
        raise Problem("no_question" if source.ranking else "no_answer", {"column": columns.messages})
    return messages


def is_system(turn: dict, tags: Tags) -> bool:
    """Whether a message, the first one, is the system's."""
    return bool(tags.system_tag) and turn.get(tags.role_tag) in (tags.system_tag, DEVELOPER)


def _turns(source: Source, raw: dict, fields: dict) -> list[dict]:
    """The messages of a conversation; of a pair that has no column for them, what stands before the better answer."""
    column, turns = source.columns.messages, fields.get("messages")
    if column is None and source.ranking and isinstance(fields.get("chosen"), list):
        column, turns = source.columns.chosen, fields["chosen"][:-1]
    if column is None or column not in raw:
        found = {"column": column, "name": "messages", "found": ", ".join(map(str, raw))}
        raise Problem("missing_column" if column else "unnamed_column", found)
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise Problem("not_messages", {"column": column})
    return [dict(turn) for turn in turns]


def _roles(tags: Tags) -> dict[str | None, tuple[str, str]]:
    sides = {
        tags.user_tag: ("user", "user"),
        tags.observation_tag: ("user", "tool"),
        tags.assistant_tag: ("assistant", "assistant"),
        tags.function_tag: ("assistant", "function_call"),
    }
    return {tag: side for tag, side in sides.items() if tag is not None}


def _names(tags: Tags, side: str) -> str:
    return " / ".join(tag for tag, (where, _) in _roles(tags).items() if where == side)


def _turn(turn: dict, role: str, tags: Tags, number: int) -> dict:
    calls = turn.get("tool_calls")
    thought = _thought(turn, tags) if role in ("assistant", "function_call") else ""
    if role == "function_call" and not calls:
        said, calls = toolcalls.parted(_content(turn, tags, number))
        called = {"role": "assistant", "tool_calls": toolcalls.parse_calls(calls, number)}
        return called | {"content": thought + said} if thought + said else called
    if calls and role in ("assistant", "function_call"):
        content = _content(turn, tags, number) if turn.get(tags.content_tag) else ""
        return {"role": "assistant", "content": thought + content, "tool_calls": toolcalls.parse_calls(calls, number)}
    content = _content(turn, tags, number)
    if role == "assistant" and not content.strip():
        raise Problem("empty_turn", {"turn": number})
    return _message(role, thought + content)


def _thought(turn: dict, tags: Tags) -> str:
    """What an answer was thought out with, where it stands beside the answer and not in it."""
    found = next((turn[key] for key in THOUGHTS if isinstance(turn.get(key), str) and turn[key].strip()), None)
    is_said = str(turn.get(tags.content_tag)).lstrip().startswith("<think>")
    return "" if found is None or is_said else media.thought(found)


def _content(turn: dict, tags: Tags, number: int) -> str:
    content = turn.get(tags.content_tag)
    if not isinstance(content, str):
        raise Problem("turn_not_text", {"turn": number, "tag": tags.content_tag})
    return content


def _system(content: str) -> list[dict]:
    return [_message("system", content)] if content else []


def _message(role: str, content: str) -> dict:
    return {"role": role, "content": content}
