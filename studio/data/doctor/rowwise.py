"""Checks that need one row alone."""

import re

from studio.data import unread
from studio.data.browse.salvage import Broken
from studio.data.doctor.finding import Tally
from studio.data.doctor.seen import Seen
from studio.data.problem import Problem
from studio.data.source import Source

CODES = ("unreadable", "broken", "turns", "empty", "unusable")
TURNS = ("roles", "no_answer", "no_question", "no_system_tag")
EMPTY = ("empty_answer", "empty_turn", "empty_text")
LONG_CHARS = 20_000
REFUSAL_CHARS = 200  # a refusal stands at the beginning of an answer
REFUSAL = re.compile(
    r"\bas an? (?:ai|artificial intelligence)(?: language)? (?:model|assistant)\b"
    r"|\bi(?:['’]m| am) (?:sorry|afraid),? (?:but )?(?:i|as an ai)\b.{0,40}\b(?:can['’]t|cannot|unable|not able)\b"
    r"|\bi (?:cannot|can['’]t|am unable to|won['’]t) (?:assist|help|fulfil|comply|provide|answer)"
    r"|作为(?:一个|一名|一款)?(?:人工智能|AI|ai)(?:语言|大语言)?(?:模型|助手)"
    r"|(?:抱歉|对不起)[，,]?(?:但)?(?:我|作为).{0,12}(?:无法|不能|没有能力)",
    re.IGNORECASE | re.DOTALL,
)


def usable(seen: Seen, tally: Tally) -> None:
    """Whether training can use the row."""
    problem = seen.row
    if not isinstance(problem, Problem):
        return
    if isinstance(seen.raw, Broken):
        code = "unreadable" if problem.code == "broken_end" else "broken"
    else:
        code = "turns" if problem.code in TURNS else "empty" if problem.code in EMPTY else "unusable"
    tally.add(code, seen.number, why=problem)


def placeholders(seen: Seen, tally: Tally) -> None:
    if seen.row.unfilled:
        names = ", ".join(f"{{{{{name}}}}}" for name in seen.row.unfilled)
        tally.add("placeholders", seen.number, names=names)


def echo(seen: Seen, tally: Tally) -> None:
    """An answer that only says the question again."""
    said = seen.said.strip()
    if said and said == seen.question.strip():
        tally.add("echo", seen.number, found=said[:60])


def equal_pair(seen: Seen, tally: Tally) -> None:
    """A pair whose answers do not differ: there is nothing to prefer."""
    worse, better = seen.row.rejected, seen.row.messages[-1] if seen.row.messages else {}
    if worse is not None and _said(worse) == _said(better):
        tally.add("equal_pair", seen.number, found=seen.said.strip()[:60])


def _said(message: dict) -> tuple:
    return (message.get("content") or "").strip(), message.get("tool_calls") or []


class Unread:
    """Gathers what rows hold beside what their set reads."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.names: dict[str, None] = {}

    def look(self, seen: Seen, tally: Tally) -> None:
        if found := unread.names(self.source, seen.raw):
            self.names |= dict.fromkeys(found)
            tally.add("unread", seen.number)

    def finish(self, tally: Tally) -> None:
        if self.names:
            tally.values["unread"] = {"names": ", ".join(self.names)}


def refusal(seen: Seen, tally: Tally) -> None:
    found = REFUSAL.search(seen.said[:REFUSAL_CHARS])
    if found:
        tally.add("refusal", seen.number, found=" ".join(found[0].split()))


def long(seen: Seen, tally: Tally) -> None:
    """Where nobody said for which model: so many characters are seldom meant."""
    if len(seen.text) > LONG_CHARS:
        tally.add("long", seen.number, length=len(seen.text), most=LONG_CHARS)
