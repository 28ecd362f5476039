"""Words to values, by the type of a key."""

from typing import Literal

import pytest
from pydantic_core import PydanticCustomError

from studio.config.values import parse_scalar, prepare


@pytest.mark.parametrize(
    ("value", "annotation", "wanted"),
    [
        ("5e-5", float, 5e-5),
        ("1e3", int, 1000.0),  # pydantic takes a whole float as int
        (" 12 ", int, 12),
        ("0.1", int | float, 0.1),
        ("500", int | float, 500),
        ("none", int | None, None),
        ("", float | None, None),
        ("a, b,,c ", list[str], ["a", "b", "c"]),
        ("[a, 'b,c']", list[str], ["a", "b,c"]),
        ("null", list[str], []),
        (None, list[str], []),
        ("0.7,0.3", list[float], ["0.7", "0.3"]),
        (3, list[int], [3]),
        ("{a: 1}", dict[str, int] | None, {"a": 1}),
        (None, dict[str, str], {}),
        ("001", str | None, "001"),
        ("No", Literal["no", "steps"], "no"),
        (False, Literal["no", "steps", "epoch"], "no"),
        (True, Literal["auto", "disabled", "fa2"], "fa2"),
        (False, list[Literal["wandb"]], []),
        (["none"], list[Literal["wandb"]], []),
        ("None", Literal["linear"] | None, None),
        ("true", bool | str | None, True),
        ("out/checkpoint-5", bool | str | None, "out/checkpoint-5"),
        ("False", bool, "False"),  # pydantic reads it
        ("words", int, "words"),  # pydantic refuses it
    ],
)
def test_prepare(value, annotation, wanted):
    found = prepare(value, annotation)
    assert found == wanted
    assert type(found) is type(wanted)


def test_sentences_are_not_split_at_commas():
    assert prepare("Hello, who are you?\n\nAnd why?", list[str], lines=True) == ["Hello, who are you?", "And why?"]


def test_a_yes_is_not_a_number():
    for annotation in (int, float, int | float | None):
        with pytest.raises(PydanticCustomError):
            prepare(True, annotation)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("1e-4", 1e-4),
        ("true", True),
        ("a: b", "a: b"),
        ("x #y", "x #y"),
        ("'5'", "5"),
        ("{a: 1}", {"a": 1}),
        ("[", "["),
    ],
)
def test_parse_scalar(words, wanted):
    assert parse_scalar(words) == wanted
