"""The page over HTTP: languages, plotly, compression, one build at a time, a path taken away by a proxy."""

import gzip
import threading

import pytest
from starlette.testclient import TestClient

from studio.ui import site, theme
from studio.ui.site import create_app

BASE = {"base_url": "http://127.0.0.1:7860", "follow_redirects": False}


@pytest.fixture(scope="module")
def client():
    with TestClient(create_app(), **BASE) as client:
        yield client


@pytest.mark.parametrize(("headers", "language"), [
    ({}, "en"), ({"accept-language": "zh-CN,zh;q=0.9,en;q=0.8"}, "zh"), ({"accept-language": "fr,de"}, "en"),
    ({"accept-language": "zh", "cookie": "studio_language=en"}, "en"), ({"cookie": "studio_language=xx"}, "en"),
])  # fmt: skip
def test_the_root_leads_to_the_visitors_language(client, headers, language):
    answer = client.get("/?run=a/b", headers=headers)
    assert answer.status_code == 307 and answer.headers["location"] == f"{language}/?run=a/b"


def test_two_languages_asked_for_at_once_are_both_whole(client):
    found = {}

    def visit(language):
        found[language] = client.get(f"/{language}/")

    visits = [threading.Thread(target=visit, args=(language,)) for language in ("en", "zh")]
    for one in visits:
        one.start()
    for one in visits:
        one.join()
    assert "Start the quickstart" in found["en"].text and "开始快速体验" in found["zh"].text
    assert '<html\n\tlang="zh"' in found["zh"].text
    counts = [answer.text.count('"knob-') for answer in found.values()]
    assert counts[0] == counts[1] > 50
    for answer in found.values():
        assert 'property="og:' not in answer.text and "studio_language" in answer.headers["set-cookie"]


def test_an_address_without_its_slash_finds_the_page(client):
    assert client.get("/en?run=a").headers["location"] == "en/?run=a"


def test_the_page_comes_compressed(client):
    plain = client.get("/en/", headers={"accept-encoding": "identity"})
    packed = client.get("/en/", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and packed.content == plain.content
    assert packed.num_bytes_downloaded < len(plain.content) / 4


def test_plotly_comes_from_here_once_and_packed(client):
    answer = client.get(f"/en/{theme.plotly_address()}".replace("/en/..", ""), headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip" and "immutable" in answer.headers["cache-control"]
    assert "Plotly" in answer.text and int(answer.headers["content-length"]) < 2_000_000
    assert gzip.decompress(site._plotly()[1]) == site._plotly()[0].read_bytes()


def test_parts_of_the_page_have_the_same_numbers_after_a_restart():
    first, again = site.build_page("en"), site.build_page("en")
    assert list(first.blocks) == list(again.blocks)
    assert [type(block) for block in first.blocks.values()] == [type(block) for block in again.blocks.values()]


def test_no_listener_is_a_public_endpoint(client):
    client.get("/en/")
    info = client.get("/en/gradio_api/info").json()
    assert info["named_endpoints"] == {} and info["unnamed_endpoints"] == {}


@pytest.mark.parametrize("asked", ["/zh/", "/studio/zh/"])
def test_below_a_path_of_a_proxy_the_page_names_itself_rightly(asked):
    with TestClient(create_app(root_path="https://example.org/studio/"), **BASE) as client:
        html = client.get(asked).text
        assert client.get(asked.removesuffix("zh/")).headers["location"] == "zh/"
    assert '"root":"http://127.0.0.1:7860/studio/zh"' in html.replace(" ", "")
