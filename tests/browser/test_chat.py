"""The Chat tab with a real server: load, ask, stop, edit, change adapter, compare, vote, unload; what survives a reload
and a kill. The tests share a toy model and its server: one that finds none loads it."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from chatting import (
    end_servers,
    kill_server,
    knob,
    load,
    make_models,
    open_chat,
    send,
    type_in,
    until_answered,
    until_ready,
    until_toast,
    until_writing,
)
from comparing import ask_all, choose, open_board, texts
from visiting import Studio

pytestmark = pytest.mark.browser
LONG = "8000"  # tokens: more than a test waits for
STOPPED = "#chat-log .answer-end:has-text('Stopped.')"


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    """The tab alone, with a toy model and adapters of it."""
    studio = Studio(tmp_path_factory.mktemp("chat"), only="chat")
    make_models(studio.home)
    yield studio
    end_servers(studio.home)
    studio.stop()


@pytest.fixture
def visitor(visit, toys):
    """Someone in an empty conversation with nova, in a studio that nobody has talked or voted in."""
    for file in [*(toys.home / "chats").glob("*"), *(toys.home / "data").glob("chat_votes_*")]:
        file.unlink()
    visitor = visit()
    load(open_chat(visitor, toys), "nova")
    until_ready(visitor.page, "nova")
    return visitor


def votes(studio, name: str = "kto"):
    file = studio.home / "data" / f"chat_votes_{name}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_ask_stop_edit_change_the_adapter_and_try_one_of_another_base(toys, visitor):
    page = visitor.page
    ask_stop_and_ask_again(page)
    edit_the_first_question(page)
    address = f"{page.url}&model=toy/lora/luna"
    page.goto(address)
    page.wait_for_function("document.querySelector('#chat-source input')?.value.startsWith('luna')")
    page.evaluate("sessionStorage.setItem('studio-load', 'toy/lora/luna')")  # as the link of its run does
    page.goto(f"{address}&")
    until_ready(page, "luna")
    assert page.locator("#servers .server").count() == 1, "the adapter goes onto the base that is there"
    send(page, "Third")
    until_answered(page, 3)
    assert "luna" in page.locator("#chat-log .figures").last.inner_text()

    load(page, "stray")
    until_toast(page, "belongs to another base model")
    assert page.locator("#servers .server").count() == 1 and page.locator("#servers [data-model=stray]").count() == 0
    send(page, "Are you still there?")
    until_answered(page, 4)
    assert visitor.foreign() == [] and visitor.errors == []


def ask_stop_and_ask_again(page):
    knob(page, "max_new_tokens", "12")
    send(page, "Who are **you**? <img src=x onerror=alert(1)>")
    until_answered(page, 1)
    assert "tokens/s" in page.inner_text("#chat-log .figures")
    assert page.locator("#chat-log img").count() == 0 and "<img" in page.inner_text("#chat-log .user")
    assert "chat=" in page.url

    knob(page, "max_new_tokens", LONG)
    send(page, "A long one")
    until_writing(page)
    page.keyboard.press("Escape")
    page.wait_for_selector(STOPPED)
    page.wait_for_selector("#servers .server-facts:has-text('answering')", state="detached")

    knob(page, "max_new_tokens", "12")
    page.locator("#chat-log [data-act=regenerate]").last.click()
    page.wait_for_selector("#chat-log .bot .turn:has-text('2/2')")
    until_answered(page, 2)
    page.locator("#chat-log [data-act=previous]").last.click()
    page.wait_for_selector(STOPPED)


def edit_the_first_question(page):
    page.locator("#chat-log [data-act=edit]").first.click()
    page.wait_for_selector("#desk [data-part=editing]:visible")
    page.wait_for_function("document.querySelector('#chat-box textarea')?.value.startsWith('Who are')")
    send(page, "And who are you now?")
    page.wait_for_selector("#chat-log .user .turn:has-text('2/2')")
    until_answered(page, 1)
    page.locator("#chat-log .user [data-act=previous]").first.click()
    page.wait_for_function("document.querySelectorAll('#chat-log .user.message').length === 2")


def test_a_thumb_is_a_vote_that_is_changed_and_taken_back_and_leads_to_training(toys, visitor):
    page = visitor.page
    knob(page, "max_new_tokens", "12")
    send(page, "Who are you?")
    until_answered(page, 1)
    assert page.locator("#chat-log .user .thumb").count() == 0
    press_thumb(page, "good", True)
    page.wait_for_selector("#chat-votes [data-part=thumbs]:has-text('1 × good, 0 × bad')")
    (vote,) = votes(toys)
    about = json.loads(vote["about"])
    assert vote["label"] is True and vote["messages"][0] == {"role": "user", "content": "Who are you?"}
    assert (about["model"], about["options"]) == ("nova", {"max_tokens": 12})
    assert about["adapter"].endswith("toy/lora/nova") and about["base"].endswith("models/toy")

    page.fill("#chat-system textarea", "Be brief.")  # said from now on; the answer above was given without it
    send(page, "And now?")
    until_answered(page, 2)
    press_thumb(page, "bad", True)
    assert page.locator("#chat-log .thumb[aria-pressed=true]").count() == 1, "the other took its place"
    assert [row["label"] for row in votes(toys)] == [False]
    page.reload()
    page.wait_for_selector("#chat-log .thumb[data-act=bad][aria-pressed=true]")
    press_thumb(page, "bad", False)
    page.wait_for_selector("#chat-votes [data-part=none]:visible")
    assert votes(toys) == []

    press_thumb(page, "good", True)
    page.wait_for_selector("#chat-votes [data-link=kto][href]", state="attached")
    assert filled(page, "#chat-votes [data-link=kto]")["dataset"] == ["chat_votes_kto"]
    assert visitor.foreign() == []


def press_thumb(page, act: str, pressed: bool) -> None:
    page.locator(f"#chat-log .thumb[data-act={act}]").first.click()
    page.wait_for_function(
        "([act, pressed]) => String(pressed) === "
        "document.querySelector(`#chat-log .thumb[data-act=${act}]`).getAttribute('aria-pressed')",
        arg=[act, pressed],
    )


def filled(page, link: str) -> dict:
    """What a link to the Train tab fills in."""
    return json.loads(parse_qs(urlsplit(page.get_attribute(link, "href")).query)["fill"][0])


def test_base_and_adapters_side_by_side_and_a_training_on_the_vote(toys, visitor):
    page = open_board(visitor, toys)
    choose(page, "toy", "nova", "luna")
    page.click("#compare .cmp-fold-box summary")
    page.fill("#compare [data-knob=max_tokens]", "12")
    ask_all(page, "Who are you?")
    assert len(set(texts(page, ".cmp-answer"))) == 3
    assert all("tokens/s" in text for text in texts(page, ".cmp-figures"))
    page.locator("#compare [data-act=best]").nth(2).click()
    page.click("#compare [data-part=over] button")
    page.wait_for_selector("#votes [data-link=dpo][href]", state="attached")
    assert len(votes(toys, "dpo")) == 2
    assert visitor.errors == []
    training = filled(page, "#votes [data-link=dpo]")
    assert training["dataset"] == ["chat_votes_dpo"] and training["model_name_or_path"].endswith("models/toy")
    assert visitor.foreign() == []


def test_a_killed_server_is_said_loaded_again_and_unloaded(toys, visitor):
    page = visitor.page
    knob(page, "max_new_tokens", LONG)
    send(page, "Go on and on")
    until_writing(page)
    kill_server(toys)
    page.wait_for_selector("#chat-log .note")
    page.wait_for_selector("#servers [data-action=restart]")
    assert "killed" in page.inner_text("#servers .note")
    page.reload()
    page.wait_for_selector("#chat-log .note")
    assert "Go on and on" in page.inner_text("#chat-log")
    page.click("#servers [data-action=restart]")
    until_ready(page, "nova")
    knob(page, "max_new_tokens", "8")
    page.locator("#chat-log [data-act=regenerate]").last.click()
    page.wait_for_selector("#chat-log .bot .turn:has-text('2/2')")
    assert len(list((toys.home / "chats").glob("*.json"))) == 1

    page.click("#servers [data-action=unload]")
    page.wait_for_selector("#servers .server[data-state=stopped]")
    assert "free again" in page.inner_text("#servers")
    type_in(page, "Is anyone there?")
    until_toast(page, "not loaded any more")
    assert page.input_value("#chat-box textarea") == "Is anyone there?", "what was typed stays"
