"""What the form knows of a key, read off its one field: bounds, choices, help and where it belongs.

A field says it all in one place: `lora_rank: Annotated[int, Field(ge=1), Ui(tier="basic", when=LORA)] = 8` and its
English help as the docstring below. Labels, and help in other languages, are in `locales/` under `knobs.<key>`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from studio.config.values import Shape, prepare, shape_of

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Ui:
    """How a control shows: the step of its arrows, its tier, the condition that makes it matter, its lines of text."""

    step: float | None = None
    tier: Literal["basic", "advanced"] = "advanced"
    when: str = ""
    lines: int = 1


@dataclass(frozen=True)
class Knob:
    """One key of a job as the form sees it. `help` is English; `section` names its group (`sections.<name>`)."""

    key: str
    annotation: object
    default: object
    ge: float | None
    le: float | None
    gt: float | None
    lt: float | None
    choices: tuple[str, ...]
    help: str
    ui: Ui
    section: str

    @property
    def shape(self) -> Shape:
        """What it accepts: kinds of value, whether it may be empty, whether it is secret."""
        return shape_of(self.annotation)

    def prepare(self, value: object) -> object:
        """A value as people write it, in the form the key holds: a list for a comma string."""
        return prepare(value, self.annotation, self.ui.lines > 1)


@cache
def fields(job: "type[BaseModel]") -> dict[str, Knob]:
    """The keys of a job class (or of one section), section by section, in the order they are written."""
    sections = [base for base in (job, *job.__mro__) if isinstance(base.__dict__.get("section"), str)]
    return {
        key: _knob(key, section.model_fields[key], section.section)
        for section in dict.fromkeys(sections)
        for key in section.__annotations__
        if key in section.model_fields
    }


def applies(when: str, values: Mapping[str, object]) -> bool:
    """Whether a condition holds: `a=b`, `a=b|c`, `a!=b`, `a` (true or not empty), joined by ` & `. Empty: always."""
    return all(_holds(part.strip(), values) for part in when.split("&") if part.strip())


def _holds(part: str, values: Mapping[str, object]) -> bool:
    key, equals, wanted = part.partition("=")
    if not equals:
        return bool(values.get(key))
    words = {word.strip() for word in wanted.split("|")}
    value = values.get(key.rstrip("!").strip())
    held = {_word(item) for item in value} if isinstance(value, list | tuple) else {_word(value)}
    return bool(held & words) != key.endswith("!")


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _knob(key: str, field: "FieldInfo", section: str) -> Knob:
    bounds = {
        name: getattr(item, name) for item in field.metadata for name in ("ge", "le", "gt", "lt") if hasattr(item, name)
    }
    ui = next((item for item in field.metadata if isinstance(item, Ui)), Ui())
    return Knob(
        key=key,
        annotation=field.annotation,
        default=field.get_default(call_default_factory=True),
        **{name: bounds.get(name) for name in ("ge", "le", "gt", "lt")},
        choices=shape_of(field.annotation).choices,
        help=" ".join((field.description or "").split()),
        ui=ui,
        section=section,
    )
