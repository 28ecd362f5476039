"""Who may come in.

Without a password the page answers only at a loopback name, so that no other site can reach it through a name of its
own (DNS rebinding) and no reverse proxy opens it to the world unseen. With a password a signed cookie is asked for.
A change that another site sends in the visitor's name is refused in both cases.
"""

import asyncio
import hashlib
import hmac
import html
import re
import secrets
import time
from dataclasses import dataclass
from string import Template
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from studio.text import Catalogue, catalogue, languages
from studio.ui.theme import script

COOKIE = "studio_session"
LANGUAGE_COOKIE = "studio_language"
LIFETIME_S = 30 * 24 * 3600
WRONG_PASSWORD_DELAY_S = 1.0
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
OPEN_PATHS = frozenset({"/login", "/favicon.ico"})
PAGE = re.compile(r"[a-z]{2}/(\?[^\s#\\]*)?")
MAX_FORM_BYTES = 4096


@dataclass(frozen=True)
class Password:
    """The one user of a page that is not on loopback."""

    user: str
    word: str

    @classmethod
    def parse(cls, text: str) -> "Password | None":
        """`user:password`, or None where a half is missing."""
        user, _, word = text.partition(":")
        return cls(user, word) if user and word else None

    @classmethod
    def make(cls) -> "Password":
        """A password nobody has chosen."""
        return cls("studio", secrets.token_urlsafe(12))


class Guard:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, password: Password | None) -> None:
        self.app = app
        self.password = password
        # From the password, so that a restart of the server keeps its visitors.
        self.key = password and hashlib.scrypt(password.word.encode(), salt=password.user.encode(), n=2**14, r=8, p=1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = await self._refusal(request)
        await (answer or self.app)(scope, receive, send)

    async def _refusal(self, request: Request) -> Response | None:
        """None for a request that may pass."""
        path = path_of(request.scope)
        if request.method != "GET" and request.headers.get("sec-fetch-site") == "cross-site":
            return PlainTextResponse("cross-site request refused", 403)
        if self.password is None:
            known = host_name(request.headers.get("host", "")) in LOOPBACK
            return None if known else PlainTextResponse(wanted_words(request)("guard.host_refused"), 403)
        if path == "/login":
            return await self._login(request)
        if path in OPEN_PATHS or self.user(request):
            return None
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            page = path.lstrip("/") + (f"?{request.url.query}" if request.url.query else "")
            up = "../" * path.count("/", 1)
            return RedirectResponse(f"{up or './'}login?next={quote(page)}", 303)
        return PlainTextResponse("login required", 401)

    def user(self, request: Request) -> str | None:
        """The name in the signed cookie, if it is whole and fresh."""
        expiry, _, mark = request.cookies.get(COOKIE, "").partition(".")
        if not expiry.isdigit() or int(expiry) < time.time() or not hmac.compare_digest(mark, self._sign(expiry)):
            return None
        return self.password.user

    def _sign(self, expiry: str) -> str:
        return hmac.new(self.key, expiry.encode(), "sha256").hexdigest()

    async def _login(self, request: Request) -> Response:
        t = wanted_words(request)
        page = request.query_params.get("next", "")
        page = page if PAGE.fullmatch(page) else ""
        if request.method != "POST":
            return login_page(t, page)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_FORM_BYTES:
                return PlainTextResponse("too large", 413)
        sent = parse_qs(body.decode("utf-8", "replace"))
        pair = f"{sent.get('user', [''])[0].strip()}:{sent.get('password', [''])[0]}"
        if not hmac.compare_digest(pair.encode(), f"{self.password.user}:{self.password.word}".encode()):
            await asyncio.sleep(WRONG_PASSWORD_DELAY_S)  # guessing is slow
            return login_page(t, page, wrong=True)
        expiry = str(int(time.time()) + LIFETIME_S)
        answer = RedirectResponse(f"./{page}", 303)
        answer.set_cookie(
            COOKIE,
            f"{expiry}.{self._sign(expiry)}",
            max_age=LIFETIME_S,
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer


def path_of(scope: Scope) -> str:
    """The path of a request below the one that a proxy shows the page under."""
    return scope["path"].removeprefix(scope.get("root_path", "")) or "/"


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0].lower()


def wanted_words(request: Request) -> Catalogue:
    """The visitor's language: the one chosen before, else the browser's, else English."""
    known = languages()
    kept = request.cookies.get(LANGUAGE_COOKIE)
    if kept in known:
        return catalogue(kept)
    asked = [
        part.partition(";")[0].strip()[:2].lower() for part in request.headers.get("accept-language", "").split(",")
    ]
    return catalogue(next((code for code in asked if code in known), known[0]))


def login_page(t: Catalogue, page: str, wrong: bool = False) -> HTMLResponse:
    """The form that asks for name and password."""
    words = {key: html.escape(t(f"guard.{key}")) for key in ("title", "user", "password", "enter", "wrong", "hint")}
    text = Template(script("login.html")).substitute(
        words, language=t.language, action=f"login?next={quote(page)}", hidden="" if wrong else "hidden"
    )
    return HTMLResponse(text, 401 if wrong else 200, headers={"Cache-Control": "no-store"})
