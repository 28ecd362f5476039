"""Asking an endpoint: who is busy is asked again, who refuses is quoted, and the key goes nowhere else."""

import asyncio
import threading
import time

import httpx
import pytest
from wordsmith import Wordsmith, whole

from studio.data.asking import endpoint
from studio.errors import StudioError

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(endpoint, "FIRST_PAUSE_S", 0.01)


def test_an_answer(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # no proxy stands before this machine
    with Wordsmith(lambda body: "<think>hm</think>\nHello.") as there:
        asker = endpoint.connect(there.url, "toy", "secret", options={"top_p": 0.9, "temperature": None})
        reply = asker.ask(HI, max_tokens=7)
    assert reply == endpoint.Reply("Hello.", True, 10, 5)
    assert there.asked == [{"model": "toy", "messages": HI, "stream": False, "top_p": 0.9, "max_tokens": 7}]
    assert there.keys == ["Bearer secret"] and "secret" not in repr(asker)


@pytest.mark.parametrize("fault", [
    (429, {"Retry-After": "0"}, {"error": {"message": "slow down"}}), (500, {}, "oops"), (503, {}, {"detail": "busy"}),
    (200, {}, "<html>a login page</html>"), (200, {}, {"choices": []}),
])
def test_who_is_busy_is_asked_again(fault):
    said = [fault, fault, "Hello."]
    with Wordsmith(lambda body: said.pop(0)) as there:
        async def ask():
            async with endpoint.line_to(endpoint.connect(there.url, "toy")) as line:
                reply = await line.ask(HI)
                return reply.text, line.counts

        assert asyncio.run(ask()) == ("Hello.", endpoint.Counts(1, 2, 10, 5))


@pytest.mark.parametrize("status, body, words", [
    (401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}, "Incorrect API key"),
    (404, {"detail": "Not Found"}, "Not Found"), (403, "go away", "go away"),
    (429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}, "exceeded your quota"),
    (301, "", "301"), (400, {"error": "context too long"}, "context too long"),
])
def test_who_refuses_is_quoted_at_once(status, body, words):
    with Wordsmith(lambda asked: (status, {}, body)) as there, pytest.raises(StudioError, match=words) as caught:
        endpoint.connect(there.url, "toy").ask(HI)
    assert caught.value.key == "asking_one_refused" and "resume" not in str(caught.value) and len(there.asked) == 1


@pytest.mark.parametrize("wished, wanted", [
    ("3", 3), ("0.5", 0.5), ("999", 60), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", None), ("", None),
])
def test_the_pause_that_is_wished_for(wished, wanted):
    assert endpoint._wished_pause(httpx.Response(429, headers={"Retry-After": wished})) == wanted


def test_a_limit_by_its_new_name():
    def answer(body: dict) -> object:
        wanted = {"error": {"message": "Unsupported parameter: use 'max_completion_tokens' instead."}}
        return "Hello." if "max_tokens" not in body else (400, {}, wanted)

    with Wordsmith(answer) as there:
        assert endpoint.connect(there.url, "toy").ask(HI, max_tokens=7).text == "Hello."
    assert [body.get("max_completion_tokens") for body in there.asked] == [None, 7]


def test_who_is_gone_is_told_after_so_many_tries():
    with Wordsmith(lambda body: (502, {}, "bad gateway")) as there, pytest.raises(StudioError) as caught:
        endpoint.connect(there.url, "toy", max_tries=3).ask(HI)
    assert caught.value.key == "asking_one_gone" and caught.value.values["reason"] == "bad gateway"
    assert len(there.asked) == 3
    with pytest.raises(StudioError) as caught:
        endpoint.connect(there.url, "toy", max_tries=2).ask(HI)  # nobody listens any more
    assert caught.value.key == "asking_one_gone"


def test_an_answer_that_does_not_come_is_not_waited_for():
    release = threading.Event()

    def slow(body: dict) -> str:
        release.wait(5)
        return "late"

    with Wordsmith(slow) as there:
        began_s = time.monotonic()
        with pytest.raises(StudioError) as caught:
            endpoint.connect(there.url, "toy", max_tries=2, timeout_s=0.1).ask(HI)
        assert caught.value.key == "asking_one_gone" and time.monotonic() - began_s < 3
        release.set()


@pytest.mark.parametrize("base", ["", "api.example.com/v1", "ftp://x", "http://"])
def test_what_is_no_address(base):
    with pytest.raises(StudioError) as caught:
        endpoint.connect(base)
    assert caught.value.key == "asking_address"


def test_the_address_may_name_the_route_itself():
    assert endpoint.connect("http://x/v1/").url == endpoint.connect("http://x/v1/chat/completions").url


def test_a_limit_and_parts_of_content():
    said = [(200, {}, whole("half", "length")),
            (200, {}, {"choices": [{"message": {"content": [{"type": "text", "text": "a\ud800b"}]}}]})]
    with Wordsmith(lambda body: said.pop(0)) as there:
        asker = endpoint.connect(there.url)
        assert not asker.ask(HI).whole
        assert asker.ask(HI) == endpoint.Reply("a?b", True)
    assert "model" not in there.asked[0]
