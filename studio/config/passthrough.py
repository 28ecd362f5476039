"""Keys of Transformers' training arguments that have no control: name, type and default, from `passthrough.yaml`.

The table is generated from the installed library (`python -m tests.config.make_passthrough`), so that a job can be
checked without it. Their values live in `job.extra` and reach the trainer unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, reduce
from operator import or_
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from studio.config.files import parse
from studio.config.problems import ConfigError, Problem, from_pydantic
from studio.config.values import prepare

FILE = Path(__file__).with_suffix(".yaml")
_TYPES = {
    "bool": bool, "int": int, "float": float, "str": str, "dict": dict[str, Any], "list[str]": list[str], "None": None,
}  # fmt: skip
_LENIENT = ConfigDict(coerce_numbers_to_str=True, allow_inf_nan=False)


@dataclass(frozen=True)
class PassThrough:
    """A key that reaches the trainer as it is. `annotation` is its Python type."""

    key: str
    annotation: object
    default: object

    def check(self, value: object) -> object:
        """The value in its type; `ConfigError` at the key otherwise."""
        try:
            adapter = TypeAdapter(self.annotation, config=_LENIENT)
            return adapter.validate_python(prepare(value, self.annotation))
        except ValidationError as error:
            raise ConfigError([Problem(self.key, found.code, found.values) for found in from_pydantic(error)]) from None


@cache
def table() -> Mapping[str, PassThrough]:
    """All pass-through keys by name."""
    entries = parse(FILE.read_text("utf-8"))
    return {key: PassThrough(key, _annotation(entry["type"]), entry["default"]) for key, entry in entries.items()}


def _annotation(words: str | list[str]) -> object:
    if isinstance(words, list):
        return Literal[tuple(words)]
    return reduce(or_, [_TYPES[name] for name in words.split(" | ")])
