"""Faults in the engine while it answers: those it concerns are told, the server stays up, the others go on."""

import json

import openai
import pytest
import torch
from hosting import user

from studio.worker.serve.decoder import Decoder


@pytest.fixture
def failing(monkeypatch):
    """`failing(error)`: the next step of any decoder raises it, later ones work again."""
    step = Decoder.step

    def fail(error):
        errors = [error]

        def stumble(self, *arguments):
            if errors:
                raise errors.pop()
            return step(self, *arguments)

        monkeypatch.setattr(Decoder, "step", stumble)

    return fail


@pytest.mark.parametrize("error, status, code", [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), 503, "out_of_memory"),
    (ZeroDivisionError("a bug that nobody is to read"), 500, "internal_error"),
])
def test_an_error_in_the_middle_is_told_and_the_next_is_answered(host, client, failing, error, status, code):
    failing(error)
    with pytest.raises(openai.InternalServerError) as told:
        client.chat.completions.create(model="x", messages=user("a"))
    assert told.value.status_code == status and told.value.code.startswith(code)
    assert "nobody is to read" not in str(told.value)
    assert client.chat.completions.create(model="x", messages=user("a"), max_tokens=2).usage.completion_tokens
    assert host.health() == {"status": "ok", "active": 0, "waiting": 0}


def test_an_error_in_the_middle_of_a_stream_is_its_last_event(host, client, failing):
    failing(ZeroDivisionError("a bug"))
    with pytest.raises(openai.APIError, match="ZeroDivisionError"):
        list(client.chat.completions.create(model="x", messages=user("a"), stream=True))
    failing(ZeroDivisionError("a bug"))
    text = host.post("/v1/completions", {"prompt": "a", "stream": True}).text
    assert json.loads(text.strip().splitlines()[-1].removeprefix("data: "))["error"]["type"] == "server_error"
    assert client.completions.create(model="x", prompt="a", max_tokens=1).choices
