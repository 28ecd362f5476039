"""One lookup for every key a file or a command line may hold; it falls into exactly one of four tables."""

from dataclasses import dataclass
from difflib import get_close_matches

from studio.config import passthrough
from studio.config.aliases import ALIASES, Alias
from studio.config.job import JOBS
from studio.config.knobs import Knob, fields
from studio.config.passthrough import PassThrough
from studio.config.problems import ConfigError, Problem
from studio.config.refused import REFUSED, Refused


@dataclass(frozen=True)
class Field:
    """A key of the job itself."""

    knob: Knob


def resolve(key: str, verb: str = "train") -> Field | PassThrough | Alias | Refused:
    """What `key` means to `verb`. `ConfigError` for an unknown key, naming the nearest known one."""
    knobs = fields(JOBS[verb])
    if key in knobs:
        return Field(knobs[key])
    if verb == "train":
        for table in (passthrough.table(), ALIASES, REFUSED):
            if key in table:
                return table[key]
    elif key in ALIASES and ALIASES[key].to in knobs:
        return ALIASES[key]
    raise ConfigError([_unknown(key, [*knobs, *(passthrough.table() if verb == "train" else ())])])


def _unknown(key: str, known: list[str]) -> Problem:
    near = get_close_matches(key.lower().replace("-", "_"), known, n=1, cutoff=0.7)
    return Problem(key, "unknown", {"nearest": near[0]}) if near else Problem(key, "unknown_far")
