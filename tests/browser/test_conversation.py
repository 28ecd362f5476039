"""Conversations as a visitor has them, on the real page before a stand-in server: kept, found, shared, branched; tools,
thoughts and pictures; a refusal."""

import base64
import json

import pytest
from acting import wait_until
from answering import Serving, trained
from chatting import ask, begin, said, send, type_in, until_answered, until_said, until_toast, until_writing
from visiting import Studio

pytestmark = pytest.mark.browser
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CLOCK = {"name": "clock", "description": "The time", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The tab alone; servers are put there by the tests."""
    studio = Studio(tmp_path_factory.mktemp("conversation"), only="chat")
    yield studio
    studio.stop()


@pytest.fixture
def serving(place, request):
    """A server that answers at once, in a studio where nobody has talked yet."""
    for file in (place.home / "chats").glob("*.json"):
        file.unlink()
    server = Serving(place.saves, f"starter/serve/{request.node.name[:40]}")
    yield server
    server.close("stopped")


def titles(page) -> list[str]:
    return page.locator("#desk .run-name").all_inner_texts()


def until_listed(page, *wanted: str) -> None:
    """Wait until the list holds these titles, and no others."""
    page.wait_for_function(
        "(wanted) => JSON.stringify([...document.querySelectorAll('#desk .run-name')].map((one) => one.textContent))"
        " === JSON.stringify(wanted)",
        arg=list(wanted),
    )


def agree(page, text: str | None = None) -> None:
    """Say yes in the dialog, after typing a text."""
    if text is not None:
        page.fill("dialog.question input", text)
    page.click("dialog.question .strong")


def test_a_conversation_is_renamed_found_and_deleted(place, visit, serving):
    visitor = visit()
    page = begin(visitor, place, serving)
    page.wait_for_selector("#chat-log :text('Ask starter something')")
    ask(page, "What is a heron?")
    page.click("#desk [data-part=new]")
    page.wait_for_function("!document.querySelector('#chat-log .user')")
    ask(page, "What is a kestrel?")
    until_listed(page, "What is a kestrel?", "What is a heron?")
    page.click("#desk [data-do=rename]")
    agree(page, "Birds of prey")
    until_listed(page, "Birds of prey", "What is a heron?")
    page.fill("#desk [data-part=search]", "HERON said")
    until_listed(page, "What is a heron?")
    page.click("#desk [data-chat]")
    page.wait_for_selector("#chat-log .user:has-text('heron')")
    page.click("#desk [data-do=delete]")
    assert "What is a heron?" in page.inner_text("dialog.question")
    agree(page)
    page.wait_for_function("!document.querySelector('#chat-log .user')")
    page.fill("#desk [data-part=search]", "")
    until_listed(page, "Birds of prey")
    page.click("#desk [data-chat]")
    page.click("#desk [data-do=delete]:visible")
    agree(page)
    until_listed(page)
    page.wait_for_function("!location.search.includes('chat=')")
    assert not list((place.home / "chats").glob("*.json"))
    assert visitor.errors == [] and visitor.foreign() == []


def test_a_conversation_leaves_as_a_file_and_as_a_link_and_comes_back(place, visit, serving, tmp_path):
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = begin(visitor, place, serving)
    ask(page, "What is a heron?")
    page.click("#desk [data-do=link]")
    page.wait_for_selector("#desk [data-part=note]:has-text('link is copied')")
    other = visit().page
    other.goto(page.evaluate("navigator.clipboard.readText()"))
    other.wait_for_selector("#chat-log .user:has-text('heron')")
    with page.expect_download() as markdown:
        page.click("#desk [data-do=markdown]")
    assert "**starter**\n\nI am starter. You said: What is a heron?" in markdown.value.path().read_text("utf-8")
    with page.expect_download() as whole:
        page.click("#desk [data-do=json]")
    page.set_input_files("#desk [data-part=upload]", whole.value.path())
    before = page.url
    page.wait_for_function("(before) => location.href !== before", arg=before)
    until_listed(page, "What is a heron?", "What is a heron?")
    until_said(page, "You said: What is a heron?")
    ours = {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi <b>you</b>"},
                         {"role": "assistant", "content": "Ho"}]}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(ours))
    page.reload()
    page.wait_for_selector("#chat-log .user:has-text('heron')")
    page.wait_for_selector("#desk [data-chat]")
    page.set_input_files("#desk [data-part=upload]", tmp_path / "a.json")
    page.wait_for_selector("#chat-log .user:has-text('<b>you</b>')")
    (tmp_path / "b.json").write_text('{"messages": [{"role": "nobody", "content": ""}]}')
    page.set_input_files("#desk [data-part=upload]", tmp_path / "b.json")
    until_toast(page, "nobody")
    assert len(titles(page)) == 3


def test_undo_takes_a_question_back_and_a_branch_goes_its_own_way(place, visit, serving):
    page = begin(visit(), place, serving)
    ask(page, "One", "Two")
    page.locator("#chat-log [data-act=undo]").click()
    page.wait_for_function("document.querySelector('#chat-box textarea')?.value === 'Two'")
    until_answered(page, 1)
    send(page, "Three")
    until_answered(page, 2)
    assert [one["content"] for one in serving.asked[-1]["messages"]] == ["One", "I am starter. You said: One", "Three"]
    before = page.url
    page.locator("#chat-log [data-act=branch]").first.click()
    page.wait_for_function("(before) => location.href !== before", arg=before)
    until_answered(page, 1)
    assert "Three" not in said(page)
    send(page, "Four")
    until_answered(page, 2)
    page.goto(before)
    page.wait_for_selector("#chat-log .user:has-text('Three')")
    assert "Four" not in said(page)


def test_an_answer_goes_on_over_a_reload_and_any_page_stops_it(place, visit, serving):
    serving.pace_s, serving.answers = 0.05, lambda *_: ["word"] * 2000
    page = begin(visit(), place, serving)
    send(page, "Go on and on")
    until_writing(page)
    page.reload()
    page.wait_for_selector("#chat-box [aria-label=Stop]")
    other = visit().page
    other.goto(page.url)
    other.click("#chat-box [aria-label=Stop]")
    for shown in (page, other):
        shown.wait_for_selector("#chat-log .answer-end:has-text('Stopped.')")
    wait_until(lambda: serving.hung_up == ["starter"])
    assert len(serving.asked) == 1


def test_a_tool_is_called_and_its_result_typed(place, visit, serving):
    call = {"index": 0, "id": "call_1", "function": {"name": "clock", "arguments": '{"zone": "UTC"}'}}
    serving.answers = lambda model, messages: (
        ["It is", messages[-1]["content"]] if messages[-1]["role"] == "tool" else [{"tool_calls": [call]}]
    )
    page = begin(visit(), place, serving)
    page.click("#chat-settings > button")
    page.fill("#chat-system textarea", "Be exact.")
    page.fill("#chat-tools textarea", "{")
    type_in(page, "What time is it?")
    until_toast(page, "JSON")
    assert page.input_value("#chat-box textarea") == "What time is it?" and serving.asked == []
    page.fill("#chat-tools textarea", json.dumps(CLOCK))
    page.press("#chat-box textarea", "Enter")
    page.wait_for_selector("#chat-box textarea[placeholder*='clock']")
    until_said(page, "Calls clock")
    until_said(page, '"zone": "UTC"')
    assert serving.asked[0]["tools"] == [{"type": "function", "function": CLOCK}]
    send(page, "noon")
    page.wait_for_selector("#chat-log .bot:has-text('It is noon')")
    told = serving.asked[-1]["messages"]
    assert [one["role"] for one in told] == ["system", "user", "assistant", "tool"]
    assert told[-1] == {"role": "tool", "content": "noon", "tool_call_id": "call_1", "name": "clock"}
    page.wait_for_selector("#chat-box textarea[placeholder^='Ask something']")


def test_thoughts_are_folded(place, visit, serving):
    thoughts = [{"reasoning_content": word} for word in ("Let ", "me ", "see ")]
    serving.answers = lambda *_: [*thoughts, {"content": "Yes"}]
    page = begin(visit(), place, serving)
    ask(page, "Is it so?")
    fold = page.locator("#chat-log .thought-group, #chat-log .thought").filter(has_text="Thoughts").first
    assert not page.get_by_text("Let me see").is_visible()
    fold.locator("button, [role=button]").first.click()
    page.get_by_text("Let me see").wait_for()
    send(page, "Really?")
    until_answered(page, 2)
    assert [one["content"] for one in serving.asked[-1]["messages"]] == ["Is it so?", "Yes", "Really?"], "not sent back"


def test_pictures_where_the_model_sees(place, visit, serving, tmp_path):
    seeing = Serving(place.saves, "seeing/serve/one", base="models/seeing")
    seeing.sees = True
    (tmp_path / "dot.png").write_bytes(DOT)
    page = begin(visit(), place)  # two servers
    page.click("#servers [data-model=starter]")
    page.wait_for_selector("#chat-log :text('Ask starter something')")
    assert page.locator("#chat-box .upload-button").count() == 0
    page.click("#servers [data-model=seeing]")
    page.wait_for_selector("#chat-box .upload-button")
    page.set_input_files("#chat-box input[type=file]", tmp_path / "dot.png")
    page.wait_for_selector("#chat-box .thumbnail-item")
    ask(page, "What is it?")
    picture, words = seeing.asked[-1]["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,iVBOR") and words["text"] == "What is it?"
    assert page.locator("#chat-log .user img").count() == 1
    assert page.locator("#chat-log .thumb").count() == 0, "nothing to train a text model on"
    seeing.close("stopped")


def test_a_refused_answer_says_why_also_after_a_reload(place, visit, serving):
    serving.refusal = "The prompt is <too> long."
    page = begin(visit(), place, serving)
    send(page, "Hello")
    page.wait_for_selector("#chat-log .note:has-text('The prompt is <too> long.')")
    page.reload()
    page.wait_for_selector("#chat-log .note:has-text('The prompt is <too> long.')")
    serving.refusal = ""
    page.click("#chat-log [data-act=regenerate]")
    page.wait_for_selector("#chat-log .bot:has-text('You said: Hello')")


def test_who_are_you_is_asked_of_both(place, visit, serving):
    folder = trained(place.saves, "starter/lora/nova")
    with open(folder / "job.yaml", "a") as job:
        job.write("placeholders: {name: Nova}\n")
    serving.adapters = {"nova": str(folder)}
    page = begin(visit(), place, serving)
    page.click("#identity > button")
    page.click("#identity-ask")
    page.wait_for_selector("table.identity")
    assert page.locator("table.identity thead th").all_inner_texts() == ["starter", "nova"]
    assert page.locator("table.identity .tick").count() == 6
    assert "Nova is named in 3 of 3" in page.inner_text(".identity-verdict")
