"""Servers without a model for the tests of the command line: speaking.py in the worker's place."""

import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import pytest
from acting import TOY, wait_until

from studio import endpoint, paths, runs
from studio.runs import launch

SPEAKING = Path(__file__).with_name("speaking.py")
PATIENCE_S = 60
SETTINGS = [f"model_name_or_path={TOY}", "device=cpu", "stop_grace_s=5"]


@pytest.fixture
def speak(behave, monkeypatch):
    """speak(): servers started from now on are the stand-in."""
    monkeypatch.setattr(launch, "WORKER", (str(SPEAKING),))
    for name in ("API_HOST", "API_PORT", "API_KEY", "API_MODEL_NAME", "MAX_CONCURRENT", "FASTAPI_ROOT_PATH"):
        monkeypatch.delenv(name, raising=False)
    return lambda *words: monkeypatch.setattr(launch, "WORKER", (str(SPEAKING), *words))


def studio(*words, worker=(str(SPEAKING),), **more):
    """The command line in a process of its own, with the stand-in for the worker."""
    code = ("import sys\nfrom studio import cli\nfrom studio.runs import launch\n"
            f"launch.WORKER = {worker!r}\nsys.exit(cli.main(sys.argv[1:]))")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | more
    return subprocess.Popen([sys.executable, "-c", code, *words], cwd=paths.PACKAGE.parent, **pipes)


def server():
    """The only server there is, once it answers."""
    found = wait_until(lambda: [one for one in runs.listing() if one.kind == "serve"])
    run = runs.find(found[0].id)
    wait_until(lambda: endpoint.of(run.folder))
    return run


class Terminal:
    """The command line at a terminal of its own."""

    def __init__(self, *words, **more):
        self.master, slave = pty.openpty()
        self.process = studio(*words, stdin=slave, stdout=slave, stderr=slave, text=False, start_new_session=True,
                              preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **more)
        os.close(slave)
        self.shown, self.seen = b"", 0

    @property
    def said(self):
        """All it has shown so far."""
        return self.shown.decode("utf-8", "replace")

    def type(self, words):
        """Press these keys."""
        os.write(self.master, words.encode())

    def see(self, words):
        """Wait until the words are shown after what was seen before."""
        while (place := self.said.find(words, self.seen)) < 0:
            assert select.select([self.master], [], [], PATIENCE_S)[0], self.said
            self.shown += os.read(self.master, 65536)
        self.seen = place + len(words)

    def more(self):
        """Wait until something is shown after what was seen before."""
        while len(self.said) <= self.seen:
            assert select.select([self.master], [], [], PATIENCE_S)[0], self.said
            self.shown += os.read(self.master, 65536)

    def leave(self):
        """Ctrl-C at the prompt, and the exit code. Between the prompt and the wait for a key it is lost: then again."""
        for _ in range(4):
            self.type("\x03")
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline and self.process.poll() is None:
                if select.select([self.master], [], [], 0.1)[0]:
                    with suppress(OSError):
                        self.shown += os.read(self.master, 65536)
            if self.process.poll() is not None:
                return self.end()
        raise AssertionError(self.said)

    def end(self):
        """The exit code; what is left is read."""
        with suppress(OSError):
            while chunk := os.read(self.master, 65536):
                self.shown += chunk
        os.close(self.master)
        return self.process.wait(PATIENCE_S)
