"""A file of prompts answered into a file of predictions, in order, several at once; started again, it goes on.

    prompts        .txt: one a line; .jsonl or .json: a text each, or {"prompt"} {"instruction", "input"} {"messages"}
    predictions    .jsonl: {"index", "prompt", "predict", "label" …} a line, with what else the row had
                   .json: the same as a list, written at the end from the lines beside it (`.part`)
"""

import itertools
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio import endpoint, runs, terminal
from studio.errors import StudioError
from studio.runs import folder as files
from studio.text import Catalogue

PROMPT_KEYS = ("prompt", "question", "text", "query")
LABEL_KEYS = ("label", "output", "response", "answer")
BUSY, TRIES, PAUSE_S = 503, 60, 1.0


@dataclass(frozen=True)
class Prompt:
    """One row: what is asked (a text, or messages), and what else stood there."""

    asked: str | list[dict[str, Any]]
    rest: dict[str, Any]


@dataclass(frozen=True)
class Task:
    """Prompts and where their answers go. The first `done` are there already; `template` off sends the bare text."""

    file: Path
    prompts: list[Prompt]
    done: int
    template: bool = True
    at_once: int = 8


def read(path: Path) -> list[Prompt]:
    """The prompts of a file; empty lines are none. Raises StudioError with the line that is wrong."""
    try:
        words = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StudioError("prompts_unreadable", path=path, reason=error) from None
    if path.suffix.lower() == ".json":
        listed = _parsed(path, 1, words)
        if not isinstance(listed, list):
            raise StudioError("prompts_no_list", path=path)
        rows = list(enumerate(listed, start=1))
    else:
        lines = [(number, line) for number, line in enumerate(words.split("\n"), start=1) if line.strip()]
        as_json = path.suffix.lower() == ".jsonl"
        rows = [(number, _parsed(path, number, line) if as_json else line) for number, line in lines]
    if not rows:
        raise StudioError("prompts_none", path=path)
    return [_prompt(path, number, row) for number, row in rows]


