"""Whatever a run tells has words in every language, with all their values."""

import ast
import re
import string
from pathlib import Path

import pytest

from studio import runs, text
from studio.runs import endings, reasons, states

SOURCES = list(Path(runs.__file__).parent.glob("*.py"))
CALLED = {"reason": "errors.", "reasons.reason": "errors.", "_notice": "notices."}
STATES = ["failed", "stopped", "lost", "unknown", "deleted"]  # in which a need keeps others from starting


def told():
    """(key of the words, names of the values given) of each reason and notice in the code."""
    for node in (node for file in SOURCES for node in ast.walk(ast.parse(file.read_text("utf-8")))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CALLED and isinstance(node.args[0], ast.Constant):
            yield CALLED[ast.unparse(node.func)] + node.args[0].value, {word.arg for word in node.keywords}


@pytest.mark.parametrize("language", text.languages())
def test_words_for_all_that_is_told(language):
    found, words = dict(told()), text.catalogue(language).words
    assert len(found) > 10
    for key, given in found.items():
        assert {name for _, name, _, _ in string.Formatter().parse(words[key]) if name} <= given, key
    assert not [state for state in STATES if f"errors.need_{state}" not in words]
    assert not [state for state in ("held", *states.ENDED, "lost") if f"terminal.{state}" not in words]
    assert not [state for state in states.TRANSITIONS if f"states.{state}" not in words]


@pytest.mark.parametrize("code, key", [(1, "worker_failed"), (-9, "worker_killed"), (-11, "worker_crashed"),
                                       (-15, "worker_signalled"), (-64, "worker_signalled"), (4, "worker_failed")])
def test_every_end_has_a_sentence(tmp_path, code, key):
    ending = endings.ending(tmp_path, code, forced=False)
    assert ending.state == "failed" and ending.error["key"] == key
    for language in text.languages():
        assert not re.search(r"[{}]", reasons.sentence(ending.error, text.catalogue(language)))


def test_a_cause_is_told_in_the_same_language():
    inner = reasons.reason("worker_failed", code=7, path="/x")
    outer = reasons.reason("need_not_met", need="a/b", cause=inner)
    assert "退出码 7" in reasons.sentence(outer, text.catalogue("zh")) and "exit code 7" in outer["text"]
