"""Address, port and password of the page's process."""

import socket

import pytest

from studio.errors import StudioError
from studio.text import catalogue
from studio.ui import app

T = catalogue("en")


def test_a_taken_port_gives_the_next_free_one():
    with app.listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with app.listen("127.0.0.1", port) as second:
            assert port < second.getsockname()[1] < port + app.PORTS_TRIED


def test_no_port_in_a_row_is_an_error(monkeypatch):
    monkeypatch.setattr(app, "PORTS_TRIED", 1)
    with app.listen("127.0.0.1", 0) as first, pytest.raises(StudioError) as caught:
        app.listen("127.0.0.1", first.getsockname()[1])
    assert caught.value.key == "no_free_port"


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host.invalid"])
def test_an_address_of_another_machine_is_refused(host, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", _local_names)
    with pytest.raises(StudioError) as caught:
        app.listen(host, 0)
    assert caught.value.key == "bad_host" and host in str(caught.value)


def _local_names(host, port, **_options):
    """getaddrinfo without asking a name server."""
    if not host[0].isdigit():
        raise socket.gaierror(host)
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]


@pytest.mark.parametrize(("set_to", "expected"), [("", 7860), ("7007", 7007), ("0", 0)])
def test_the_port_comes_from_the_environment(monkeypatch, set_to, expected):
    monkeypatch.setenv("GRADIO_SERVER_PORT", set_to)
    assert app.wanted_port(None) == expected
    assert app.wanted_port(8000) == 8000


@pytest.mark.parametrize("port", ["x", "70000", "-1"])
def test_a_wrong_port_is_said(monkeypatch, port):
    monkeypatch.setenv("GRADIO_SERVER_PORT", port)
    with pytest.raises(StudioError) as caught:
        app.wanted_port(None)
    assert port in str(caught.value)


@pytest.mark.parametrize(("host", "expected"), [
    ("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.5.5.5", True),
    ("0.0.0.0", False), ("::", False), ("192.168.1.5", False), ("studio.local", False),
])  # fmt: skip
def test_only_loopback_is_loopback(host, expected):
    assert app.is_loopback(host) is expected


def test_a_password_is_made_where_others_reach_the_page(monkeypatch, capsys):
    monkeypatch.delenv("STUDIO_AUTH", raising=False)
    assert app.chosen_password(T, is_open=False) is None
    password = app.chosen_password(T, is_open=True)
    assert len(password.word) >= 12 and capsys.readouterr().out.count(password.word) == 1


def test_a_share_link_that_cannot_be_made_is_said(monkeypatch, capsys):
    monkeypatch.setattr("gradio.networking.GRADIO_SHARE_SERVER_ADDRESS", "127.0.0.1:1")
    monkeypatch.setattr("gradio.networking.Tunnel.start_tunnel", _no_relay)
    app.share(T, "127.0.0.1", 7860)
    assert "no share link (the relay is away)" in capsys.readouterr().out


def _no_relay(tunnel):
    raise ConnectionError("the relay is away")


def test_a_chosen_password_holds_everywhere(monkeypatch):
    monkeypatch.setenv("STUDIO_AUTH", "me:secret")
    assert app.chosen_password(T, is_open=False).word == "secret"
    monkeypatch.setenv("STUDIO_AUTH", "secret")
    with pytest.raises(StudioError):
        app.chosen_password(T, is_open=True)