def written(path: Path, prompts: list[Prompt]) -> int:
    """How many answers an earlier start has left there; a torn last line is cut off.

    Raises StudioError where they answer other prompts, or the file cannot be written.
    """
    if path.suffix.lower() not in (".jsonl", ".json"):
        raise StudioError("predictions_suffix", path=path)
    if path.suffix.lower() == ".json" and path.exists():
        raise StudioError("predictions_there", path=path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(_lines(path), "ab+") as file:
            file.seek(0)
            data = file.read()
            whole = data.rfind(b"\n") + 1
            file.truncate(whole)
    except OSError as error:
        raise StudioError("folder_unwritable", path=path, reason=error.strerror or error) from error
    lines = data[:whole].splitlines()
    for place, line in enumerate(lines):
        if place >= len(prompts) or _prompt_of(line) != prompts[place].asked:
            raise StudioError("predictions_other", path=_lines(path), line=place + 1)
    return len(lines)


def predict(run: runs.Run, task: Task, t: Catalogue) -> int:
    """Have the server of the run answer all that is left. Returns the exit code: 1 where prompts were refused."""
    there = endpoint.of(run.folder)
    if there is None:
        raise StudioError("server_ended", run=run.id, reason=run.reason(t) or t(f"states.{run.state}"))
    total, refused, began_s = len(task.prompts), 0, time.monotonic()
    screen = terminal.Screen(sys.stderr)
    if task.done:
        screen.line(t("predicting.resumed", count=task.done, total=total))
    try:
        with open(_lines(task.file), "a", encoding="utf-8") as file:
            for place, answer in enumerate(_answers(there, task), start=task.done + 1):
                file.write(json.dumps(answer, ensure_ascii=False) + "\n")
                file.flush()
                refused += answer["predict"] is None
                _show(screen, t, place, total, (place - task.done) / (time.monotonic() - began_s))
    except (KeyboardInterrupt, StudioError):
        screen.line(t("predicting.cut", path=_lines(task.file)))
        raise
    _finish(task.file)
    screen.line(t("predicting.done", count=total, path=task.file))
    if refused:
        screen.line(t("predicting.refused", count=refused))
    return 1 if refused else 0


def _answers(there: endpoint.Endpoint, task: Task) -> Iterator[dict[str, Any]]:
    """The lines that are still to be written, in order; so many are asked for at once."""
    live: set[endpoint.Answer] = set()
    waiting: list[Future] = []
    left = enumerate(task.prompts[task.done :], start=task.done)
    pool = ThreadPoolExecutor(task.at_once)
    try:
        while True:
            while len(waiting) < 2 * task.at_once and (found := next(left, None)):
                waiting.append(pool.submit(_answer, there, *found, task.template, live))
            if not waiting:
                return
            yield waiting.pop(0).result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for answer in list(live):
            answer.close()


def _answer(there: endpoint.Endpoint, index: int, prompt: Prompt, template: bool, live: set) -> dict[str, Any]:
    """One line. A prompt the server refuses has no prediction and says why."""
    line = {"index": index, "prompt": prompt.asked, "predict": None, **prompt.rest}
    for attempt in itertools.count(1):
        answer = _asked(there, prompt, template)
        live.add(answer)
        try:
            deltas = list(answer)
        except StudioError as error:
            if error.key != "endpoint_refused":
                raise
            if error.values["status"] != BUSY or attempt == TRIES:
                return line | {"error": str(error.values["reason"])}
            time.sleep(PAUSE_S)
            continue
        finally:
            live.discard(answer)
        thought = "".join(delta.reasoning for delta in deltas)
        line["predict"] = "".join(delta.text for delta in deltas)
        return line | ({"reasoning": thought} if thought else {})


def _asked(there: endpoint.Endpoint, prompt: Prompt, template: bool) -> endpoint.Answer:
    messages = prompt.asked if isinstance(prompt.asked, list) else [{"role": "user", "content": prompt.asked}]
    if template:
        return there.chat(messages)
    return there.complete(prompt.asked if isinstance(prompt.asked, str) else str(messages[-1].get("content", "")))


def _lines(path: Path) -> Path:
    """Where the answers gather."""
    return path if path.suffix.lower() == ".jsonl" else path.with_name(f"{path.name}.part")


def _prompt_of(line: bytes) -> object:
    try:
        return json.loads(line)["prompt"]
    except (ValueError, KeyError, TypeError):
        return None


def _finish(path: Path) -> None:
    """A list of what has gathered, where the file is to hold one."""
    lines = _lines(path)
    if lines != path:
        found = [json.loads(line) for line in lines.read_bytes().splitlines()]
        files.write_text_atomic(path, json.dumps(found, ensure_ascii=False, indent=2) + "\n")
        lines.unlink()


def _parsed(path: Path, number: int, words: str) -> Any:
    try:
        return json.loads(words)
    except ValueError as error:
        raise StudioError("prompts_wrong", path=path, line=number, reason=error) from None


def _prompt(path: Path, number: int, row: Any) -> Prompt:
    if isinstance(row, str):
        return Prompt(row, {})
    if not isinstance(row, dict):
        raise StudioError("prompts_wrong", path=path, line=number, reason=type(row).__name__)
    used = {"messages"} if row.get("messages") else {"instruction", "input"} if row.get("instruction") else set()
    if row.get("messages"):
        asked = row["messages"]
        if not isinstance(asked, list) or not all(isinstance(message, dict) for message in asked):
            raise StudioError("prompts_wrong", path=path, line=number, reason="messages")
    elif row.get("instruction"):
        asked = "\n".join(_words(path, number, row[key]) for key in ("instruction", "input") if row.get(key))
    else:
        key = next((key for key in PROMPT_KEYS if isinstance(row.get(key), str)), None)
        if key is None:
            raise StudioError("prompts_wrong", path=path, line=number, reason=", ".join(row))
        asked, used = row[key], {key}
    rest = {key: value for key, value in row.items() if key not in (*used, "index", "predict", "prompt")}
    label = next((key for key in LABEL_KEYS if key in rest), None)
    return Prompt(asked, rest | ({"label": rest.pop(label)} if label else {}))


def _words(path: Path, number: int, value: Any) -> str:
    """A text; a number is one too."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise StudioError("prompts_wrong", path=path, line=number, reason=type(value).__name__)
    return str(value)


def _show(screen: terminal.Screen, t: Catalogue, place: int, total: int, rate: float) -> None:
    words = [terminal.drawn(place / total), f"{place}/{total}", t("predicting.rate", value=f"{rate:.1f}")]
    left = t("terminal.time_left", clock=terminal.clock((total - place) / rate)) if rate else ""
    screen.bar("  ".join([*words, left]))
    if not screen.is_terminal and 10 * place // total > 10 * (place - 1) // total:
        screen.line(f"{place}/{total}")
