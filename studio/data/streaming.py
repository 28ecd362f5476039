"""A JSON array read row by row: the memory of a block, the speed of the standard library's decoder. And lines of text,
none of them beyond measure.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, AnyStr

from studio.data import charset
from studio.errors import StudioError

BLOCK_CHARS = 1 << 20
CUT_CHARS = 16  # longer than any word of JSON that is not a string
SPACE = " \t\r\n"
MAX_ROW_CHARS = 1 << 27  # no row that is meant as one is longer; a file without line ends would fill the memory
UNFINISHED = ("true", "false", "null", "NaN", "Infinity", "-Infinity")


def array_items(file: Path, block_chars: int = BLOCK_CHARS) -> Iterator[object]:
    """The items of the array in `file`. Raises StudioError with line and column at the first that cannot be parsed."""
    text = _Window(file, block_chars)
    try:
        with file.open(encoding=charset.codec(file)) as stream:
            text.stream = stream
            text.expect("[")
            if text.peek() != "]":
                yield text.item()
                while text.peek() != "]":
                    text.expect(",")
                    yield text.item()
            text.expect("]")
            if text.skip_space():
                raise text.error("data_json_broken", "Extra data", text.position)
    except UnicodeDecodeError as error:
        raise StudioError("data_not_utf8", file=file, line=charset.bad_line(file), why=error.reason) from None


def lines(stream: IO[AnyStr], file: Path) -> Iterator[AnyStr]:
    """The lines of `file`, opened as `stream`, with their ends. Raises StudioError for one beyond measure."""
    number = 0
    while line := stream.readline(MAX_ROW_CHARS):
        number += 1
        if len(line) == MAX_ROW_CHARS:
            raise _too_long(file, number)
        yield line


def is_cut(error: Exception, text: str) -> bool:
    """Whether JSON is well written as far as it goes: the end of `text` is only not where it should be."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    left = text[error.pos :].strip(SPACE + "\0")  # a machine that broke down leaves zeros at the end
    in_string = error.msg.startswith("Unterminated") or (error.msg.startswith("Invalid \\u") and len(left) < CUT_CHARS)
    return in_string or any(word.startswith(left) for word in UNFINISHED)


def _too_long(file: Path, line: int) -> StudioError:
    return StudioError("data_line_too_long", file=file, line=line, limit_mib=MAX_ROW_CHARS >> 20)


def reason(error: Exception) -> str:
    """What is wrong with JSON that is well written but beyond measure: a number, or lists within lists."""
    return "nested too deeply" if isinstance(error, RecursionError) else getattr(error, "msg", "a number is too long")


class _Window:
    """The unread part of a file in memory, and where in the file it begins."""

    def __init__(self, file: Path, block_chars: int) -> None:
        self.file = file
        self.block_chars = block_chars
        self.stream = None
        self.text = ""
        self.position = 0
        self.lines_before = 0
        self.columns_before = 0
        self.decode = json.JSONDecoder().raw_decode

    def skip_space(self) -> str:
        """The next character that is not space; none at the end of the file."""
        while True:
            text, position = self.text, self.position
            while position < len(text) and text[position] in SPACE:
                position += 1
            self.position = position
            if position < len(text):
                return text[position]
            if not self._more():
                return ""

    def peek(self) -> str:
        """The same, but fails at the end of the file."""
        if found := self.skip_space():
            return found
        raise self.error("data_json_cut", "Unexpected end of file", self.position)

    def expect(self, wanted: str) -> None:
        if self.peek() != wanted:
            raise self.error("data_json_broken", f"Expecting '{wanted}'", self.position)
        self.position += 1

    def item(self) -> object:
        self.peek()
        while True:
            try:
                value, end = self.decode(self.text, self.position)
            except json.JSONDecodeError as error:
                # What the block's end cut through is reported near that end, or (a string) where it began.
                cut = error.pos > len(self.text) - CUT_CHARS or error.msg.startswith("Unterminated string")
                if cut and self._more():
                    continue
                key = "data_json_cut" if is_cut(error, self.text) else "data_json_broken"
                raise self.error(key, error.msg, error.pos) from None
            except (ValueError, RecursionError) as error:
                raise self.error("data_json_broken", reason(error), self.position) from None
            if end == len(self.text) and isinstance(value, int | float) and self._more():
                continue  # the block may have ended inside a number
            self.position = end
            return value

    def _more(self) -> bool:
        # Doubling keeps the repeated parsing of one long item linear.
        block = self.stream.read(max(self.block_chars, len(self.text) - self.position))
        if not block:
            return False
        passed = self.text[: self.position]
        if len(self.text) - self.position > MAX_ROW_CHARS:
            raise _too_long(self.file, 1 + self.lines_before + passed.count("\n"))
        self.lines_before += passed.count("\n")
        self.columns_before = len(passed) - passed.rfind("\n") - 1 + (self.columns_before if "\n" not in passed else 0)
        self.text = self.text[self.position :] + block
        self.position = 0
        return True

    def error(self, key: str, why: str, position: int) -> StudioError:
        passed = self.text[:position]
        line = 1 + self.lines_before + passed.count("\n")
        column = len(passed) - passed.rfind("\n") + (self.columns_before if "\n" not in passed else 0)
        return StudioError(key, file=self.file, line=line, column=column, why=why)
