"""The quickstart as a visitor does it: for the test that really trains, and for whoever makes screenshots."""

import time

RUN = "new URL(location.href).searchParams.get('run')"
END_STATES = ("finished", "failed", "stopped", "lost")


def begin(page, name: str, author: str) -> str:
    """Fill in name and author, press the button, and give the id of the run that the page then shows."""
    page.fill("#quickstart-name input", name)
    page.fill("#quickstart-author input", author)
    shown = page.evaluate(RUN)  # one that is at work already
    page.click("#quickstart")
    page.wait_for_function(f"([shown, name]) => {RUN} !== shown && {RUN}?.includes(`/${{name}}`)", arg=[shown, name])
    page.wait_for_selector("#monitor [data-part=root]:not([hidden])")
    return page.evaluate(RUN)


def state(page) -> str:
    """The state of the run shown: `running`, `finished` …"""
    return page.get_attribute("#monitor [data-part=root]", "data-state") or ""


def num_points(page) -> int:
    """How many points of the loss the page has drawn."""
    return int(page.get_attribute("#monitor [data-part=root]", "data-points") or 0)


def wait_for_end(page, limit_s: float) -> str:
    """Wait until the run has ended; its last state."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline and state(page) not in END_STATES:
        page.wait_for_timeout(500)
    return state(page)


def answers(page) -> dict[str, list[str]]:
    """Each question with its answers, the one before training first."""
    return page.evaluate("""() => Object.fromEntries([...document.querySelectorAll('#monitor .sample')].map((card) => [
        card.dataset.prompt, [...card.querySelectorAll('.answers p')].map((p) => p.textContent)]))""")
