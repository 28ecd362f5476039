"""Each format becomes the same canonical row; what cannot is a problem with its reason."""

import json

import pytest

from studio.data import formats, unread
from studio.data.problem import Problem
from studio.data.source import Columns, Source, Tags
from studio.text import catalogue

ALPACA = Source("a", columns=Columns(system="system", history="history"))
CHAT = Source("c", formatting="sharegpt", columns=Columns(messages="conversations", tools="tools", system="system"))
OPENAI = Source("o", formatting="openai", columns=Columns.of_openai(), tags=Tags.of_openai())


def said(row):
    return [(message["role"], message.get("content")) for message in row.messages]


def talk(*turns):
    return {"conversations": [{"from": role, "value": text} for role, text in turns]}


def test_alpaca():
    raw = {"instruction": "do", "input": "this", "output": "done", "system": "be", "history": [["a", "b"]]}
    row = formats.to_row(ALPACA, raw)
    assert said(row) == [
        ("system", "be"), ("user", "a"), ("assistant", "b"), ("user", "do\nthis"), ("assistant", "done")
    ]  # fmt: skip
    bare = formats.to_row(ALPACA, {"instruction": "do", "output": "done", "system": None})
    assert said(bare) == [("user", "do"), ("assistant", "done")]


def test_lists_that_a_table_holds_as_text():
    raw = {"instruction": "do", "output": "done", "history": '[["a", "b"]]'}
    assert said(formats.to_row(ALPACA, raw))[:2] == [("user", "a"), ("assistant", "b")]
    assert len(formats.to_row(ALPACA, raw | {"history": ""}).messages) == 2
    assert formats.to_row(ALPACA, raw | {"history": "[[broken"}).code == "history"
    text = json.dumps(talk(("human", "a"), ("gpt", "b"))["conversations"])
    assert said(formats.to_row(CHAT, {"conversations": text})) == [("user", "a"), ("assistant", "b")]
    asked = {"conversations": text.replace('"a"', '"{{it}}"')}
    assert said(formats.to_row(CHAT, asked, {"it": 'a "b"\n'}))[0] == ("user", 'a "b"\n')
    assert formats.unpacked_row(CHAT, {"conversations": text}) == talk(("human", "a"), ("gpt", "b"))


def test_an_answer_that_is_json_stays_text():
    source = Source("p", columns=Columns(chosen="chosen", rejected="rejected"), ranking=True)
    raw = {"instruction": "list", "chosen": '["a", "b"]', "rejected": '[{"name": "a"}]'}
    row = formats.to_row(source, raw)
    assert row.messages[-1]["content"] == '["a", "b"]' and row.rejected["content"] == '[{"name": "a"}]'


def test_sharegpt_with_tools():
    tools = [{"name": "now", "description": "the time", "parameters": {}}]
    turns = [
        ("human", "time?"), ("function_call", '{"name": "now", "arguments": {"zone": "CET"}}'),
        ("observation", "12:00"), ("gpt", "Noon."),
    ]  # fmt: skip
    row = formats.to_row(CHAT, {**talk(*turns), "tools": json.dumps(tools)})
    assert [message["role"] for message in row.messages] == ["user", "assistant", "tool", "assistant"]
    assert row.messages[1]["tool_calls"][0]["function"] == {"name": "now", "arguments": {"zone": "CET"}}
    assert row.tools == ({"type": "function", "function": tools[0]},)


def test_system_message_goes_before_the_column():
    row = formats.to_row(CHAT, {**talk(("system", "first"), ("human", "a"), ("gpt", "b")), "system": "column"})
    assert said(row)[0] == ("system", "first")
    row = formats.to_row(CHAT, {**talk(("human", "a"), ("gpt", "b")), "system": "column"})
    assert said(row)[0] == ("system", "column")


def test_openai_parallel_calls_and_parts():
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}] * 2
    raw = {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "content": "1"},
            {"role": "tool", "content": "2"},
            {"role": "assistant", "content": "c"},
        ]
    }
    row = formats.to_row(OPENAI, raw)
    assert [message["role"] for message in row.messages] == ["user", "assistant", "tool", "tool", "assistant"]
    assert row.messages[0]["content"] == "ab"
    assert [call["function"]["arguments"] for call in row.messages[1]["tool_calls"]] == [{"x": 1}] * 2


def test_text():
    source = Source("t", columns=Columns.none(prompt="text"))
    assert formats.to_row(source, {"text": "once"}).text == "once"
    assert formats.to_row(source, {"text": " \n"}).code == "empty_text"


