"""What all sections share: unknown keys are errors, help is the docstring under a field, values are read leniently."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from studio.config.knobs import Ui
from studio.config.values import prepare


class Section(BaseModel):
    """A group of keys that are set together. `section` names it in `locales/` (`sections.<name>`)."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
        defer_build=True,
        allow_inf_nan=False,
    )
    section: ClassVar[str | None] = None

    @field_validator("*", mode="before")
    @classmethod
    def _prepare(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[info.field_name]
        lines = any(isinstance(item, Ui) and item.lines > 1 for item in field.metadata)
        return prepare(value, field.annotation, lines)
