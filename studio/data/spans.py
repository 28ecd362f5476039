"""What the assistant says, found in a template that does not mark it.

A turn begins where the prompt before it ends and reaches to the end of the conversation cut after it, as long as both
are beginnings of the whole text. Templates for thinking models rewrite earlier turns (they drop the thoughts), so there
the answer is looked for by its words, and its end by what follows the last answer.
"""

from collections.abc import Callable, Sequence

from studio.data.problem import Problem

Run = Callable[[list[dict], bool], str]


def locate(text: str, messages: Sequence[dict], run: Run) -> tuple[tuple[tuple[int, int], ...], int]:
    """Character ranges of the assistant's turns in `text`, and how many could not be found.

    `run(messages, add_generation_prompt)` renders. Raises Problem if the last turn is not found: without it nothing
    would be learned, or something else.
    """
    turns = [index for index, message in enumerate(messages) if message["role"] == "assistant"]
    last = _last(text, messages, turns[-1], run)
    found: list[tuple[int, int]] = []
    missed = 0
    for index in turns[:-1]:
        span = _span(text, messages, index, run, _tail(text, last, messages[turns[-1]]))
        if span and span[1] <= last[0] and (not found or span[0] >= found[-1][1]):
            found.append(span)
        else:
            missed += 1
    return (*found, last), missed


def _last(text: str, messages: Sequence[dict], index: int, run: Run) -> tuple[int, int]:
    end = len(text) if index == len(messages) - 1 else None
    if end is None:
        cut = run(list(messages[: index + 1]), False)
        end = len(cut) if text.startswith(cut) else None
    start = _start(text, messages, index, run)
    if start is None or end is None or end <= start:
        raise Problem("template_spans", {})
    return start, end


def _start(text: str, messages: Sequence[dict], index: int, run: Run) -> int | None:
    prompt = run(list(messages[:index]), True)
    if text.startswith(prompt):
        return len(prompt)
    # The generation prompt may open a thought that a finished turn does not show.
    before = run(list(messages[:index]), False)
    words = _words(messages[index])
    at = text.find(words, len(before)) if words and text.startswith(before) else -1
    return at if at >= 0 else None


def _span(text: str, messages: Sequence[dict], index: int, run: Run, tail: str) -> tuple[int, int] | None:
    start = _start(text, messages, index, run)
    if start is None:
        return None
    cut = run(list(messages[: index + 1]), False)
    if text.startswith(cut):
        return start, len(cut)
    words = _words(messages[index])
    at = text.find(words + tail, start) if words and tail else -1
    return (start, at + len(words) + len(tail)) if at >= 0 else None


def _tail(text: str, last: tuple[int, int], message: dict) -> str:
    """What follows the words of an answer: the end token, and often a line break."""
    words = _words(message)
    at = text.rfind(words, *last) if words else -1
    return text[at + len(words) : last[1]] if at >= 0 else ""


def _words(message: dict) -> str:
    """The answer without its thoughts, which templates drop from earlier turns."""
    return str(message.get("content") or "").split("</think>")[-1].strip()