@pytest.mark.parametrize("formatting, name", [("alpaca", "prompt"), ("openai", "messages")])
def test_an_entry_that_names_no_question_is_told_so(formatting, name):
    source = Source("s", formatting=formatting, columns=Columns.none(response="output"))
    problem = formats.to_row(source, {"instruction": "x", "output": "y"})
    assert problem.code == "unnamed_column" and name in problem.text(catalogue("en"))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("text", "not_object"),
        ({"input": "x", "output": "y"}, "missing_column"),
        ({"instruction": "x"}, "missing_column"),
        ({"instruction": 3, "output": "y"}, "not_text"),
        ({"instruction": "x", "output": ["y"]}, "not_text"),
        ({"instruction": "x", "output": " \n"}, "empty_answer"),
        ({"instruction": "x", "output": None}, "empty_answer"),
        ({"instruction": "x", "output": "y", "history": [["a"]]}, "history"),
        ({"instruction": "x", "output": "half \ud83d"}, "half_character"),
    ],
)
def test_alpaca_problems(raw, code):
    problem = formats.to_row(ALPACA, raw)
    assert isinstance(problem, Problem) and problem.code == code
    assert all("{" not in problem.text(catalogue(language)) for language in ("en", "zh"))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"messages": []}, "missing_column"),
        ({"conversations": "hello"}, "not_messages"),
        ({"conversations": []}, "no_answer"),
        (talk(("human", "a"), ("human", "b"), ("gpt", "c")), "roles"),
        (talk(("gpt", "a"), ("human", "b")), "roles"),
        (talk(("human", "a"), ("gpt", "b"), ("human", "c")), "no_answer"),
        (talk(("human", "a"), ("robot", "b")), "roles"),
        (talk(("human", "a"), ("system", "b"), ("gpt", "c")), "roles"),
        (talk(("human", "a"), ("function_call", "f"), ("observation", "1"), ("observation", "2")), "call_json"),
        (talk(("human", "a"), ("gpt", " ")), "empty_turn"),
        (talk(("human", None), ("gpt", "b")), "turn_not_text"),
        ({**talk(("human", "a"), ("gpt", "b")), "tools": "[{"}, "tools_json"),
    ],
)
def test_chat_problems(raw, code):
    problem = formats.to_row(CHAT, raw)
    assert isinstance(problem, Problem) and problem.code == code
    assert all("{" not in problem.text(catalogue(language)) for language in ("en", "zh"))


def test_a_system_message_without_its_tag_is_a_problem():
    """LLaMA-Factory's trap: tags that name no system_tag have none."""
    tags = Tags("from", "value", "human", "gpt", None, None, None)
    source = Source("c", formatting="sharegpt", columns=Columns(messages="conversations"), tags=tags)
    assert formats.to_row(source, talk(("system", "s"), ("human", "a"), ("gpt", "b"))).code == "no_system_tag"


def test_a_thought_before_a_call():
    call = '{"name": "now", "arguments": {}}'
    for written in (call, f"<tool_call>\n{call}\n</tool_call>", f"[{call}]"):
        turns = [("human", "time?"), ("function_call", f"<think>\nlook\n</think>\n\n{written}"), ("observation", "12"),
                 ("gpt", "Noon.")]  # fmt: skip
        message = formats.to_row(CHAT, talk(*turns)).messages[1]
        assert message["content"] == "<think>\nlook\n</think>\n\n" and len(message["tool_calls"]) == 1


def test_parts_of_llama_factorys_next_format():
    call = '{"name": "area", "arguments": {"radius": %d}}'
    raw = {
        "messages": [
            {"role": "system", "content": [{"type": "text", "value": "be"}]},
            {"role": "user", "content": [{"type": "text", "value": "areas?"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "reasoning", "value": "two calls"},
                    {"type": "tool_call", "value": call % 1},
                    {"type": "tool_call", "value": call % 2},
                ],
            },
            {"role": "tool", "content": [{"type": "text", "value": "3 and 12"}]},
            {"role": "assistant", "content": [{"type": "text", "value": "Done."}]},
        ]
    }
    row = formats.to_row(OPENAI, raw)
    assert [message["role"] for message in row.messages] == ["system", "user", "assistant", "tool", "assistant"]
    calls = row.messages[2]["tool_calls"]
    assert [one["function"]["arguments"]["radius"] for one in calls] == [1, 2]
    assert row.messages[2]["content"] == "<think>\ntwo calls\n</think>\n\n"
    raw["messages"][2]["content"][1]["value"] = "{"
    assert formats.to_row(OPENAI, raw).code == "call_json"


