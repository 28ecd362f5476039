"""The command line of a job: a file first, `--config FILE`, `--preset NAME` or flags alone; then `key=value`,
`--key=value`, `--key value`, `--flag` and `--no_flag`. Values stay text here; each key knows how to read its own.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from studio.config.aliases import Alias
from studio.config.files import SUFFIXES
from studio.config.lookup import Field, resolve
from studio.config.passthrough import PassThrough
from studio.config.problems import ConfigError, Problem
from studio.config.refused import Refused
from studio.config.values import shape_of

_ASSIGNMENT = re.compile(r"([A-Za-z_][\w.\-]*)=(.*)", re.DOTALL)
_BOOLEANS = ("true", "false", "yes", "no", "on", "off", "1", "0")


@dataclass
class Arguments:
    """What a command line says, before it is checked."""

    file: Path | None = None
    preset: str | None = None
    values: dict[str, object] = field(default_factory=dict)

    def put(self, key: str, value: object) -> None:
        """One `key` and its text; `config` and `preset` are the command line's own."""
        if key == "config":
            self.file = Path(str(value)).expanduser()
        elif key == "preset":
            self.preset = str(value)
        else:
            self.values[key] = value


def parse(argv: Sequence[str], verb: str = "train") -> Arguments:
    """Reads `argv` (without the command). `ConfigError` names a word that is neither a key nor a value."""
    found = Arguments()
    words = list(argv)
    if words and _is_file(words[0]):
        found.put("config", words.pop(0))
    while words:
        word = words.pop(0)
        if word.startswith("--") and len(word) > 2:
            _flag(word[2:], words, found, verb)
        elif match := _ASSIGNMENT.fullmatch(word):
            found.put(_key(match[1]), match[2])
        else:
            raise ConfigError([Problem(word, "unexpected_word")])
    return found


def _is_file(word: str) -> bool:
    return not word.startswith("-") and (Path(word).suffix.lower() in SUFFIXES or "=" not in word)


def _key(name: str) -> str:
    head, dot, rest = name.partition(".")
    return head.replace("-", "_") + dot + rest


def _flag(flag: str, words: list[str], found: Arguments, verb: str) -> None:
    """`--key=value`, or `--key` with the words after it that are its value."""
    name, equals, value = flag.partition("=")
    key = _key(name)
    if equals:
        found.put(key, value)
    elif key in ("config", "preset"):
        found.put(key, _values(words, verb, many=False) or _no_value(name))
    elif _is_switch(key, verb):
        found.put(key, words.pop(0) if words and words[0].lower() in _BOOLEANS else "true")
    elif _is_switch(key.removeprefix("no_"), verb) and key.startswith("no_"):
        found.put(key.removeprefix("no_"), "false")
    else:
        annotation = _annotation(key, verb)
        many = annotation is not None and list in shape_of(annotation).kinds
        value = _values(words, verb, many)
        found.put(key, value or ("true" if annotation is None else _no_value(name)))


def _values(words: list[str], verb: str, many: bool) -> str | list[str] | None:
    """The next word, for a list the next words, up to another flag or `key=value`; they leave `words`."""
    taken: list[str] = []
    while words and (many or not taken):
        assignment = _ASSIGNMENT.fullmatch(words[0])
        if words[0].startswith("--") or (assignment and _known(_key(assignment[1]), verb)):
            break
        taken.append(words.pop(0))
    return taken if len(taken) > 1 else taken[0] if taken else None


def _no_value(name: str) -> NoReturn:
    raise ConfigError([Problem(f"--{name}", "no_value")])


def _known(key: str, verb: str) -> Field | PassThrough | Alias | Refused | None:
    try:
        return resolve(key.partition(".")[0], verb)
    except ConfigError:
        return None


def _annotation(key: str, verb: str) -> object:
    """The type of a key, or of the key an alias stands for; None where there is none to go by."""
    match _known(key, verb):
        case Field(knob):
            return knob.annotation
        case PassThrough(annotation=annotation):
            return annotation
        case Alias(to=to) if to:
            return _annotation(to, verb)
    return None


def _is_switch(key: str, verb: str) -> bool:
    """Whether the key is a plain yes/no, whose flag may stand alone before other words."""
    found = _known(key, verb)
    if isinstance(found, Refused):
        return isinstance(found.off, bool)
    annotation = _annotation(key, verb)
    plain = annotation is not None and shape_of(annotation).kinds == {bool}
    return plain or (isinstance(found, Alias) and found.switch)
