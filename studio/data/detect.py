"""The format of a file or folder that no registry describes, read off its first rows."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from studio.data import formats, media, reading
from studio.data.source import Columns, Source, Tags
from studio.errors import StudioError

# Column names in use for a question and its answer, beside LLaMA-Factory's own instruction, input and output.
QUESTIONS = ("instruction", "prompt", "question", "query", "input")
ANSWERS = ("output", "response", "completion", "answer", "target")
TEXTS = ("text", "content")
CHATS = ("messages", "conversations", "conversation")
USERS = ("user", "human")
ASSISTANTS = ("assistant", "gpt", "model", "bot")
PAIRS = (("chosen", "rejected"), ("chosen_messages", "rejected_messages"))
VERDICTS = ("kto_tag", "label")  # of a yes/no: an answer marked good or bad
OPTIONAL = ("system", "history", "tools")
NUM_FIRST_ROWS = 20
NUM_PEEK_ROWS = 1_000  # that are looked through for columns: a row of JSON may leave out what is empty


@dataclass(frozen=True)
class Peeked:
    """`rows`: the first ones. `row`: each column that is found with the first value that is one. `late`: the optional
    columns that may come below, which cost nothing where they never do."""

    rows: tuple[dict, ...]
    row: dict
    late: tuple[str, ...]

    def may_have(self, name: str) -> bool:
        return name in self.row or name in self.late


def source_of(path: Path) -> Source:
    """How to read `path`. Raises StudioError where no known columns are found, with the columns there are."""
    source = Source(name=path.name, path=path, media_dir=path if path.is_dir() else path.parent)
    peeked = peek(source)
    row, pair = peeked.row, _pair(peeked.row)
    if not peeked.rows:
        raise StudioError("data_not_objects", file=path)
    source = replace(source, ranking=pair is not None)
    question = next((name for name in QUESTIONS if _is_turns(row.get(name))), None)
    if pair and _is_talk(row[pair[0]], row.get(question)):
        return _chat(source, pair[0], peeked, None)
    for name in (*CHATS, *([question] if pair and question else [])):
        if isinstance(row.get(name), list):
            return _chat(source, name, peeked, name)
    columns = _columns(peeked)
    if columns is None and len(peeked.rows) == 1 and any(isinstance(value, list) for value in row.values()):
        raise reading.one_object(path, row)
    if columns is None:
        raise StudioError("data_columns_unknown", file=path, columns=", ".join(map(str, row)) or "–")
    if question and question == columns.prompt:
        raise StudioError("data_question_turns", file=path, question=question, answer=columns.response)
    return replace(source, columns=columns)


def peek(source: Source) -> Peeked:
    """What the first rows show. Raises StudioError where one of them cannot be read; below it is told when all are."""
    read = (raw for _, raw in reading.read_rows(source))
    first = list(islice(read, NUM_FIRST_ROWS))
    is_whole = len(first) < NUM_FIRST_ROWS
    row: dict = {}
    _merge(row, first)
    with suppress(StudioError):
        if not is_whole:
            _merge(row, islice(read, NUM_PEEK_ROWS - NUM_FIRST_ROWS))
            is_whole = next(read, None) is None
    is_table = reading.files_of(source)[0].suffix.lower() not in reading.JSON
    rows = tuple({name: _listed(value) for name, value in raw.items()} for raw in first if isinstance(raw, dict))
    return Peeked(rows, row, () if is_whole or is_table else ("input", *OPTIONAL))


def _merge(row: dict, raws: Iterable[object]) -> None:
    for raw in raws:
        for name, value in raw.items() if isinstance(raw, dict) else ():
            if row.get(name) is None:
                row[name] = _listed(value)


def _listed(value: object) -> object:
    return formats.unpacked("messages", value)


def _pair(row: dict) -> tuple[str, str] | None:
    return next((pair for pair in PAIRS if all(name in row for name in pair)), None)


def _is_turns(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(turn, dict) for turn in value)


def _is_talk(answer: object, question: list | None) -> bool:
    """Whether an answer is a whole conversation: then nothing else of the row is needed. It is none where it goes on
    behind the messages of `question`."""
    return _is_turns(answer) and len(answer) > 1 and (question is None or answer[0] == question[0])


def _judged(row: dict) -> dict[str, str]:
    """The columns that judge answers, by what they are to us."""
    if pair := _pair(row):
        return dict(zip(("chosen", "rejected"), pair, strict=True))
    marked = next((name for name in VERDICTS if isinstance(row.get(name), bool)), None)
    return {"kto_tag": marked} if marked else {}


def _media(row: dict) -> dict[str, str]:
    """The columns of pictures, films and sounds, by their usual names."""
    named = {kind: next((name for name in (kind, kind[:-1]) if row.get(name)), None) for kind in media.MARKS}
    return {kind: name for kind, name in named.items() if name}


def _columns(peeked: Peeked) -> Columns | None:
    row = peeked.row
    judged = _judged(row)
    answer = next((name for name in ANSWERS if name in row), None)
    question = next((name for name in QUESTIONS if name in row and name != answer), None)
    if question and (answer or "chosen" in judged):
        query = "input" if peeked.may_have("input") and question != "input" else None
        optional = {key: key for key in OPTIONAL if peeked.may_have(key)} | judged | _media(row)
        return Columns.none(prompt=question, query=query, response=answer, **optional)
    text = next((name for name in TEXTS if name in row), None)
    return Columns.none(prompt=text) if text else None


def _chat(source: Source, column: str, peeked: Peeked, messages: str | None) -> Source:
    """A set whose `column` is a conversation. `messages` is None where its answers are conversations."""
    row = peeked.row
    optional = {key: key for key in ("system", "tools") if peeked.may_have(key)} | _media(row)
    columns = Columns.none(messages=messages, **optional, **_judged(row))
    turns = [turn for raw in peeked.rows for turn in raw.get(column) or () if isinstance(turn, dict)]
    if any("role" in turn for turn in turns):
        role_tag, content_tag, tags = "role", "content", Tags.of_openai()
    else:
        role_tag, content_tag, tags = "from", "value", Tags()
    used = {str(turn.get(role_tag)) for turn in turns}
    tags = replace(
        tags,
        role_tag=role_tag,
        content_tag=content_tag,
        user_tag=next((name for name in USERS if name in used), tags.user_tag),
        assistant_tag=next((name for name in ASSISTANTS if name in used), tags.assistant_tag),
        observation_tag="observation" if "observation" in used else tags.observation_tag,
        function_tag="function_call" if "function_call" in used else tags.function_tag,
    )
    return replace(source, formatting="openai" if role_tag == "role" else "sharegpt", columns=columns, tags=tags)
