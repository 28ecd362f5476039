"""`/v1/completions` and `/v1/embeddings` as the official client uses them."""

import base64
import math

import numpy as np
import openai
import pytest
from hosting import events


def ask(client, prompt="hello", **options):
    return client.completions.create(model="any", prompt=prompt, **({"max_tokens": 8, "temperature": 0} | options))


def test_a_text_goes_on(client):
    answer = ask(client)
    assert answer.object == "text_completion" and answer.id.startswith("cmpl-")
    assert answer.usage.prompt_tokens == 5 and answer.usage.completion_tokens == 8
    assert answer.choices[0].finish_reason == "length" and answer.choices[0].logprobs is None


def test_texts_and_ids_alike(client):
    ids = [71, 68, 75]  # h e l of the byte-level alphabet
    one, two, three, four = (
        ask(client, "hel"), ask(client, ids), ask(client, ["hel", "hel"]), ask(client, [ids, ids])
    )
    assert one.choices[0].text == two.choices[0].text
    assert [c.text for c in three.choices] == [c.text for c in four.choices] == [one.choices[0].text] * 2
    assert [c.index for c in three.choices] == [0, 1] and four.usage.prompt_tokens == 6


def test_echo_and_log_probabilities(client):
    answer = ask(client, "hello", max_tokens=1, echo=True, logprobs=1)
    logprobs = answer.choices[0].logprobs
    assert answer.choices[0].text.startswith("hello") and logprobs.tokens[:5] == list("hello")
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.top_logprobs) == 6
    assert logprobs.token_logprobs[0] is None and logprobs.top_logprobs[0] is None
    assert all(value < 0 for value in logprobs.token_logprobs[1:]) and logprobs.text_offset[:5] == [0, 1, 2, 3, 4]
    assert logprobs.token_logprobs[-1] == max(logprobs.top_logprobs[-1].values())  # it was the likeliest


def test_scoring_alone(client):
    answer = ask(client, "hello", max_tokens=0, echo=True, logprobs=0)
    assert answer.choices[0].text == "hello" and answer.choices[0].logprobs.tokens == list("hello")


def test_log_probabilities_do_not_depend_on_the_company(client):
    alone = ask(client, "abcdef", max_tokens=1, echo=True, logprobs=1).choices[0].logprobs.token_logprobs
    together = ask(client, ["abcdef", "xy", "a longer text than that"], max_tokens=1, echo=True, logprobs=1)
    for one, other in zip(alone[1:], together.choices[0].logprobs.token_logprobs[1:], strict=True):
        assert math.isclose(one, other, abs_tol=1e-4)


def test_many_prompts_go_through_in_groups(client):
    answer = ask(client, [f"text {number}" for number in range(100)], max_tokens=1)
    assert [choice.index for choice in answer.choices] == list(range(100))


def test_best_of_keeps_the_likeliest(client):
    options = {"temperature": 1, "seed": 3, "extra_body": {"ignore_eos": True, "top_p": 1.0, "top_k": 0}}
    every = ask(client, n=4, logprobs=0, **options)
    means = [sum(c.logprobs.token_logprobs) / 8 for c in every.choices]
    best = ask(client, best_of=4, **options)
    assert [c.text for c in best.choices] == [every.choices[means.index(max(means))].text]
    with pytest.raises(openai.BadRequestError, match="best_of"):
        ask(client, n=3, best_of=2)


def test_a_stream_of_texts(host, client):
    whole = ask(client, ["ab", "cd"])
    chunks = list(ask(client, ["ab", "cd"], stream=True, stream_options={"include_usage": True}))
    for index in (0, 1):
        parts = [c.text for chunk in chunks for c in chunk.choices if c.index == index]
        assert "".join(parts) == whole.choices[index].text
    assert chunks[-1].usage == whole.usage
    body = {"prompt": "ab", "stream": True, "max_tokens": 2, "temperature": 0, "echo": True, "logprobs": 1}
    found = events(host.post("/v1/completions", body).text)
    assert found[0]["object"] == "text_completion" and found[0]["choices"][0]["text"] == "ab"
    assert sum(len(chunk["choices"][0]["logprobs"]["tokens"]) for chunk in found[1:]) == 2


def test_a_suffix_is_refused(client):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, suffix="end")
    assert refused.value.param == "suffix"


@pytest.mark.parametrize("prompt", ["", [], [""], [[]], [999_999], [[5], [999_999]], [-1]])
def test_prompts_that_are_none(client, prompt):
    with pytest.raises(openai.BadRequestError):
        ask(client, prompt)


def test_embeddings_have_length_one(client):
    answer = client.embeddings.create(model="any", input=["hello", "hello there", "xyz"])
    vectors = [one.embedding for one in answer.data]
    assert [one.index for one in answer.data] == [0, 1, 2] and answer.usage.prompt_tokens == 19
    assert all(math.isclose(sum(x * x for x in vector), 1, abs_tol=1e-4) for vector in vectors)
    assert vectors[0] != vectors[1]


def test_embeddings_in_both_encodings(host):
    plain = host.post("/v1/embeddings", {"input": "hello"}).json()["data"][0]["embedding"]
    packed = host.post("/v1/embeddings", {"input": "hello", "encoding_format": "base64"}).json()["data"][0]["embedding"]
    assert np.allclose(np.frombuffer(base64.b64decode(packed), "<f4"), plain, atol=1e-6)


def test_embeddings_of_ids(client):
    by_text = client.embeddings.create(model="any", input="hel").data[0].embedding
    by_ids = client.embeddings.create(model="any", input=[71, 68, 75]).data[0].embedding
    assert np.allclose(by_text, by_ids, atol=1e-5)


@pytest.mark.parametrize("options", [{"input": ""}, {"input": []}, {"input": "a", "dimensions": 3},
                                     {"input": [999_999]}, {"input": "a" * 5000}])
def test_embeddings_that_are_refused(client, options):
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="any", **options)


def test_a_writer_scores_nothing(host):
    answer = host.post("/v1/score/evaluation", {"messages": ["a"]})
    assert answer.status_code == 405 and answer.json()["error"]["code"] == "model_scores_not"
