"""A real server process and a real Chromium. Without Chromium the tests skip, unless STUDIO_REQUIRE_BROWSER=1."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # for `import stand_in`
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
START_S = 120
WAIT_MS = 60_000


def chromium_path() -> str | None:
    """Where Chromium is: $STUDIO_CHROMIUM, else the system's."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("STUDIO_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """One Chromium for all tests; each opens its own context."""
    required = os.environ.get("STUDIO_REQUIRE_BROWSER") == "1"
    path = chromium_path()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path, reason = None, "playwright is not installed"
    else:
        reason = "no Chromium here: install it, or name it in STUDIO_CHROMIUM"
    if path is None:
        pytest.fail(reason) if required else pytest.skip(reason)
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


class Studio:
    """The studio's page as a process of its own. `url` ends without a slash."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home = home
        self.variables = variables
        self.port = 0
        self.lines: list[str] = []
        self.start()

    def start(self) -> None:
        """Start the process, on the port it had before if it had one."""
        unset = ("GRADIO_SERVER_NAME", "GRADIO_ROOT_PATH", "STUDIO_AUTH", "DISPLAY", "WAYLAND_DISPLAY")
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        environment |= {"STUDIO_HOME": str(self.home), "GRADIO_SERVER_PORT": str(self.port), **self.variables}
        command = [sys.executable, "-c", "from studio.ui.app import run; raise SystemExit(run(open_browser=False))"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
        ready = threading.Event()
        self.reader = threading.Thread(target=self._read, args=(self.process.stdout, ready), daemon=True)
        self.reader.start()
        assert ready.wait(START_S) and self.port, "the page did not start:\n" + "".join(self.lines)

    def _read(self, output, ready: threading.Event) -> None:
        for line in output:
            self.lines.append(line)
            found = re.search(r"http://[^\s:]+:(\d+)", line)
            if found and not ready.is_set():
                self.port = int(found[1])
                ready.set()
        ready.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def saves(self) -> Path:
        return self.home / "saves"

    def kill(self) -> None:
        """SIGKILL: no goodbye to anyone."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """Ctrl-C."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


@pytest.fixture(scope="module")
def studio(tmp_path_factory) -> Iterator[Studio]:
    """A studio for the tests of one file."""
    page = Studio(tmp_path_factory.mktemp("studio"))
    yield page
    page.stop()


@pytest.fixture
def start_studio(tmp_path) -> Iterator:
    """Start studios of one's own: `start_studio(STUDIO_AUTH="me:secret")`."""
    started: list[Studio] = []

    def start(**variables: str) -> Studio:
        home = tmp_path / f"studio{len(started)}"
        home.mkdir()
        started.append(Studio(home, **variables))
        return started[-1]

    yield start
    for page in started:
        page.stop()


class Visitor:
    """A browser page that remembers what went wrong on it and where its requests went."""

    def __init__(self, context) -> None:
        self.context = context
        self.page = context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, address: str):
        """Go there and wait until the page is drawn."""
        self.page.goto(address)
        self.page.wait_for_selector("#quickstart")
        return self.page

    def foreign(self) -> list[str]:
        """Requests that left this machine."""
        return [url for url in self.requests if not re.match(r"(https?://127\.0\.0\.1[:/]|data:|blob:|about:)", url)]


@pytest.fixture
def visit(browser) -> Iterator:
    """Open pages: `visit(locale="zh-CN", width=390)` gives a `Visitor`."""
    contexts = []

    def open_context(locale: str = "en-US", width: int = 1280, **options) -> Visitor:
        context = browser.new_context(locale=locale, viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        return Visitor(context)

    yield open_context
    for context in contexts:
        context.close()
