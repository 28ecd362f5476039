"""Who comes in: loopback names without a password, a signed cookie with one, no change sent by another site."""

import time

import pytest
from starlette.testclient import TestClient

from studio.ui import guard
from studio.ui.guard import Guard, Password


async def inside(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inside"})


@pytest.fixture
def open_page():
    return TestClient(Guard(inside, None), base_url="http://127.0.0.1:7860", follow_redirects=False)


@pytest.fixture
def closed_page(monkeypatch):
    monkeypatch.setattr(guard, "WRONG_PASSWORD_DELAY_S", 0.0)
    return TestClient(Guard(inside, Password("me", "secret")), base_url="http://studio.example", follow_redirects=False)


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost:1", "[::1]:7860", "LOCALHOST"])
def test_loopback_names_come_in(open_page, host):
    assert open_page.get("/", headers={"host": host}).text == "inside"


@pytest.mark.parametrize("host", ["evil.example:7860", "127.0.0.1.evil.example", "192.168.1.5", ""])
def test_other_names_do_not(open_page, host):
    answer = open_page.get("/", headers={"host": host, "accept-language": "zh"})
    assert answer.status_code == 403 and "STUDIO_AUTH" in answer.text


def test_another_site_cannot_change_anything(open_page, closed_page):
    for page in (open_page, closed_page):
        assert page.post("/x", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert open_page.post("/x", headers={"sec-fetch-site": "same-origin"}).text == "inside"


def test_without_the_cookie_pages_lead_to_the_login_and_data_is_refused(closed_page):
    answer = closed_page.get("/en/?run=a/b", headers={"accept": "text/html"})
    assert answer.status_code == 303 and answer.headers["location"] == "../login?next=en/%3Frun%3Da/b"
    assert closed_page.get("/en/gradio_api/info").status_code == 401
    assert closed_page.post("/en/gradio_api/queue/join").status_code == 401
    assert closed_page.get("/plotly.js").status_code == 401
    assert closed_page.get("/plotly.js").status_code == 401


def test_the_right_password_comes_in(closed_page):
    answer = closed_page.post("/login?next=en/%3Frun%3Da", data={"user": "me", "password": "secret"})
    assert answer.status_code == 303 and answer.headers["location"] == "./en/?run=a"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert closed_page.get("/en/").text == "inside"


@pytest.mark.parametrize("sent", [{"user": "me", "password": "x"}, {"user": "x", "password": "secret"}, {}])
def test_a_wrong_one_does_not(closed_page, sent):
    assert closed_page.post("/login", data=sent).status_code == 401
    assert closed_page.get("/en/").status_code == 401


@pytest.mark.parametrize("page", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_login_leads_nowhere_else(closed_page, page):
    answer = closed_page.post("/login", params={"next": page}, data={"user": "me", "password": "secret"})
    assert answer.headers["location"] == "./"


def test_a_cookie_cannot_be_made_or_kept_for_ever(closed_page):
    later = int(time.time()) + 1000
    signer = Guard(inside, Password("me", "secret"))
    good = f"{guard.COOKIE}={later}.{signer._sign(str(later))}"
    assert closed_page.get("/", headers={"cookie": good}).text == "inside"
    forger = Guard(inside, Password("me", "other"))
    past = int(time.time()) - 1
    for cookie in (f"{later}.{forger._sign(str(later))}", f"{later}.", "", f"{past}.{signer._sign(str(past))}", "x.y"):
        assert closed_page.get("/", headers={"cookie": f"{guard.COOKIE}={cookie}"}).status_code == 401, cookie


def test_a_large_login_is_cut_short(closed_page):
    assert closed_page.post("/login", content=b"user=" + b"x" * 10_000).status_code == 413


@pytest.mark.parametrize(("text", "expected"), [
    ("me:secret", Password("me", "secret")), ("me:a:b", Password("me", "a:b")),
    ("me", None), (":x", None), ("me:", None),
])  # fmt: skip
def test_user_and_password_are_read(text, expected):
    assert Password.parse(text) == expected
