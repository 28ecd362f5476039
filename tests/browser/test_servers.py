"""The servers on the Chat tab, on the real page before stand-ins: two at a time, one that is in the way, one that
refuses, one that does not come up; `studio webchat`."""

import json
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from acting import STAND_IN, wait_until
from answering import Serving, trained
from chatting import ask, begin, load, send, type_in, until_answered, until_said, until_toast
from talking import SETTINGS
from talking import studio as command
from visiting import Studio

from studio.config import starter
from studio.runs import folder as files
from studio.runs import launch, locks, states

pytestmark = pytest.mark.browser
CARD = {"kind": "cuda", "indices": [0], "count": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The tab alone, with workers that find no memory: servers that answer are put there by the tests."""
    worker = (str(STAND_IN), "error=out_of_memory_loading")
    studio = Studio(tmp_path_factory.mktemp("servers"), worker, only="chat")
    trained(studio.saves, "starter/lora/nova")
    (studio.home / "cache" / "starter" / starter.fingerprint()).mkdir(parents=True)  # nothing has to be built first
    yield studio
    studio.stop()


@pytest.fixture
def serving(place, request):
    """A server that answers at once."""
    server = Serving(place.saves, f"starter/serve/{request.node.name[:40]}")
    yield server
    server.close("stopped")


def test_two_tabs_talk_to_two_models_on_one_device(place, visit, serving):
    other = Serving(place.saves, "other/serve/two", base="models/other")
    pages = [begin(visit(), place), begin(visit(), place)]
    for page, name in zip(pages, ("starter", "other"), strict=True):
        page.click(f"#servers [data-model={name}]")
        page.wait_for_selector(f"#servers [data-model={name}][aria-checked=true]")
    for page, name in zip(pages, ("starter", "other"), strict=True):
        ask(page, "Who?")
        until_said(page, f"I am {name}")
    assert len(serving.asked) == len(other.asked) == 1
    other.close()
    pages[1].wait_for_selector("#servers .server[data-state=lost] [data-action=restart]")
    type_in(pages[1], "Still there?")
    until_toast(pages[1], "not loaded any more")
    pages[1].click("#servers [data-model=starter]")
    send(pages[1], "And you?")
    until_answered(pages[1], 2)
    until_said(pages[1], "I am starter. You said: And you?")


def test_why_an_adapter_is_not_mixed(place, visit, serving):
    serving.adapters, serving.apart = {"dora": "/x/dora"}, {"dora": "dora"}
    page = begin(visit(), place)
    page.wait_for_selector("#servers .server-apart:has-text('dora: It was trained with DoRA')")


def test_what_cannot_be_loaded_says_why(place, visit, serving):
    serving.refused = "nova"
    (place.home / "models" / "big").mkdir(parents=True)
    (place.home / "models" / "big" / "config.json").write_text("{}")
    page = begin(visit(), place)
    for source, words in (("/no/such/folder", "/no/such/folder"), ("starter/lora/gone", "starter/lora/gone")):
        choose(page, source)
        until_toast(page, words)
    load(page, "nova")
    until_toast(page, "of another base")
    assert page.locator("#servers .server").count() == 1, "another server would not take it either"
    choose(page, str(place.home / "models" / "big"))
    page.wait_for_selector("#servers .note:has-text('does not fit into memory')")
    page.click("#servers [data-action=dismiss]")
    page.wait_for_function("!document.querySelector('#servers .note')")


def choose(page, source: str) -> None:
    """Type what is to be loaded, and load it."""
    page.fill("#chat-source input", source)
    page.press("#chat-source input", "Enter")
    page.press("#chat-source input", "Tab")
    page.click("#chat-load")


def test_a_server_that_is_in_the_way_is_asked_for_its_device(place, visit):
    waiting = waiting_run(place)
    held = locks.acquire(place.home / "cache" / "devices" / "cuda-0.lock")
    server = Serving(place.saves, "starter/serve/in-the-way", devices=("cuda:0",))
    files.write_json_atomic(place.home / "cache" / "queue.json", {"order": [server.id, "starter/lora/waits"]})
    try:
        page = begin(visit(), place)
        page.wait_for_selector(".server-wish:has-text('starter/lora/waits')")
        page.click(".server-wish button:has-text('Keep')")
        page.wait_for_selector(".server-wish", state="detached")
        page.reload()  # another look: the run still waits
        page.click(".server-wish button:has-text('Unload now')")
        wait_until(lambda: files.stop_requested(server.folder))
    finally:
        server.close("stopped")
        os.close(held)
    page.wait_for_selector("#servers .server[data-state=stopped]:has-text('free again')")
    wait_until(lambda: states.read(waiting).state == "failed")  # its turn came


def waiting_run(place) -> Path:
    """A training that wants the card that is taken."""
    folder = place.saves / "starter/lora/waits"
    folder.mkdir(parents=True)
    (folder / files.JOB).write_text("kind: train\nschema_version: 1\nmodel_name_or_path: builtin/starter\n")
    described = {
        "argv": [sys.executable, str(STAND_IN), "error=disk_full", str(folder)], "cwd": str(place.home),
        "devices": CARD, "env": launch.public_environment(os.environ | {"STUDIO_HOME": str(place.home)}),
        "secrets": [], "stop_grace_s": 5, "kill_grace_s": 1, "auto_resume": False,
    }  # fmt: skip
    files.write_json_atomic(folder / files.LAUNCH, described)
    states.write(folder, states.new("train"))
    return folder


def test_webchat_is_the_tab_alone_on_a_server_of_its_own(visit, home):
    process = command("webchat", *SETTINGS, "--port", "0", "--no-browser")
    try:
        url = next(found[0] for line in process.stdout if (found := re.search(r"http://127\S+", line)))
        visitor = visit()
        visitor.page.goto(f"{url}/en/")
        visitor.page.wait_for_selector("#servers .server[data-ready]")
        assert visitor.page.locator("#tabs > .tab-wrapper").count() == 0
        send(visitor.page, "hello there")
        visitor.page.wait_for_selector("#chat-log .bot:has-text('1: hello there')")
        visitor.page.click("#chat-log [data-act=good]")
        visitor.page.wait_for_selector("#chat-votes [data-part=thumbs]:has-text('1 × good')")
        assert visitor.page.is_hidden("#chat-votes [data-link=kto]"), "there is no tab to train on"
        assert visitor.errors == []
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(ValueError):
            process.communicate(timeout=30)
    assert process.returncode == 0
    (status,) = home.glob("saves/*/serve/*/status.json")
    assert json.loads(status.read_text())["state"] == "stopped"
