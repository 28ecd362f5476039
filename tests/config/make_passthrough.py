"""Writes `studio/config/passthrough.yaml` from the installed Transformers: `python -m tests.config.make_passthrough`.

A test compares the file with what `dump` gives.
"""

import dataclasses
import enum
import types
import typing

import yaml

from studio.config.aliases import ALIASES
from studio.config.job import TrainJob
from studio.config.knobs import fields
from studio.config.passthrough import FILE
from studio.config.refused import REFUSED

HEAD = "# Made from Transformers' TrainingArguments by `python -m tests.config.make_passthrough`. Not edited by hand.\n"
PLAIN = {bool: "bool", int: "int", float: "float", str: "str", dict: "dict", type(None): "None"}


def make() -> dict[str, dict[str, object]]:
    """The training arguments that no field, alias or refusal speaks for: type and default of each."""
    from transformers import TrainingArguments

    known = {*fields(TrainJob), *ALIASES, *REFUSED}
    found = {field.name: field for field in dataclasses.fields(TrainingArguments) if field.name not in known}
    return {name: {"type": type_of(field.type), "default": default_of(field)} for name, field in sorted(found.items())}


def type_of(annotation: object) -> str | list[str]:
    """A type as the table writes it: `int | None`, or the list of words an enumeration allows."""
    members = typing.get_args(annotation) if is_union(annotation) else (annotation,)
    enums = [member for member in members if isinstance(member, type) and issubclass(member, enum.Enum)]
    if enums:
        return [item.value for item in enums[0]]
    names = {name for member in members for name in words_of(member)}
    return " | ".join(sorted(names, key=[*PLAIN.values(), "list[str]"].index))


def words_of(member: object) -> list[str]:
    if typing.get_origin(member) is typing.Literal:
        return [PLAIN[type(choice)] for choice in typing.get_args(member)]
    if typing.get_origin(member) is list:
        return ["list[str]"]
    return [PLAIN[typing.get_origin(member) or member]]


def is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


def default_of(field: dataclasses.Field) -> object:
    value = field.default_factory() if field.default is dataclasses.MISSING else field.default
    return value.value if isinstance(value, enum.Enum) else value


def dump() -> str:
    return HEAD + yaml.safe_dump(make(), sort_keys=False, default_flow_style=None, width=120)


if __name__ == "__main__":
    FILE.write_text(dump(), "utf-8")
