"""Converting: a row says the same in each form, or is refused; merging sets of one form and of several."""

import json

import pytest

from studio import paths
from studio.data import formats, making, reading, register, registry
from studio.data.making import forms, merging
from studio.errors import StudioError

CALL = {"name": "weather", "arguments": {"city": "Köln"}}
TOOLS = [{"name": "weather", "description": "Wetter", "parameters": {"type": "object", "properties": {}}}]
SHAREGPT = {
    "formatting": "sharegpt",
    "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
}


def entered(name: str, rows: list, entry: dict | None = None):
    paths.data().mkdir(parents=True, exist_ok=True)
    (paths.data() / f"{name}.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    register.register(name, {"file_name": f"{name}.json", **(entry or {})})
    return registry.find(name, "data")


def canonical(source) -> list:
    return [forms.said(formats.to_row(source, raw)) for _, raw in reading.read_rows(source)]


def found(made):
    return registry.find(made.name, "data")


def chats() -> list[dict]:
    """Several turns, a system prompt, tool calls with results."""
    return [
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "id": 7},
        {"conversations": [{"from": "human", "value": "天气？"}, {"from": "function_call", "value": json.dumps(CALL)},
                           {"from": "observation", "value": "rain"}, {"from": "gpt", "value": "雨"}],
         "system": "Kurz.", "tools": json.dumps(TOOLS)},
        {"conversations": [{"from": "human", "value": "1"}, {"from": "gpt", "value": "2"},
                           {"from": "human", "value": "{{name}}"}, {"from": "gpt", "value": "<think>x</think>4"}]},
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["alpaca_en_demo", "chat_demo", "openai_demo", "dpo_demo", "kto_demo"])
@pytest.mark.parametrize("formatting", ["alpaca", "sharegpt", "openai"])
def test_shipped_sets_say_the_same_in_every_form(home, name, formatting):
    source = registry.find(name, "data")
    made = making.convert(source, formatting, f"{name}_new")
    assert canonical(found(made)) == canonical(source) and made.num_rows
    assert found(made).formatting in (formatting, "sharegpt")
    back = making.convert(found(made), source.formatting, f"{name}_back")
    assert canonical(found(back)) == canonical(source)


@pytest.mark.parametrize("formatting", ["sharegpt", "openai"])
def test_tools_and_calls_stay(home, formatting):
    source = entered("chats", chats(), SHAREGPT)
    made = making.convert(source, formatting)
    assert canonical(found(made)) == canonical(source)
    rows = [raw for _, raw in reading.read_rows(found(made))]
    assert rows[0]["id"] == 7
    assert found(made).formatting == formatting


def test_alpaca_has_no_place_for_calls(home):
    source = entered("chats", chats(), SHAREGPT)
    with pytest.raises(StudioError, match="row 2"):
        making.convert(source, "alpaca")
    made = making.convert(source, "alpaca", drop=True)
    assert made.counts == {"left_out": 1} and made.num_rows == 2
    assert canonical(found(made)) == [canonical(source)[place] for place in (0, 2)]


def test_a_column_nobody_read_is_not_read_afterwards(home):
    rows = [{"instruction": "a", "output": "b", "system": "nobody reads this", "extra": [1], "tools": 1, "tools_": 2,
             "conversations": "of a form that is not its own"}]  # fmt: skip
    source = entered("plain", rows)
    made = making.convert(source, "sharegpt")
    assert canonical(found(made)) == canonical(source)
    (new,) = [raw for _, raw in reading.read_rows(found(made))]
    assert new["system_"] == "nobody reads this" and new["extra"] == [1]
    assert (new["tools__"], new["tools_"]) == (1, 2) and new["conversations_"] == rows[0]["conversations"]


def test_keys_of_messages_that_go_are_counted(home):
    turns = [{"role": "user", "content": "q", "name": "Ann"}, {"role": "assistant", "content": "a", "reasoning": "R"}]
    entry = {"formatting": "openai"}
    source = entered("named", [{"messages": turns}, {"messages": [turns[0] | {"name": ""}, turns[1]]}], entry)
    made = making.convert(source, "openai")
    assert made.counts == {"unread": 1} and canonical(found(made)) == canonical(source)
    assert making.merge([source, entered("b", chats(), SHAREGPT)]).counts == {"unread": 1}