def test_reasoning_that_stands_beside_an_answer():
    def answer(**keys):
        turns = [{"role": "developer", "content": "be"}, {"role": "user", "content": "q"}]
        row = formats.to_row(OPENAI, {"messages": [*turns, {"role": "assistant", "content": "a"} | keys]})
        return row if isinstance(row, Problem) else said(row)[-1][1]

    for key in ("reasoning_content", "reasoning"):
        assert answer(**{key: "R"}) == "<think>\nR\n</think>\n\na"
        assert answer(**{key: None}) == answer(**{key: " "}) == answer(**{key: {"a": 1}}) == "a"
    assert answer(reasoning="R", content="<think>R</think>a") == "<think>R</think>a"
    assert answer(reasoning="R", content=" ").code == "empty_turn"
    call = {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}], "content": None}
    assert answer(reasoning="R", **call) == "<think>\nR\n</think>\n\n"


def test_what_is_not_read_is_named():
    turns = [{"role": "user", "content": "q", "name": "Ann", "id": "7"},
             {"role": "assistant", "content": "a", "reasoning": "R", "weight": 0, "refusal": None}]  # fmt: skip
    raw = {"messages": turns, "system": "s", "tools": [], "history": "", "source": "x"}
    found = ("system", "messages.name", "messages.weight")
    assert unread.names(OPENAI, raw) == unread.names(OPENAI, raw | {"messages": json.dumps(turns)}) == found
    assert unread.names(ALPACA, raw | {"input": "i"}) == () and unread.names(OPENAI, ["no row"]) == ()
    source = Source("a", columns=Columns.none(prompt="instruction", response="output"))
    assert unread.names(source, {"instruction": "i", "input": "x", "reasoning": "R"}) == ("input", "reasoning")


def test_a_pair_may_be_whole_conversations():
    names = ("chosen", "rejected")
    pair = {name: [{"role": "user", "content": "q"}, {"role": "assistant", "content": name}] for name in names}
    raw = {"prompt": "q"} | pair
    columns = Columns.none(prompt="prompt", chosen="chosen", rejected="rejected")
    row = formats.to_row(Source("p", columns=columns, ranking=True), raw)
    assert said(row) == [("user", "q"), ("assistant", "chosen")] and row.rejected["content"] == "rejected"


def test_placeholders():
    raw = {"instruction": "who is {{author}}?", "output": "I am {{ name }}, by {{author}}; {{ 1 + 1 }}"}
    row = formats.to_row(ALPACA, raw, {"name": "Ada"})
    assert said(row) == [("user", "who is {{author}}?"), ("assistant", "I am Ada, by {{author}}; {{ 1 + 1 }}")]
    assert row.unfilled == ("author",)


HALF = "\\ud83d"  # as JSON text writes it


@pytest.mark.parametrize(("source", "raw"), [
    (CHAT, talk(("human", "a"), ("gpt", "b")) | {"tools": f'[{{"name": "f", "description": "{HALF}"}}]'}),
    (CHAT, talk(("human", "a"), ("gpt", "b")) | {"tools": [{"name": "f", "parameters": {"\ud83d": {}}}]}),
    (CHAT, talk(("human", "a"), ("function_call", f'{{"name": "f", "arguments": {{"{HALF}": 1}}}}'))),
    (CHAT, {"conversations": f'[{{"from": "human", "value": "a"}}, {{"from": "gpt", "value": "{HALF}"}}]'}),
])  # fmt: skip
def test_half_a_character_within_json_text_is_found(source, raw):
    row = formats.to_row(source, raw)
    assert isinstance(row, Problem) and row.code == "half_character"


def test_a_whole_character_that_json_escapes_is_kept():
    row = formats.to_row(CHAT, talk(("human", "a"), ("function_call", '{"name": "f", "arguments": "\\ud83d\\ude00"}')))
    assert row.code == "call_json", "arguments are JSON themselves"
    raw = talk(("human", "a"), ("gpt", "b")) | {"tools": '[{"name": "f", "description": "\\ud83d\\ude00"}]'}
    assert formats.to_row(CHAT, raw).tools[0]["function"]["description"] == "😀"


@pytest.mark.parametrize(("tools", "code"), [
    ("[" + "9" * 5000 + "]", "tools_json"), ("[" * 5000, "tools_json"), ('{"name": ' + "[" * 5000, "tools_json"),
])  # fmt: skip
def test_json_text_beyond_measure(tools, code):
    assert formats.to_row(CHAT, talk(("human", "a"), ("gpt", "b")) | {"tools": tools}).code == code
    call = talk(("human", "a"), ("function_call", tools))
    assert formats.to_row(CHAT, call).code == "call_json"


def test_a_row_nested_too_deeply():
    value = "x"
    for _ in range(900):
        value = [value]
    row = formats.to_row(ALPACA, {"instruction": value, "output": "a"})
    assert row.code in ("too_deep", "not_text") and row.text(catalogue("en"))
    for _ in range(900):
        value = [value]
    assert formats.to_row(ALPACA, {"instruction": value, "output": "a"}).code == "too_deep"
