"""What an entry says that has no effect, or another one than was meant, is told before it bites."""

import json

import pytest

from studio import paths
from studio.data import registry
from studio.text import catalogue

CHAT = {"file_name": "a.json", "formatting": "sharegpt"}
TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
PAIR = {"prompt": "q", "chosen": "good", "rejected": "bad"}


@pytest.mark.parametrize(
    ("entry", "codes"),
    [
        ({"file_name": "a.json"}, []),
        ({"file_name": "a.json", "format": "sharegpt"}, ["unknown_key"]),
        ({"file_name": "a.json", "license": "mit"}, []),
        ({"file_name": "a.json", "columns": {"promt": "q"}}, ["unknown_key", "null_prompt"]),
        ({"file_name": "a.json", "columns": {"prompt": "text"}}, []),
        ({"file_name": "a.json", "columns": {"prompt": "q", "system": "s"}}, ["no_response"]),
        ({"file_name": "a.json", "columns": {"prompt": "q", "response": "a"}}, []),
        (CHAT | {"columns": {"system": "s"}}, ["null_messages"]),
        (CHAT | {"tags": TAGS}, ["no_system_tag"]),
        (CHAT | {"tags": TAGS | {"system_tag": "system"}}, []),
        (CHAT | {"tags": {"role_tag": "role", "system_tag": "s"}}, ["null_tag"]),
        (CHAT | {"columns": {"messages": "m", "tools": "t"}, "tags": TAGS}, ["no_system_tag", "no_tool_tags"]),
        ({"file_name": "a.json", "formatting": "openai"}, ["openai_thinking"]),
        ({"file_name": "a.json", "columns": PAIR}, ["ranking_missing"]),
        ({"file_name": "a.json", "columns": PAIR, "ranking": True}, []),
        ({"file_name": "a.json", "columns": {"prompt": "q"}, "ranking": True}, ["ranking_empty"]),
        ({"file_name": "a.json", "columns": PAIR | {"kto_tag": "l"}, "ranking": True}, ["ranking_and_kto"]),
        ({"file_name": "a.json", "split": "test"}, ["only_hub"]),
        ({"file_name": "a.json", "hf_hub_url": "o/n"}, ["hub_first"]),
        ({"script_url": "s"}, ["script"]),
        ({"file_name": "aa.json"}, ["file_missing"]),
        ("not an entry", []),
    ],
)
def test_traps_are_told(put, tmp_path, entry, codes):
    put("a.json", "[]")
    found = registry.lint("mine", entry, tmp_path)
    assert [notice.code for notice in found] == [f"lint_{code}" for code in codes]
    for notice in found:
        for language in ("en", "zh"):
            words = notice.text(catalogue(language))
            assert "mine" in words and "{" not in words


def test_nearest_names_are_offered(put, tmp_path):
    put("poems.json", "[]")
    notices = registry.lint("a", {"file_name": "poem.json", "colums": {}}, tmp_path)
    assert [notice.values["nearest"] for notice in notices] == ["columns", "poems.json"]


def test_a_run_is_told_what_is_sure(put, tmp_path):
    put("dataset_info.json", {"a": CHAT | {"tags": TAGS, "colums": {}}})
    assert [notice.code for notice in registry.find("a", tmp_path).notices] == ["lint_unknown_key"]


def test_the_shipped_registry_has_no_trap():
    place = paths.resource("data")
    entries = json.loads((place / registry.INFO).read_text("utf-8"))
    harmless = ("lint_no_system_tag",)  # sets of a hub that have no system message
    found = [notice for name, entry in entries.items() for notice in registry.lint(name, entry, place)]
    assert [notice.text(catalogue()) for notice in found if notice.code not in harmless] == []
