"""An OpenAI-compatible endpoint, asked many things at a time: who is busy is asked again, who refuses is quoted.

    async with line_to(asker) as line:
        reply = await line.ask([{"role": "user", "content": "…"}])
    line.counts                       # requests, retries and tokens so far

A proxy of the environment is used, except for this machine. The key is sent to the endpoint and written nowhere.
"""

import asyncio
import email.utils
import json
import random
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from studio.errors import StudioError

CONNECT_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
BUSY = (408, 409, 425, 429)  # and all from 500 on: asked again
ENDING = (401, 402, 403, 404, 405)  # no other question would be answered either
SPENT = "insufficient_quota"  # a 429 that no waiting mends
NEW_LIMIT = "max_completion_tokens"  # what some models of OpenAI's want for max_tokens
LOCAL = re.compile(r"https?://(localhost|127\.[\d.]+|\[::1\])(:|/|$)")
PATIENCE = {"max_tries": 2, "timeout_s": 60.0}  # of one question that somebody waits for
OF_ONE = {"asking_gone": "asking_one_gone", "asking_refused": "asking_one_refused"}  # no run is there to go on with
THOUGHT = re.compile(r"\s*<think>.*?</think>\s*", re.DOTALL)

Messages = list[dict[str, Any]]


class Unanswered(Exception):
    """This one question was refused, in the endpoint's words; others may be answered."""


@dataclass(frozen=True)
class Asker:
    """Whom to ask: the address up to `/v1`, the model, the key. `options`: further fields of each request."""

    base: str
    model: str | None = None
    key: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    max_tries: int = 6
    timeout_s: float = 120.0

    @property
    def url(self) -> str:
        """Where questions are sent."""
        base = self.base.strip().rstrip("/")
        return base if base.endswith("/chat/completions") else f"{base}/chat/completions"

    def ask(self, messages: Messages, **options: object) -> "Reply":
        """One question, waited for. Not to be called where an event loop runs. Raises StudioError."""

        async def once() -> Reply:
            async with line_to(self) as line:
                return await line.ask(messages, **options)

        try:
            return asyncio.run(once())
        except Unanswered as refused:
            raise StudioError("asking_one_refused", url=self.url, status=400, reason=refused) from None
        except StudioError as error:
            raise StudioError(OF_ONE.get(error.key, error.key), **error.values) from error


def connect(base: str, model: str | None = None, key: str = "", **more: Any) -> Asker:
    """An endpoint by its address. Raises StudioError where that is none."""
    if not re.match(r"https?://[^/\s]", base.strip()):
        raise StudioError("asking_address", url=base)
    return Asker(base, model or None, key, **more)


