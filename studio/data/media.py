"""Pictures, films and sounds of a row: found beside the text, counted against the marks that stand for them in it.

A row names them in the columns `images`, `videos` and `audios` (one, or a list), or within OpenAI's content parts. A
path is looked for below the source's `media_dir`; a hub's set may hold the bytes themselves. The data here is learned
as text: a row with media is canonical, and refused where it would be encoded (`refuse`).
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from studio.data.problem import Problem
from studio.data.source import Source

MARKS = {"images": "<image>", "videos": "<video>", "audios": "<audio>"}
PARTS = {
    "image": "images", "image_url": "images", "input_image": "images", "video": "videos", "video_url": "videos",
    "audio": "audios", "audio_url": "audios", "input_audio": "audios",
}  # fmt: skip
TEXTS = ("text", "input_text", "output_text")
EMBEDDED = "(embedded)"  # stands for the bytes of a picture that a row holds itself

Media = dict[str, tuple[str | tuple[str, ...], ...]]


def of_row(source: Source, fields: Mapping, texts: Sequence[str]) -> Media:
    """The media of a row by kind, each a path that exists (a film may be a tuple of them). Raises Problem.

    `fields` has the values of the columns, `texts` what is said in the row.
    """
    found = {}
    for kind, mark in MARKS.items():
        given = _listed(fields.get(kind))
        if not given and getattr(source.columns, kind) is None:
            continue
        count = sum(text.count(mark) for text in texts)
        if count != len(given):
            raise Problem("media_count", {"kind": kind, "count": len(given), "mark": mark, "marks": count})
        if given:
            found[kind] = tuple(_place(one, kind, source.media_dir) for one in given)
    return found


def lift(turns: list[dict], tag: str) -> dict[str, list]:
    """Turn the parts of a message (OpenAI's, and those of LLaMA-Factory's next format: `{"type", "value"}`) into text
    with marks, in place; gives the media that stood there. Raises Problem."""
    lifted: dict[str, list] = {}
    for number, turn in enumerate(turns, 1):
        if isinstance(turn.get(tag), list):
            calls = [_written(part) for part in turn[tag] if _kind(part) == "tool_call"]
            parts = [part for part in turn[tag] if _kind(part) != "tool_call"]
            turn[tag] = "".join(_part(part, number, tag, lifted) for part in parts)
            if calls:
                turn["tool_calls"] = f"[{', '.join(calls)}]"
    return lifted


def refuse(kinds: Iterable[str]) -> None:
    """Text-only training cannot use a row with media. Raises Problem."""
    for kind in kinds:
        raise Problem("media", {"column": kind})


def thought(text: str) -> str:
    """What was thought before an answer, as it stands in front of it."""
    return f"<think>\n{text}\n</think>\n\n"


def _part(part: object, number: int, tag: str, lifted: dict[str, list]) -> str:
    kind = _kind(part)
    if kind in TEXTS:
        return _written(part)
    if kind == "reasoning":
        return thought(_written(part))
    if kind not in PARTS:
        raise Problem("turn_not_text", {"turn": number, "tag": tag})
    value = part.get(kind) or part.get("url") or part.get("path") or part.get("value")
    value = (value.get("url") or value.get("path") or value) if isinstance(value, dict) else value
    lifted.setdefault(PARTS[kind], []).append(value)
    return MARKS[PARTS[kind]]


def _kind(part: object) -> str | None:
    return part.get("type") if isinstance(part, dict) else None


def _written(part: dict) -> str:
    return str(part.get("text") or part.get("value") or "")


def _listed(value: object) -> list:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _place(value: object, kind: str, folder: Path | None) -> str | tuple[str, ...]:
    if isinstance(value, list | tuple) and kind == "videos":
        return tuple(str(_place(frame, kind, folder)) for frame in value)
    if isinstance(value, bytes) or (isinstance(value, dict) and (value.get("bytes") or value.get("data"))):
        return EMBEDDED
    path = value.get("path") if isinstance(value, dict) else value
    if not isinstance(path, str) or "\0" in path:
        raise Problem("media_shape", {"kind": kind, "found": type(path).__name__})
    if path.startswith("data:"):
        return EMBEDDED
    place = (folder or Path()) / path
    if not _is_file(place):
        raise Problem("media_missing", {"file": path[:200], "folder": folder or Path.cwd()})
    return str(place)


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False
