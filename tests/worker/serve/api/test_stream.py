"""Streamed answers, and clients that hang up."""

import threading
import time

import httpx
import pytest
from hosting import events, put_together, user


def stream(client, **options):
    return client.chat.completions.create(model="any", messages=user("hello"), stream=True, **options)


def test_a_stream_says_what_the_whole_answer_says(client):
    options = {"temperature": 0, "max_tokens": 24}
    whole = client.chat.completions.create(model="any", messages=user("hello"), **options)
    said = put_together(stream(client, stream_options={"include_usage": True}, **options))
    assert said["text"] == whole.choices[0].message.content and said["reason"] == "length"
    assert said["usage"] == whole.usage


def test_chunks_have_openais_form(host):
    body = {"messages": user("a"), "stream": True, "max_tokens": 3, "temperature": 0}
    body["stream_options"] = {"include_usage": True}
    answer = host.post("/v1/chat/completions", body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    chunks = events(answer.text)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"} and len({c["id"] for c in chunks}) == 1
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] == 3
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    assert "usage" not in events(host.post("/v1/chat/completions", body | {"stream_options": None}).text)[0]


def test_several_streamed_answers(client):
    texts = {0: "", 1: ""}
    for chunk in stream(client, n=2, seed=1, max_tokens=12, extra_body={"ignore_eos": True}):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts[0] and texts[1] and texts[0] != texts[1]


def test_streamed_log_probabilities(client):
    chunks = list(stream(client, logprobs=True, top_logprobs=2, max_tokens=6, temperature=0))
    entries = [one for chunk in chunks for c in chunk.choices if c.logprobs for one in c.logprobs.content]
    assert len(entries) == 6 and all(len(one.top_logprobs) == 2 for one in entries)


def test_a_streamed_stop_text_is_never_shown(client):
    whole = put_together(stream(client, temperature=0, max_tokens=24))["text"]
    said = put_together(stream(client, temperature=0, max_tokens=24, stop=[whole[5:8]]))
    assert said["text"] == whole[: whole.index(whole[5:8])] and said["reason"] == "stop"


@pytest.mark.parametrize("streamed", [True, False])
def test_who_hangs_up_frees_the_place(host, streamed):
    body = {"messages": user("a"), "max_tokens": 4000, "ignore_eos": True, "stream": streamed}
    with httpx.Client() as http:
        thread = threading.Thread(target=_ask_and_leave, args=(http, host, body))
        thread.start()
        deadline = time.monotonic() + 5
        while not host.health()["active"]:
            assert time.monotonic() < deadline
        thread.join()
    left_s = time.monotonic()
    host.until_free()
    assert time.monotonic() - left_s < 2


def _ask_and_leave(http, host, body) -> None:
    try:
        with http.stream("POST", f"{host.url}/v1/chat/completions", json=body, timeout=0.7) as answer:
            for _ in answer.iter_raw():
                time.sleep(0.5)
                return
    except httpx.ReadTimeout:
        return


def test_an_error_before_the_first_token_has_its_own_status(host):
    body = {"messages": user("a" * 5000), "stream": True}
    assert host.post("/v1/chat/completions", body).status_code == 400