@dataclass(frozen=True)
class Reply:
    """An answer: its text without the thoughts before it; `whole` is False where a limit cut it off."""

    text: str
    whole: bool
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass
class Counts:
    """What was sent and what it cost."""

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Line:
    """An open connection. A pause that the endpoint asks for holds for all that use it."""

    def __init__(self, asker: Asker, client: httpx.AsyncClient) -> None:
        self.asker, self.counts = asker, Counts()
        self._client, self._free_s, self._renames = client, 0.0, False

    async def ask(self, messages: Messages, **options: object) -> Reply:
        """The answer to messages. Raises Unanswered where this question is refused, and StudioError where the
        endpoint refuses all (`asking_refused`) or does not answer after so many tries (`asking_gone`)."""
        asked = {"model": self.asker.model, "messages": messages, "stream": False} | options | dict(self.asker.options)
        body = {name: value for name, value in asked.items() if value is not None}
        for attempt in range(self.asker.max_tries):
            await self._rest()
            if self._renames and "max_tokens" in body:
                body[NEW_LIMIT] = body.pop("max_tokens")
            try:
                response = await self._client.post(self.asker.url, json=body)
            except httpx.TransportError as error:
                why, pause_s = str(error) or type(error).__name__, None
            except httpx.InvalidURL as error:
                raise StudioError("asking_address", url=self.asker.base) from error
            else:
                reply, why = _read(response)
                if reply:
                    self._count(reply)
                    return reply
                if response.status_code == 400 and NEW_LIMIT in why and "max_tokens" in body:
                    self._renames = True
                    continue
                self._refuse(response, why)
                pause_s = _wished_pause(response)
                if response.status_code == 429:
                    self._free_s = time.monotonic() + (pause_s if pause_s is not None else _pause(attempt))
            self.counts.retries += 1
            if attempt + 1 < self.asker.max_tries:
                await asyncio.sleep(_pause(attempt) if pause_s is None else pause_s)
        raise StudioError("asking_gone", url=self.asker.url, tries=self.asker.max_tries, reason=why)

    async def _rest(self) -> None:
        """Wait until the endpoint takes questions again."""
        while (left_s := self._free_s - time.monotonic()) > 0:
            await asyncio.sleep(left_s * (1 + random.random() / 4))

    def _count(self, reply: Reply) -> None:
        self.counts.requests += 1
        self.counts.prompt_tokens += reply.prompt_tokens
        self.counts.completion_tokens += reply.completion_tokens

    def _refuse(self, response: httpx.Response, why: str) -> None:
        """Raise what the status says, but for what asking again may mend."""
        status = response.status_code
        if status in ENDING or (status == 429 and SPENT in response.text) or response.is_redirect:
            raise StudioError("asking_refused", url=self.asker.url, status=status, reason=why)
        if 400 <= status < 500 and status not in BUSY:
            raise Unanswered(why)


@asynccontextmanager
async def line_to(asker: Asker) -> AsyncIterator[Line]:
    """A line to an endpoint, closed afterwards; what is under way is then given up."""
    head = {"Authorization": f"Bearer {asker.key}"} if asker.key else {}
    timeout = httpx.Timeout(asker.timeout_s, connect=min(CONNECT_S, asker.timeout_s), pool=None)
    trust = not LOCAL.match(asker.base)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(headers=head, timeout=timeout, trust_env=trust, limits=limits) as client:
        yield Line(asker, client)


def _read(response: httpx.Response) -> tuple[Reply | None, str]:
    """The reply; or None, and what the endpoint says instead."""
    try:
        body = response.json()
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else {}
    choice = next(iter(body.get("choices") or ()), None)
    if response.is_success and isinstance(choice, dict):
        return _reply(choice, body.get("usage") or {}), ""
    found = body.get("error") or body.get("detail") or body.get("message") or response.text.strip() or "?"
    found = found.get("message", found) if isinstance(found, dict) else found
    return None, (found if isinstance(found, str) else json.dumps(found, ensure_ascii=False))[:500]


def _reply(choice: dict, usage: dict) -> Reply:
    content = (choice.get("message") or {}).get("content") or ""
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    text = THOUGHT.sub("", content, count=1) if content.lstrip().startswith("<think>") else content
    tokens = (usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
    plain = text.encode("utf-8", "replace").decode()  # half of a surrogate pair could not be written
    return Reply(plain.strip(), choice.get("finish_reason") != "length", *tokens)


def _pause(attempt: int) -> float:
    """Seconds, twice as long each time, scattered so that not all come back at once."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**attempt) * (0.75 + random.random() / 2)


def _wished_pause(response: httpx.Response) -> float | None:
    """What `Retry-After` says, in seconds or as a date; None where it says nothing."""
    wished = response.headers.get("retry-after", "")
    if re.fullmatch(r"\d+(\.\d+)?", wished):
        return min(LONGEST_PAUSE_S, float(wished))
    try:
        until = email.utils.parsedate_to_datetime(wished).timestamp()
    except (TypeError, ValueError):
        return None
    return min(LONGEST_PAUSE_S, max(0.0, until - time.time()))
