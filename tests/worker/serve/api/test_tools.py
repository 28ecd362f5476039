"""Tool calls, forced and free, whole and streamed; answers of a given form; hostile schemas."""

import json
import time

import openai
import pytest
from hosting import put_together, user

COLOUR = {"type": "object", "properties": {"colour": {"enum": ["red", "green"]}, "n": {"type": "integer", "maximum": 9,
          "minimum": 0}}, "required": ["colour", "n"], "additionalProperties": False}  # fmt: skip
PAINT = {"type": "function", "function": {"name": "paint", "description": "Paint it.", "parameters": COLOUR}}
WAIT = {"type": "function", "function": {"name": "wait"}}


def ask(client, **options):
    return client.chat.completions.create(model="any", messages=user("paint"), **({"max_tokens": 400} | options))


def check(name, arguments):
    found = json.loads(arguments)
    if name == "wait":
        assert found == {}
    else:
        assert name == "paint" and found["colour"] in ("red", "green") and 0 <= found["n"] <= 9 and len(found) == 2


def test_a_named_tool_is_called(client):
    [choice] = ask(client, tools=[PAINT, WAIT], tool_choice={"type": "function", "function": {"name": "paint"}}).choices
    [call] = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls" and choice.message.content is None
    assert call.type == "function" and call.id and call.function.name == "paint"
    check(call.function.name, call.function.arguments)


@pytest.mark.parametrize("parallel", [True, False])
def test_some_tool_is_called(client, parallel):
    [choice] = ask(client, tools=[PAINT, WAIT], tool_choice="required", parallel_tool_calls=parallel, seed=2).choices
    calls = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls" and (len(calls) == 1 or parallel)
    for call in calls:
        check(call.function.name, call.function.arguments)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "paint"}}])
def test_streamed_calls(client, choice):
    said = put_together(ask(client, tools=[PAINT], tool_choice=choice, stream=True))
    assert said["reason"] == "tool_calls" and said["text"] == "" and said["calls"]
    for call in said["calls"].values():
        assert call["id"]
        check(call["name"], call["arguments"])


def test_a_free_choice_may_call_nothing(client):
    [choice] = ask(client, tools=[PAINT], tool_choice="auto", max_tokens=8, temperature=0).choices
    assert choice.message.tool_calls is None and choice.message.content


def test_tools_that_are_not_to_be_used_are_not_shown(client):
    without = ask(client, max_tokens=1).usage.prompt_tokens
    assert ask(client, tools=[PAINT], tool_choice="none", max_tokens=1).usage.prompt_tokens == without
    assert ask(client, tools=[PAINT], max_tokens=1).usage.prompt_tokens > without


def test_json_by_schema(client):
    shape = {"type": "json_schema", "json_schema": {"name": "colour", "strict": True, "schema": COLOUR}}
    check("paint", ask(client, response_format=shape).choices[0].message.content)
    check("paint", put_together(ask(client, response_format=shape, stream=True))["text"])


def test_any_json_object(client):
    [choice] = ask(client, response_format={"type": "json_object"}, max_tokens=900, temperature=1.5, seed=1).choices
    if choice.finish_reason == "stop":
        assert isinstance(json.loads(choice.message.content), dict)
    assert choice.message.content.startswith("{")


def test_text_is_a_format_too(client):
    assert ask(client, response_format={"type": "text"}, max_tokens=2, temperature=0).usage.completion_tokens == 2


def nested(levels: int) -> dict:
    schema: dict = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


HOSTILE = {
    "deep": nested(60),
    "deeper": nested(400),
    "huge": {"type": "object", "properties": {f"key{i}" * 20: {"type": "string"} for i in range(5000)}},
    "unknown type": {"type": "nope"},
    "remote": {"$ref": "http://example.invalid/schema.json"},
    "not built": {"not": {"type": "string"}},
    "nowhere": {"$ref": "#/$defs/missing"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_schemas_are_refused_at_once(client, name):
    tool = {"type": "function", "function": {"name": "f", "parameters": HOSTILE[name]}}
    shape = {"type": "json_schema", "json_schema": {"name": "f", "schema": HOSTILE[name]}}
    begun_s = time.monotonic()
    for options in ({"tools": [tool], "tool_choice": "required"}, {"response_format": shape}):
        with pytest.raises(openai.BadRequestError):
            ask(client, **options)
    assert time.monotonic() - begun_s < 5


@pytest.mark.parametrize("schema", [
    {"$ref": "#"},
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    {"allOf": [{"$ref": "#"}]},
])
def test_loops_of_references_never_hang(client, schema):
    shape = {"type": "json_schema", "json_schema": {"name": "f", "schema": schema}}
    try:
        ask(client, response_format=shape, max_tokens=20)
    except openai.BadRequestError as refused:
        assert refused.status_code == 400


def test_a_schema_may_refer_to_itself(client):
    fields = {"v": {"enum": [1, 2]}, "next": {"$ref": "#/$defs/node"}}
    node = {"type": "object", "required": ["v"], "additionalProperties": False, "properties": fields}
    tree = {"$ref": "#/$defs/node", "$defs": {"node": node}}
    tool = {"type": "function", "function": {"name": "plant", "parameters": tree}}
    [choice] = ask(client, tools=[tool, PAINT], tool_choice="required", parallel_tool_calls=False, seed=4).choices
    if choice.finish_reason == "tool_calls":
        assert json.loads(choice.message.tool_calls[0].function.arguments)


@pytest.mark.parametrize("options", [
    {"tools": [PAINT, PAINT]},
    {"tools": [PAINT], "tool_choice": {"type": "function", "function": {"name": "other"}}},
    {"tool_choice": "required"},
    {"tools": [PAINT], "tool_choice": "sometimes"},
    {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
    {"tools": [{"type": "function", "function": {"name": "a b"}}]},
    {"tools": [{"type": "function", "function": {"name": "f", "parameters": "text"}}]},
    {"tools": [{"type": "function", "function": {"name": f"f{i}"}} for i in range(200)]},
    {"functions": [{"name": "f"}]},
    {"response_format": {"type": "xml"}},
    {"response_format": {"type": "json_schema"}},
])
def test_tools_and_formats_that_are_none(host, options):
    answer = host.post("/v1/chat/completions", {"messages": user("a"), **options})
    assert answer.status_code == 400 and answer.json()["error"]["type"] == "invalid_request_error"
