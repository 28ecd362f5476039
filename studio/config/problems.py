"""What is wrong with a job, or worth telling about it: one `Problem` or `Notice` each, with its words in `locales/`.

A problem stands at its key, so that the form can mark the control. Values of secrets never enter either.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr, ValidationError

from studio import text
from studio.errors import StudioError


@dataclass(frozen=True)
class Problem:
    """One thing that keeps a job from starting: `code` names its words (`errors.config_<code>`)."""

    key: str
    code: str
    values: Mapping[str, object] = field(default_factory=dict)

    def text(self, t: text.Catalogue) -> str:
        """The sentence in the catalogue's language."""
        values = dict(self.values)
        if "expected" in values:
            values["expected"] = t(f"errors.config_type_{values['expected']}")
        return t(f"errors.config_{self.code}", knob=self.key, **values)


@dataclass(frozen=True)
class Notice:
    """One thing a reader of a job should know; the job runs. `code` names its words (`notices.<code>`)."""

    code: str
    values: Mapping[str, object] = field(default_factory=dict)

    def text(self, t: text.Catalogue) -> str:
        """The sentence in the catalogue's language."""
        return t(f"notices.{self.code}", **self.values)


class ConfigError(StudioError):
    """One or more problems of a job, each at its key."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__("config")
        self.problems = tuple(problems)

    def text(self, t: text.Catalogue) -> str:
        """One line a problem."""
        return "\n".join(problem.text(t) for problem in self.problems)


def from_pydantic(error: ValidationError) -> list[Problem]:
    """pydantic's findings as problems, one a key. Where a whole number or any other will do, `float` says it."""
    found: dict[str, dict] = {}
    for item in error.errors(include_url=False):
        key = str(item["loc"][0]) if item["loc"] else ""
        if key not in found or item["type"].startswith("float"):
            found[key] = item
    return [_problem(key, item) for key, item in found.items()]


_BOUNDS = {
    "greater_than_equal": ("too_small", "ge"),
    "greater_than": ("not_above", "gt"),
    "less_than_equal": ("too_big", "le"),
    "less_than": ("not_below", "lt"),
}
_EXPECTED = ("bool", "int", "float", "list", "dict", "string", "finite")


def _problem(key: str, item: dict) -> Problem:
    kind, given, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "missing" or (given is None and kind.endswith("_type")):
        return Problem(key, "missing")
    if kind == "extra_forbidden":
        return Problem(key, "unknown_far")
    shown = show(given)
    if kind in _BOUNDS:
        code, bound = _BOUNDS[kind]
        return Problem(key, code, {"bound": f"{context[bound]:g}", "value": shown})
    if kind == "literal_error":
        choices = context["expected"].replace("'", "").replace(" or ", " / ").replace(", ", " / ")
        return Problem(key, "not_a_choice", {"choices": choices, "value": shown})
    expected = "int" if kind == "int_from_float" else kind.split("_")[0]
    return Problem(key, "wrong_type", {"expected": expected if expected in _EXPECTED else "other", "value": shown})


def show(value: object) -> str:
    """A value for a sentence: short, as YAML writes it, a secret masked."""
    plain = str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, str | SecretStr) else ""
    words = plain or repr(value)
    return words if len(words) <= 60 else words[:57] + "…"
