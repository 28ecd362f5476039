"""A studio's page as a process, and a visitor's page in Chromium: what the browser tests are made of."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from studio.runs import locks

ROOT = Path(__file__).resolve().parents[2]
START_S = 120
WAIT_MS = 60_000
WIDTH, HEIGHT = 1280, 900
LEAVING = ("AbortError", "Connection errored out")  # what a browser says of requests that a page left behind


class Studio:
    """The studio's page as a process of its own. `url` ends without a slash.

    `worker`: what is run in place of the worker (stand_in.py and its words), for what needs no model. `only`: this tab
    alone, which is visited at half the cost.
    """

    def __init__(self, home: Path, worker: tuple[str, ...] = (), only: str = "", **variables: str) -> None:
        self.home = home
        self.worker, self.only = worker, only
        self.variables = variables
        self.port = 0
        self.lines: list[str] = []
        self.start()

    def start(self) -> None:
        """Start the process, on the port it had before if it had one."""
        unset = ("GRADIO_SERVER_NAME", "GRADIO_ROOT_PATH", "STUDIO_AUTH", "DISPLAY", "WAYLAND_DISPLAY")
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        environment |= {"STUDIO_HOME": str(self.home), "GRADIO_SERVER_PORT": str(self.port), **self.variables}
        stage = f"from studio.runs import launch; launch.WORKER = {self.worker!r}; " if self.worker else ""
        serve = f"from studio.ui.app import run; raise SystemExit(run(open_browser=False, only={self.only!r}))"
        command = [sys.executable, "-c", stage + serve]
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

    def runs(self) -> list[str]:
        """The ids of what was started."""
        return sorted(path.parent.relative_to(self.saves).as_posix() for path in self.saves.rglob("job.yaml"))

    def kill(self) -> None:
        """SIGKILL: no goodbye to anyone."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """Ctrl-C. It must have gone without a bug, which leaves a trace in the terminal."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self.reader.join(5)
        told = "".join(self.lines)
        assert "Traceback (most recent call last)" not in told, told


@contextmanager
def busy_studio(home: Path, only: str = "") -> Iterator[Studio]:
    """A studio whose processor somebody else has: what is started waits."""
    page = Studio(home, only=only, CUDA_VISIBLE_DEVICES="", ASCEND_RT_VISIBLE_DEVICES="")
    lock = page.home / "cache" / "devices" / "cpu-0.lock"
    lock.parent.mkdir(parents=True)
    held = locks.acquire(lock)
    yield page
    page.stop()  # before the processor is free
    os.close(held)


class Visitor:
    """A browser page that remembers what went wrong on it and where its requests went.

    One page serves many tests one after the other, a stranger's each time (`begin`): a new one costs twice what a visit
    does.
    """

    def __init__(self, context) -> None:
        self.context = context
        self.page = context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self._note(message.text))
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _note(self, error: str) -> None:
        if not any(words in error for words in LEAVING):
            self.errors.append(error)

    def begin(self, width: int = WIDTH, color_scheme: str = "light", permissions: tuple[str, ...] = ()) -> "Visitor":
        """Someone who was never here, with such a window and such wishes."""
        self.context.clear_cookies()
        self.context.grant_permissions(permissions) if permissions else self.context.clear_permissions()
        self.page.emulate_media(color_scheme=color_scheme)
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.errors.clear()
        self.requests.clear()
        return self

    def leave(self) -> None:
        """Forget all that a page has kept, and look at a picture instead, which asks for nothing."""
        from playwright.sync_api import Error  # here: who only starts studios needs no browser

        for page in self.context.pages:
            if page is not self.page:
                page.close()
        address = urlsplit(self.page.url)
        try:
            self.page.goto(f"{address.scheme}://{address.netloc}/favicon.ico")
            self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        except Error:  # nobody serves it any more
            self.page.goto("about:blank")

    def keep(self, place: Studio, name: str, value: object) -> None:
        """Put a value where the page will look for what it has kept."""
        self.page.goto(f"{place.url}/favicon.ico")
        self.page.evaluate("([name, text]) => localStorage.setItem(name, text)", [name, json.dumps(value)])

    def open(self, address: str):
        """Go there and wait until the page is drawn."""
        self.page.goto(address)
        self.page.wait_for_selector("#quickstart")
        return self.page

    def foreign(self) -> list[str]:
        """Requests that left this machine."""
        return [url for url in self.requests if not re.match(r"(https?://127\.0\.0\.1[:/]|data:|blob:|about:)", url)]
