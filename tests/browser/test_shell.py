"""What all tabs share: the address, the keyboard, the title, a page nobody looks at, several pages at once."""

import pytest
from run_folder import RunFolder

from studio.data import votes

pytestmark = pytest.mark.browser
CHOSEN = "document.querySelector('#tabs [role=tab][aria-selected=true]')?.dataset.tabId"
POINTS = "Number(document.querySelector('#monitor [data-part=root]')?.dataset.points)"


@pytest.fixture
def run(studio, request):
    """A run of its own for each test."""
    folder = RunFolder(studio.saves, f"starter/lora/{request.node.name[:40]}")
    yield folder
    folder.close()


def test_the_tab_stands_in_the_address_and_back_leads_back(studio, visit):
    page = visit().open(studio.url)
    page.click("[role=tab][data-tab-id=export]")
    page.wait_for_url("**/en/?tab=export")
    page.reload()
    page.wait_for_function(f"{CHOSEN} === 'export'")
    page.click("[role=tab][data-tab-id=train]")
    page.wait_for_function("!location.search.includes('tab')")
    page.go_back()
    page.wait_for_function(f"{CHOSEN} === 'export'")
    page.click("[data-language=zh]")
    page.wait_for_url("**/zh/?tab=export", wait_until="commit")
    page.wait_for_function(f"{CHOSEN} === 'export'")


def test_the_keyboard_goes_from_tab_to_tab_each_is_whole_and_leads_to_others(studio, visit, monkeypatch):
    """What the page's first moment writes must not undo a tab that nobody has looked at yet."""
    monkeypatch.setenv("STUDIO_HOME", str(studio.home))
    votes.record_thumb([{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "I."}], True, {})
    visitor = visit()
    page = visitor.open(studio.url)
    page.wait_for_function("document.querySelectorAll('#tabs [role=tab][tabindex=\"0\"]').length === 1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.wait_for_timeout(1000)  # the page's first moment is over
    page.focus("[role=tab][data-tab-id=train]")
    steps = (("ArrowRight", "chat"), ("ArrowRight", "evaluate"), ("ArrowRight", "export"), ("End", "dataset"),
             ("ArrowRight", "train"), ("ArrowLeft", "dataset"))  # fmt: skip
    for key, wanted in steps:
        page.keyboard.press(key)
        page.wait_for_function(f"{CHOSEN} === '{wanted}' && document.activeElement.dataset.tabId === '{wanted}'")
        page.wait_for_selector("#tabs > [role=tabpanel]:visible :is(h2, button, p):visible")
    page.get_by_role("tab", name="Chat", exact=True).click()
    page.wait_for_selector("#chat-load:visible")
    page.wait_for_selector("#chat-votes [data-link=kto]:visible")
    page.evaluate("window.dispatchEvent(new CustomEvent('studio:open', { detail: 'no/such/run' }))")  # as a list does
    page.wait_for_function(f"{CHOSEN} === 'train' && location.search.includes('run=no/such/run')")
    page.get_by_role("tab", name="Chat", exact=True).click()
    page.click("#chat-votes [data-link=kto]")
    page.wait_for_function(f"{CHOSEN} === 'train' && studio.read('train')?.dataset?.includes('{votes.KTO}')")
    assert visitor.errors == []


def test_a_run_is_in_the_title_nobody_asks_unseen_and_when_it_has_finished_it_leads_on(studio, visit, run):
    run.train(42)
    (run.folder / "adapter_model.safetensors").write_bytes(b"")
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    page = visitor.page
    page.goto(f"{studio.url}/en/?tab=export")
    page.wait_for_function("document.title.startsWith('42 % · ')")
    assert "run=" not in page.url, "there the address names what is exported"
    visitor.open(f"{studio.url}/en/?run={run.id}")
    page.wait_for_function("document.title.startsWith('42 % · ')")
    page.wait_for_selector("#monitor [data-part=root]:not([hidden])")
    page.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });"
                  "document.dispatchEvent(new Event('visibilitychange'))")  # fmt: skip
    page.wait_for_timeout(1000)  # what was under way
    before = len(visitor.requests)
    run.train(10)
    page.wait_for_timeout(5500)  # longer than the slowest of what asks
    assert visitor.requests[before:] == []
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function(f"{POINTS} === 52")
    run.end("finished")
    page.wait_for_function("document.title.startsWith('finished · ')")
    page.click("#monitor [data-part=copy]")
    page.wait_for_function("document.querySelector('#monitor [data-part=copy]')?.textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == str(run.folder)
    page.click("#monitor [data-lead=chat]")
    page.wait_for_url(f"**/en/?tab=chat&model={run.id}")
    page.wait_for_function(f"{CHOSEN} === 'chat'")
    page.wait_for_selector(".toast-body:has-text('left neither')")  # it is to be loaded, and these weights are none
    page.go_back()
    page.click("#monitor [data-part=close]")
    page.wait_for_function("document.title === 'Finetune Studio'")


def test_pages_of_one_visitor_all_follow_and_none_keeps_a_connection(studio, visit, run):
    """A browser has six connections to a server, whatever the number of its pages."""
    run.train(5)
    visitor, open_now = visit(), set()
    pages = [visitor.page, visitor.context.new_page()]
    for page in pages:
        page.on("request", lambda request: open_now.add(request))
        for end in ("requestfinished", "requestfailed"):
            page.on(end, lambda request: open_now.discard(request))
        page.goto(f"{studio.url}/en/?run={run.id}")
    run.train(5)
    for page in pages:
        page.bring_to_front()
        page.wait_for_function(f"{POINTS} === 10")
    for _ in range(200):
        if len(open_now) < len(pages):
            break
        page.wait_for_timeout(50)
    assert len(open_now) < len(pages), {request.url for request in open_now}
