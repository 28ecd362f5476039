"""The format of a file or folder that no registry describes, read off its first rows."""

from dataclasses import replace
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
NUM_PEEK_ROWS = 20


def source_of(path: Path) -> Source:
    """How to read `path`. Raises StudioError where no known columns are found, with the columns there are."""
    source = Source(name=path.name, path=path, media_dir=path if path.is_dir() else path.parent)
    rows = [raw for _, raw in islice(reading.read_rows(source), NUM_PEEK_ROWS) if isinstance(raw, dict)]
    if not rows:
        raise StudioError("data_not_objects", file=path)
    rows = [{name: _listed(value) for name, value in raw.items()} for raw in rows]
    row = _merged(rows)
    pair = _pair(row)
    source = replace(source, ranking=pair is not None)
    if pair and _is_talk(row[pair[0]]):
        return _chat(source, pair[0], rows, None)
    for name in CHATS:
        if isinstance(row.get(name), list):
            return _chat(source, name, rows, name)
    columns = _columns(row)
    if columns is None and len(rows) == 1 and any(isinstance(value, list) for value in row.values()):
        raise reading.one_object(path, row)
    if columns is None:
        raise StudioError("data_columns_unknown", file=path, columns=", ".join(map(str, row)) or "–")
    return replace(source, columns=columns)


def _listed(value: object) -> object:
    return formats.unpacked("messages", value)


def _pair(row: dict) -> tuple[str, str] | None:
    return next((pair for pair in PAIRS if all(name in row for name in pair)), None)


def _is_talk(value: object) -> bool:
    """Whether an answer is a whole conversation: then nothing else of the row is needed."""
    return isinstance(value, list) and len(value) > 1 and all(isinstance(turn, dict) for turn in value)


def _merged(rows: list[dict]) -> dict:
    """Each column with the first value that is one: rows may leave some out."""
    merged: dict = {}
    for raw in rows:
        for name, value in raw.items():
            if merged.get(name) is None:
                merged[name] = value
    return merged


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


def _columns(row: dict) -> Columns | None:
    judged = _judged(row)
    answer = next((name for name in ANSWERS if name in row), None)
    question = next((name for name in QUESTIONS if name in row and name != answer), None)
    if question and (answer or "chosen" in judged):
        query = "input" if "input" in row and question != "input" else None
        optional = {key: key for key in ("system", "history", "tools") if key in row} | judged | _media(row)
        return Columns.none(prompt=question, query=query, response=answer, **optional)
    text = next((name for name in TEXTS if name in row), None)
    return Columns.none(prompt=text) if text else None


def _chat(source: Source, column: str, rows: list[dict], messages_column: str | None) -> Source:
    """A set whose `column` is a conversation. `messages_column` is None where its answers are conversations."""
    row = _merged(rows)
    optional = {key: key for key in ("system", "tools") if key in row} | _media(row)
    columns = Columns.none(messages=messages_column, **optional, **_judged(row))
    messages = [m for raw in rows for m in raw.get(column) or () if isinstance(m, dict)]
    if any("role" in message for message in messages):
        role_tag, content_tag, tags = "role", "content", Tags.of_openai()
    else:
        role_tag, content_tag, tags = "from", "value", Tags()
    used = {str(message.get(role_tag)) for message in messages}
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
