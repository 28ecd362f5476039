"""The commands that serve: `api` follows a server, `chat` talks to one in the terminal, `webchat` in the page.

A server is a run like any other. `chat` and `webchat` take one that is there for the same job, and end the one they
started when they leave.
"""

import ipaddress
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio import argv, endpoint, runs, terminal
from studio.errors import StudioError
from studio.runs import folder as files
from studio.text import Catalogue

API_PORT = 8000
VARIABLES = {
    "API_HOST": "api_host", "API_PORT": "api_port", "API_KEY": "api_key", "API_MODEL_NAME": "api_model_name",
    "MAX_CONCURRENT": "max_concurrent",
}  # fmt: skip
WITHOUT_EFFECT = ("FASTAPI_ROOT_PATH",)
# What may differ where a server that is there is taken: where it listens, and how it lives.
_ITS_OWN = {
    "output_dir", "api_host", "api_port", "api_model_name", "max_concurrent", "max_waiting", "idle_s", "seed",
    "stop_grace_s", "auto_resume",
}  # fmt: skip


def served_job(words: list[str], t: Catalogue, variables: Mapping[str, str] | None = None) -> Any:
    """The job that the words ask for; what there is to tell is told beside the output.

    A run's id or folder stands for its job. `variables`: of the environment, which go before a file.
    """
    from studio.config import read_arguments

    given = {key: value for name, key in VARIABLES.items() if (value := (variables or {}).get(name))}
    reading = read_arguments("serve", terminal.of_a_run(words), given)
    told = [notice.text(t) for notice in reading.notices]
    told += [t("serving.variable", name=name) for name in WITHOUT_EFFECT if (variables or {}).get(name)]
    for sentence in told:
        print(sentence, file=sys.stderr)
    if variables is not None and reading.sources["api_port"] == "default":
        return reading.job.model_copy(update={"api_port": API_PORT})
    return reading.job


def with_key(job: Any, t: Catalogue) -> Any:
    """The job with a key if others can reach the server: one is made and shown, and never written."""
    if job.api_key or _is_loopback(job.api_host):
        return job
    from pydantic import SecretStr

    key = secrets.token_urlsafe(24)
    print(t("serving.key", secret=key), file=sys.stderr)
    return job.model_copy(update={"api_key": SecretStr(key)})


@contextmanager
def server_for(job: Any, t: Catalogue) -> Iterator[runs.Run]:
    """A server of the job that answers: one that is there, else a new one, which is ended afterwards.

    Raises StudioError where it does not come up. Where the terminal is closed, it is ended too.
    """
    run = running(job)
    if run:
        print(t("serving.reused", run=run.id), file=sys.stderr)
        yield run
        return
    with _leaving_tidily():
        run = runs.submit(job)
        try:
            print(t("terminal.started", run=run.id, folder=run.folder), file=sys.stderr)
            wait(run, t)
            yield run
        finally:
            if run.state in runs.LIVE:
                runs.stop(run)


def running(job: Any) -> runs.Run | None:
    """A server of this user that already has loaded what the job asks for."""
    for summary in runs.listing():
        if summary.kind == "serve" and summary.state == "running":
            run = runs.find(summary.id)
            if endpoint.of(run.folder) and _wanted_of(run.job()) == _wanted_of(job) and _is_from_here(run):
                return run
    return None


def wait(run: runs.Run, t: Catalogue) -> endpoint.Endpoint:
    """The endpoint of a run that is starting, once it answers; meanwhile how far it has come is shown.

    Raises StudioError where the run ends instead.
    """
    screen = terminal.Screen(sys.stderr)
    follower, advanced_s = terminal.Follower(run, t, screen), time.monotonic()
    while True:
        state, found = run.state, endpoint.of(run.folder)
        if found:
            screen.bar("")
            return found
        if state not in (*runs.ALIVE, "queued"):
            screen.bar("")
            if reason := run.reason(t):
                raise StudioError("server_not_up", run=run.id, reason=reason)
            raise StudioError("server_not_up_silent", run=run.id, state=t(f"states.{state}"))
        if state not in runs.ALIVE and time.monotonic() - advanced_s > terminal.ADVANCE_S:
            runs.advance()
            advanced_s = time.monotonic()
        follower.hint(state)
        time.sleep(terminal.POLL_S)


def chat(words: list[str], t: Catalogue) -> int:
    """Talk to a model in the terminal, or have it answer a file of prompts."""
    from studio import chatting, predicting

    data, predictions = argv.option(words, "--data_file"), argv.option(words, "--predictions_file")
    bare, alone = argv.flag(words, "--no_template"), argv.flag(words, "--single_turn")
    argv.flag(words, "--with_prompt", "--interactive")  # what holds anyway
    if bool(data) != bool(predictions):
        raise argv.Misuse
    prompts = predicting.read(Path(data)) if data else None  # what is wrong with it is said before a model is loaded
    done = predicting.written(Path(predictions), prompts) if data else 0
    job = served_job(words, t)
    with server_for(job, t) as run:
        if prompts is None:
            return chatting.converse(run, t, single_turn=alone, template=not bare)
        task = predicting.Task(Path(predictions), prompts, done, template=not bare, at_once=job.max_concurrent)
        return predicting.predict(run, task, t)


def webchat(words: list[str], t: Catalogue) -> int:
    """The Chat tab alone, on a server of its own."""
    quiet = argv.flag(words, "--no-browser")
    host, port = argv.option(words, "--host"), argv.option(words, "--port")
    if port is not None and not port.isdigit():
        raise StudioError("bad_port", port=port)
    from studio.ui import app

    with server_for(served_job(words, t), t) as run:
        return app.run(host, int(port) if port is not None else None, not quiet, only="chat", server=run.id)


def _wanted_of(job: Any) -> dict[str, Any]:
    """What makes two servers answer alike."""
    return {key: value for key, value in job.to_mapping().items() if key not in _ITS_OWN}


def _is_from_here(run: runs.Run) -> bool:
    """Whether relative paths in its job mean the same as here."""
    return (files.read_json(run.folder / files.LAUNCH) or {}).get("cwd") == os.getcwd()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _leaving_tidily() -> Iterator[None]:
    """A closed terminal or SIGTERM leaves the block as Ctrl-C does, not in the middle of it."""

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, leave) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
