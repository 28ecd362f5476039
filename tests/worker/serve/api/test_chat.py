"""`/v1/chat/completions` as the official client uses it, not streamed."""

import pytest
from hosting import user


def ask(client, messages=None, **options):
    return client.chat.completions.create(model="any", messages=messages or user("hello"), **options)


def text(client, messages=None, **options):
    return ask(client, messages, **options).choices[0].message.content


def test_an_answer_has_openais_form(client):
    answer = ask(client, seed=1)
    [choice] = answer.choices
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-") and answer.model == "toy"
    assert choice.message.role == "assistant" and choice.finish_reason == "length" and choice.index == 0
    usage = answer.usage
    assert usage.completion_tokens == 16 and usage.total_tokens == usage.prompt_tokens + 16 and usage.prompt_tokens > 5


def test_the_same_seed_says_the_same(client):
    assert text(client, seed=7) == text(client, seed=7) != text(client, seed=8)


def test_temperature_zero_takes_the_likeliest(client):
    assert text(client, temperature=0) == text(client, temperature=0, seed=3) == text(client, extra_body={"top_k": 1})
    assert text(client, temperature=0) == text(client, extra_body={"do_sample": False})


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_of_tokens(client, name):
    answer = ask(client, temperature=0, **{name: 3})
    assert answer.usage.completion_tokens == 3 and answer.choices[0].finish_reason == "length"


def test_a_stop_text_ends_the_answer_and_is_no_part_of_it(client):
    whole = text(client, temperature=0, max_tokens=16)
    stop = whole[2:4]
    answer = ask(client, temperature=0, max_tokens=16, stop=stop)
    assert answer.choices[0].message.content == whole[: whole.index(stop)] and answer.choices[0].finish_reason == "stop"
    listed = ask(client, temperature=0, max_tokens=16, stop=["nowhere to be found", stop])
    assert listed.choices[0].message.content == whole[: whole.index(stop)]


def test_several_answers(client):
    answer = ask(client, n=3, seed=5, max_tokens=8, extra_body={"ignore_eos": True})
    assert [choice.index for choice in answer.choices] == [0, 1, 2] and answer.usage.completion_tokens == 24
    assert len({choice.message.content for choice in answer.choices}) == 3
    again = ask(client, n=3, seed=5, max_tokens=8, extra_body={"ignore_eos": True})
    assert [c.message.content for c in again.choices] == [c.message.content for c in answer.choices]


def test_penalties_count_and_zero_is_none(client):
    plain = text(client, temperature=0, max_tokens=60)
    assert text(client, temperature=0, max_tokens=60, presence_penalty=0, frequency_penalty=0) == plain
    assert text(client, temperature=0, max_tokens=60, presence_penalty=2, frequency_penalty=2) != plain
    assert text(client, temperature=0, max_tokens=60, extra_body={"repetition_penalty": 1.8}) != plain


def test_a_bias_decides(client):
    letter = client.completions.create(model="any", prompt="Q", max_tokens=1, echo=True, logprobs=0)
    assert letter.choices[0].logprobs.tokens[0] == "Q"
    token = 48  # of the byte-level alphabet: the letter Q
    answer = ask(client, logit_bias={token: 100}, max_tokens=5, temperature=0)
    assert set(answer.choices[0].message.content) == {answer.choices[0].message.content[0]}


def test_log_probabilities(client):
    answer = ask(client, logprobs=True, top_logprobs=3, max_tokens=4, temperature=0)
    entries = answer.choices[0].logprobs.content
    assert len(entries) == 4
    for entry in entries:
        assert entry.logprob <= 0 and len(entry.top_logprobs) == 3 and isinstance(entry.bytes, list)
        assert entry.logprob == max(other.logprob for other in entry.top_logprobs)
    assert ask(client, logprobs=True, max_tokens=2).choices[0].logprobs.content[0].top_logprobs == []
    assert ask(client, max_tokens=2).choices[0].logprobs is None


@pytest.mark.parametrize("messages", [
    [*user("one"), *user("two")],
    [*user("one"), {"role": "system", "content": "late"}],
    [{"role": "developer", "content": "be brief"}, *user("one")],
    [{"role": "user", "content": [{"type": "text", "text": "part one"}, {"type": "text", "text": "part two"}]}],
    [{"role": "assistant", "content": "I begin"}],
    [*user("a"), {"role": "assistant", "content": None, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
     {"role": "tool", "tool_call_id": "c1", "content": "2"}],
])
def test_conversations_of_every_shape(client, messages):
    assert ask(client, messages, max_tokens=2, temperature=0).usage.completion_tokens == 2


def test_a_conversation_may_be_gone_on_with(client):
    messages = [*user("a"), {"role": "assistant", "content": "beginning"}]
    longer = ask(client, messages, max_tokens=1).usage.prompt_tokens
    going_on = ask(client, messages, max_tokens=1, extra_body={"continue_final_message": True}).usage.prompt_tokens
    assert going_on < longer


def test_what_has_no_effect_is_told(host):
    body = {"messages": user("a"), "max_tokens": 1, "user": "me", "metadata": {}, "made_up": 1, "other": 2}
    answer = host.post("/v1/chat/completions", body)
    assert answer.status_code == 200 and answer.headers["x-studio-notice"] == "without effect: made_up, other"
    assert "x-studio-notice" not in host.post("/v1/chat/completions", {"messages": user("a"), "max_tokens": 1}).headers


def test_everything_may_be_null(host):
    names = ["temperature", "top_p", "n", "stop", "stream", "max_tokens", "seed", "logprobs", "top_logprobs", "tools",
             "tool_choice", "response_format", "presence_penalty", "frequency_penalty", "logit_bias", "stream_options",
             "model", "user"]  # fmt: skip
    body = {"messages": user("a"), "max_completion_tokens": 1} | dict.fromkeys(names)
    answer = host.post("/v1/chat/completions", body)
    assert answer.status_code == 200
