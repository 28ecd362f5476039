"""The words: every language has the same keys and placeholders, and what the code asks for is there."""

import ast
import re
import string
from pathlib import Path

import pytest

from studio import text
from studio.errors import StudioError

SOURCES = sorted((Path(text.__file__).parent).rglob("*.py"))
HELP = re.compile(r"knobs\.\w+\.help")  # in English the docstring of the field says it
OTHERS = [language for language in text.languages() if language != text.ENGLISH]


def placeholders(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


def calls(*names: str):
    """(place, key, given values or None where they are not all named) of each call with a literal key."""
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) in names and node.args):
                continue
            key = node.args[0]
            given = {keyword.arg for keyword in node.keywords}
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield f"{file.name}:{node.lineno}", key.value, None if None in given else given


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_keys(language):
    english, other = set(text.catalogue().words), set(text.catalogue(language).words)
    assert {key for key in english ^ other if not HELP.fullmatch(key)} == set()


@pytest.mark.parametrize("language", OTHERS)
def test_placeholders_agree(language):
    english, other = text.catalogue().words, text.catalogue(language).words
    shared = english.keys() & other.keys()
    assert {key for key in shared if placeholders(english[key]) != placeholders(other[key])} == set()


def assert_spoken(prefix: str, *names: str) -> None:
    """Each call's key has words, and no placeholder of the words stays empty."""
    words = text.catalogue().words
    asked = [(place, prefix + key, given) for place, key, given in calls(*names)]
    missing = [f"{place}: no words for {key}" for place, key, _ in asked if key not in words]
    missing += [f"{place}: {key} needs {lack}" for place, key, given in asked if given is not None
                for lack in sorted(placeholders(words.get(key, "")) - given)]
    assert not missing, "\n" + "\n".join(missing)


def test_every_error_has_words_and_values():
    assert_spoken("errors.", "StudioError", "errors.StudioError")


def test_every_sentence_asked_for_is_there():
    assert_spoken("", "t", "self.t")


def test_a_language_falls_back_on_english():
    english = text.Catalogue("en", {"a": "yes {name}"})
    other = text.Catalogue("xx", {}, fallback=english)
    assert other("a", name="you") == "yes you" and "a" in other and "b" not in other
    with pytest.raises(KeyError):
        other("b")


def test_braces_stay_where_no_value_is_given():
    assert text.Catalogue("en", {"a": "{{name}} and {x}"})("a") == "{{name}} and {x}"


@pytest.mark.parametrize("variables, language", [
    ({"STUDIO_LANG": "zh"}, "zh"), ({"LANG": "zh_CN.UTF-8"}, "zh"), ({"LC_ALL": "en_US", "LANG": "zh_CN"}, "en"),
    ({"LANG": "tlh"}, "en"), ({}, "en"),
])
def test_language_of_the_terminal(monkeypatch, variables, language):
    for name in ("STUDIO_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert text.preferred_language() == language


def test_an_error_speaks_both_languages():
    error = StudioError("bug", reason="x")
    assert error.text(text.catalogue("zh")) != str(error) and "x" in str(error)
