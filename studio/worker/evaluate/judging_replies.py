"""What a judge's reply says: JSON as it was asked for, or the same in words; and what was said already, on the disk."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.data.asking import criteria
from studio.scoring import predictions

JUDGEMENTS = "judgements.jsonl"
OBJECT = re.compile(r"\{[^{}]*\}", re.DOTALL)
WINNER = re.compile(r"winner\s*[:：]\s*(?:(?:answer|response)[_ ]?|a\s+(?=tie))?(A|B|tie)\b", re.IGNORECASE)
MARKS = re.compile(r"""["'*`\[\]]""")  # of emphasis, of JSON
REASON = re.compile(r'"reason"\s*:\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)


@dataclass(frozen=True)
class Unit:
    """One thing to ask: about the line at `place`, alone or as one of a pair, in which ours is second if `swapped`."""

    place: int
    paired: bool
    swapped: bool
    words: str
    digest: str


@dataclass(frozen=True)
class Judgement:
    """What the judge said: a score, or who won ("A", "B", "tie"), and why."""

    value: float | str
    reason: str


def read_score(text: str) -> Judgement | None:
    """A score from 1 to 10 out of a judge's reply, as JSON or in words; None where there is none."""
    for found in _objects(text):
        score = found.get("score")
        score = criteria.read_score(score) if isinstance(score, str) else score
        if isinstance(score, int | float) and not isinstance(score, bool) and 1 <= score <= 10:
            return Judgement(float(score), str(found.get("reason") or ""))
    score = criteria.read_score(re.sub(r'["*`]', "", text))
    return Judgement(score, _reason(text)) if score is not None and score >= 1 else None


def read_winner(text: str) -> Judgement | None:
    """Who won ("A", "B" or "tie") out of a judge's reply; None where it does not say."""
    named = [f"winner: {one['winner']}" for one in _objects(text) if "winner" in one]
    found = WINNER.findall(MARKS.sub(" ", named[0] if named else text))
    if not found:
        return None
    return Judgement("tie" if found[-1].lower() == "tie" else found[-1].upper(), _reason(text))


def _objects(text: str) -> Iterator[dict]:
    """The JSON objects in a reply, the last one first: a reply may think aloud before it."""
    for words in reversed(OBJECT.findall(text)):
        if found := predictions.json_object(words):
            yield found


def _reason(text: str) -> str:
    found = REASON.search(text)
    return (found[1] if found else text).strip()[:2000]


def known(folder: Path, units: list[Unit]) -> dict[Unit, Judgement]:
    """What earlier starts have brought; a torn last line is cut off."""
    file = folder / JUDGEMENTS
    if not file.is_file():
        return {}
    data = file.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with file.open("r+b") as stream:
            stream.truncate(whole)
    said = {}
    for line in map(json.loads, data[:whole].splitlines()):
        value = line["winner"] if "winner" in line else line["score"]
        said[line["place"], line["swapped"], line["digest"]] = Judgement(value, line["reason"])
    keys = {unit: (unit.place, unit.swapped, unit.digest) for unit in units}
    return {unit: said[key] for unit, key in keys.items() if key in said}


def write_down(folder: Path, unit: Unit, judgement: Judgement) -> None:
    """Add a line for a reply that could be read."""
    name = "winner" if isinstance(judgement.value, str) else "score"
    line = {"place": unit.place, "swapped": unit.swapped, "digest": unit.digest, name: judgement.value}
    with (folder / JUDGEMENTS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line | {"reason": judgement.reason}, ensure_ascii=False) + "\n")
