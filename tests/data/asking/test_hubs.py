"""Searching the hubs, through their own clients, at an address on this machine."""

import socket

import pytest
from searched_hub import SearchedHub

from studio.data.asking import Found, search
from studio.errors import StudioError


@pytest.fixture
def hub(monkeypatch):
    """A hub that answers searches."""
    with SearchedHub() as there:
        for name in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
            monkeypatch.setenv(name, there.url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", there.url)  # what its client asks beside the search
        there.add("datasets/ada/poems", {})
        yield there


@pytest.mark.parametrize("where", ["huggingface", "modelscope"])
def test_a_search(hub, where):
    hub.add("datasets/ada/prose", {})
    (found,) = search(" poems ", where)
    gated = where == "huggingface"
    url = f"{hub.url}/datasets/ada/poems"
    assert found == Found("ada/poems", where, 12, 3, "2026-05-31", "All of them.", url, gated)
    (asked,) = hub.searches()
    assert "search=poems" in asked


def test_models_too(hub):
    assert search("poems", "huggingface", "model")[0].url == f"{hub.url}/ada/poems"
    assert hub.searches()[0].startswith("/api/models?")


@pytest.mark.parametrize("where, variable", [("huggingface", "HF_ENDPOINT"), ("modelscope", "MODELSCOPE_ENDPOINT")])
def test_a_hub_that_cannot_be_asked_is_told(hub, monkeypatch, where, variable):
    hub.closed = True
    with pytest.raises(StudioError, match=variable) as caught:
        search("poems", where)
    assert caught.value.key == "hub_search_unreachable"


@pytest.mark.parametrize("where, variable, client", [
    ("huggingface", "HF_ENDPOINT", "huggingface_hub.HfApi.list_datasets"),
    ("modelscope", "MODELSCOPE_ENDPOINT", "modelscope_hub.HubApi.list_repos"),
])
def test_where_nobody_is_the_client_is_not_asked_to_try_again_and_again(hub, monkeypatch, where, variable, client):
    monkeypatch.setattr(client, lambda *_, **__: pytest.fail("it would try for a quarter of a minute"))
    monkeypatch.setattr("studio.data.asking.hubs.getproxies", dict)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
    with pytest.raises(StudioError, match=variable):
        search("poems", where)
