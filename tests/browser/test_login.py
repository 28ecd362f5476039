"""A page with a password, behind a proxy, and on a port that is taken."""

import re

import pytest

pytestmark = pytest.mark.browser


def test_the_password_is_asked_for_once_and_kept_over_a_restart(start_studio, visit):
    studio = start_studio(STUDIO_AUTH="me:se cret:1")
    page = visit().page
    page.goto(f"{studio.url}/zh/?run=a/b/c")
    assert "/login" in page.url and page.locator("input").count() == 2
    page.fill("[name=user]", "me")
    page.fill("[name=password]", "wrong")
    page.click("button")
    page.wait_for_selector("[role=alert]:visible")
    page.fill("[name=user]", "me")
    page.fill("[name=password]", "se cret:1")
    page.click("button")
    page.wait_for_selector("#quickstart")
    assert page.url == f"{studio.url}/zh/?run=a/b/c"
    studio.kill()
    studio.start()
    page.reload()
    page.wait_for_selector("#quickstart")


def test_a_password_is_made_for_an_address_that_others_reach(start_studio, visit):
    studio = start_studio(GRADIO_SERVER_NAME="0.0.0.0")
    words = re.search(r"User: (\S+)   Password: (\S+)", "".join(studio.lines))
    page = visit().page
    page.goto(studio.url)
    page.fill("[name=user]", words[1])
    page.fill("[name=password]", words[2])
    page.click("button")
    page.wait_for_selector("#quickstart")


def test_a_port_in_use_is_said_and_the_next_one_taken(start_studio):
    first = start_studio()
    second = start_studio(GRADIO_SERVER_PORT=str(first.port))
    assert second.port != first.port
    assert f"Port {first.port} is in use; taking {second.port} instead." in "".join(second.lines)


def test_below_a_path_of_a_proxy_everything_works(start_studio, visit):
    studio = start_studio(GRADIO_ROOT_PATH="/studio")
    visitor = visit()
    page = visitor.open(f"{studio.url}/studio/")
    assert page.url == f"{studio.url}/studio/en/"
    page.wait_for_selector("#header [data-part=devices]:not([hidden])")
    page.fill("#quickstart-name input", "")
    page.click("#quickstart")
    page.wait_for_selector("#quickstart-name.problem")
    assert visitor.errors == [] and all("/studio/" in url for url in visitor.requests if url.startswith("http"))
