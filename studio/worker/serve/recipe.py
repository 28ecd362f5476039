"""Serving: load the model, listen, answer until the run is stopped or another one needs the device."""

import asyncio
import ipaddress
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from pathlib import Path

import uvicorn

from studio.config import ServeJob
from studio.errors import StudioError
from studio.runs import folder as files
from studio.runs import room
from studio.worker.progress import Progress, StopRequested
from studio.worker.serve import guard
from studio.worker.serve.activity import Watch

FINISHED, STOPPED = 0, 3
GRACEFUL_S = 3


def run(folder: Path, job: ServeJob) -> int:
    """Serve as `job` says until the end that the run folder asks for. Returns the worker's exit code."""
    progress = Progress(folder)
    with listening(job) as listener:
        try:
            if job.infer_backend == "huggingface":
                from studio.worker.serve import own

                return own.serve(folder, job, progress, listener)
            from studio.worker.serve import backend

            return backend.serve(folder, job, progress, listener)
        except StopRequested:
            return STOPPED
        finally:
            for name in (files.ENDPOINT, files.ACTIVITY):
                (folder / name).unlink(missing_ok=True)


@contextmanager
def listening(job: ServeJob):
    """The socket, taken before the model is loaded: a port in use is told at once. Nobody can connect to it yet."""
    host = job.api_host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, job.api_port))
        except OSError as error:
            raise StudioError("api_port_taken", host=host, port=job.api_port, reason=error.strerror or error) from error
        yield listener


class Keys:
    """The keys of a server: the one the user set, and our own. Where others can reach it, one has to be set."""

    def __init__(self, job: ServeJob) -> None:
        self.own = secrets.token_urlsafe(32)
        self.given = job.api_key.get_secret_value() if job.api_key else os.environ.get("API_KEY") or None
        if not self.given and not guard.is_loopback(job.api_host):  # one made here would end in the log
            raise StudioError("api_key_needed", host=job.api_host)

    @property
    def accepted(self) -> tuple[str, ...]:
        """None: any will do."""
        return (self.given, self.own) if self.given else ()


def serve_app(app, listener: socket.socket, folder: Path, keys: Keys, watch: Watch) -> int:
    """Run the application until `watch` ends it. Returns the worker's exit code."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=GRACEFUL_S, lifespan="off", ws="none"
    )
    server = Server(config)
    asked = asyncio.run(_serve(server, listener, lambda: announce(folder, listener, keys), watch))
    if watch.ended == room.GAVE_WAY:
        files.write_json_atomic(folder / files.RESULT, {"ended": room.GAVE_WAY, "to": watch.gave_way_to})
    return STOPPED if watch.ended or asked else FINISHED


async def _serve(server: "Server", listener: socket.socket, announced: Callable[[], None], watch: Watch) -> bool:
    """True if a signal ended it."""
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    if serving.done():
        serving.result()
        raise RuntimeError("the server did not start")
    with signals() as signalled:
        announced()  # whoever reads where it listens may end it at once
        waited_for = {serving, asyncio.create_task(watch.run()), asyncio.create_task(signalled.wait())}
        done, left = await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        for task in left - {serving}:
            task.cancel()
        await asyncio.to_thread(watch.cut)
        server.should_exit = True
        await serving
        for task in done:
            task.result()
    return signalled.is_set()


class Server(uvicorn.Server):
    """uvicorn without its own way with signals, which would end the process before the folder is tidy."""

    def capture_signals(self):
        return nullcontext()


@contextmanager
def signals():
    """An event that SIGTERM and Ctrl-C set, so that the server ends in good order."""
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def leave(number: int, frame: object) -> None:
        loop.call_soon_threadsafe(event.set)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def announce(folder: Path, listener: socket.socket, keys: Keys) -> None:
    """The server listens: write `endpoint.json`, for this user's eyes, and say where its page is."""
    host, port = listener.getsockname()[:2]
    try:
        everywhere = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        everywhere = False
    near = ("::1" if ":" in host else "127.0.0.1") if everywhere else host
    address = f"[{near}]:{port}" if ":" in near else f"{near}:{port}"
    endpoint = {"url": f"http://{address}", "key": keys.own, "host": host, "port": port}
    write_private(folder / files.ENDPOINT, endpoint)
    shown = f"[{host}]" if ":" in host else host
    print(f"Visit http://{shown}:{port}/docs for API document.", flush=True)


def write_private(path: Path, value: dict) -> None:
    """As `write_json_atomic`, but nobody else may ever read the file."""
    before = os.umask(0o077)
    try:
        files.write_json_atomic(path, value)
    finally:
        os.umask(before)


def since(begun_s: float) -> float:
    """Seconds, to a hundredth."""
    return round(time.monotonic() - begun_s, 2)