def test_what_cannot_be_converted_is_said(home):
    with pytest.raises(StudioError, match="plain text"):
        making.convert(registry.find("text_demo", "data"), "openai")
    with pytest.raises(StudioError, match="vicuna"):
        making.convert(registry.find("identity", "data"), "vicuna")
    broken = entered("broken", [{"instruction": "a", "output": "b"}, {"instruction": "a", "output": ""}])
    with pytest.raises(StudioError, match="row 2"):
        making.convert(broken, "openai")
    assert not list(paths.data().glob("broken_*")) and "broken_openai" not in registry.load("data")


def test_merging_keeps_rows_of_one_form_as_they_are(home):
    first = entered("a", [{"instruction": "1", "output": "x", "note": 1}])
    second = entered("b", [{"instruction": "2", "output": "y"}])
    made = making.merge([first, second])
    assert made.name == "a_b"
    assert [raw for _, raw in reading.read_rows(found(made))] == [{"instruction": "1", "output": "x", "note": 1},
                                                                  {"instruction": "2", "output": "y"}]  # fmt: skip


def test_merging_unlike_forms_keeps_what_rows_say(home):
    alpaca, chat = entered("a", [{"instruction": "1", "output": "x"}]), entered("b", chats(), SHAREGPT)
    made = making.merge([alpaca, chat], "both")
    assert canonical(found(made)) == canonical(alpaca) + canonical(chat)


def test_merging_unlike_forms_leaves_out_what_training_would(home):
    rows = [{"instruction": "1", "output": ""}, {"instruction": "1", "output": "x"}]
    first, second = entered("a", rows), entered("b", chats(), SHAREGPT)
    made = making.merge([first, second], "both")
    assert made.counts == {"left_out": 1} and made.num_rows == 1 + len(chats())
    with pytest.raises(StudioError, match=r"c, row 1, .*the answer in 'output' is empty"):
        making.merge([entered("c", rows[:1]), second], weights=[1, 1])


def test_weights_decide_the_shares(home):
    sets = [entered(name, [{"instruction": f"{name}{number}", "output": "x"} for number in range(count)])
            for name, count in (("a", 30), ("b", 10))]  # fmt: skip
    even = making.merge(sets, "even", weights=[1, 1])
    names = [raw["instruction"] for _, raw in reading.read_rows(found(even))]
    assert len(names) == len(set(names)) == 20 and sum(name[0] == "a" for name in names) == 10
    assert even.counts == {"left_out": 20}
    assert [name[0] for name in names] != sorted(name[0] for name in names)
    more = making.merge(sets, "more", weights=[1, 3], num_rows=40)
    assert more.num_rows == 40 and more.counts == {"repeated": 20, "left_out": 20}


def test_shares_are_whole_and_sum_up():
    assert merging.shares([30, 10], [1, 1]) == (10, 10)
    assert merging.shares([30, 10], [3, 1]) == (30, 10)
    assert sum(merging.shares([5, 5, 5], [1, 1, 1], 10)) == 10


@pytest.mark.parametrize("names, weights, key", [
    (["identity"], None, "making_merge_one"), (["identity", "dpo_demo"], None, "making_merge_kinds"),
    (["identity", "text_demo"], None, "making_merge_kinds"), (["identity", "chat_demo"], [1], "making_weights"),
    (["identity", "chat_demo"], [1, 0], "making_weights"),
])
def test_merges_that_cannot_be(home, names, weights, key):
    with pytest.raises(StudioError) as error:
        making.merge([registry.find(name, "data") for name in names], weights=weights)
    assert error.value.key == key


def test_placeholders_are_found_and_filled(home):
    rows = [{"instruction": "{{ name }}?", "output": "{{name}} by {{author}}"}, {"instruction": "a", "output": "b"}]
    source = entered("me", rows)
    assert making.placeholders(source) == {"name": 1, "author": 1}
    made = making.fill(source, {"name": "艾达"})
    assert made.counts == {"changed": 1, "unfilled": 1}
    assert next(reading.read_rows(found(made)))[1] == {"instruction": "艾达?", "output": "艾达 by {{author}}"}
    with pytest.raises(StudioError, match="nobody"):
        making.fill(source, {"nobody": "x"})


def test_values_with_quotes_in_what_a_table_holds_as_json_text(home):
    turns = [{"from": "human", "value": "hi {{name}}"}, {"from": "gpt", "value": "ho"}]
    source = entered("it", [{"conversations": json.dumps(turns)}], {"formatting": "sharegpt"})
    made = making.fill(source, {"name": 'a "b"\n'})
    assert next(reading.read_rows(found(made)))[1]["conversations"][0]["value"] == 'hi a "b"\n'
