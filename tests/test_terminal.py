"""Following a run in a terminal: log, bar, Ctrl-C. The command line is a process of its own, its runs are real."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest
from acting import STAND_IN, TOY, the_run, wait_until

from studio import cli, paths, runs, terminal
from studio.config import BuildJob
from studio.runs import folder as files
from studio.runs import locks, queue, starting
from studio.text import catalogue

pytest_plugins = ("acting",)
SETTINGS = [f"model_name_or_path={TOY}", "dataset=d", "device=cpu", "stop_grace_s=20"]
OUTPUT = "output_dir=saves/toy/lora/r"


def studio(*words: str, behaviour: tuple[str, ...] = (), **more) -> subprocess.Popen:
    """The command line in a process of its own, with a stand-in for the worker."""
    code = ("import sys\nfrom studio import cli\nfrom studio.runs import launch\n"
            f"launch.WORKER = {(str(STAND_IN), *behaviour)!r}\nsys.exit(cli.main(sys.argv[1:]))")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True} | more
    return subprocess.Popen([sys.executable, "-c", code, *words], cwd=paths.PACKAGE.parent, **pipes)


def test_detach_prints_the_id_and_returns(behave):
    began = time.monotonic()
    process = studio("train", *SETTINGS, OUTPUT, "--detach", behaviour=("steps=5000", "pace=0.02"),
                     stderr=subprocess.PIPE)
    out, told = process.communicate(timeout=30)
    assert process.returncode == 0 and out == "toy/lora/r\n" and "studio stop" in told
    run = the_run()
    assert run.state == "running" and time.monotonic() - began < 20
    runs.stop(run, now=True)
    wait_until(lambda: run.state == "stopped")


def press(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGINT)


def test_ctrl_c_stops_politely(behave):
    process = studio("train", *SETTINGS, behaviour=("steps=5000", "pace=0.02"))
    run = the_run()
    press(process)
    out = process.communicate(timeout=30)[0]
    assert process.returncode == 3 and run.state == "stopped" and runs.folder.last_checkpoint(run.folder)
    assert "Stopping" in out and "studio resume" in out


def test_ctrl_c_twice_ends_it_and_three_times_leaves(behave):
    process = studio("train", *SETTINGS, behaviour=("steps=5000", "pace=0.02", "deaf"))
    run = the_run()
    press(process)
    wait_until(lambda: run.state == "stopping")
    press(process)
    out = process.communicate(timeout=30)[0]
    assert process.returncode == 3 and run.state == "stopped" and "at once" in out


def test_the_third_ctrl_c_leaves(behave):
    process = studio("train", *SETTINGS, behaviour=("steps=5000", "pace=0.02", "deaf"))
    run = the_run()
    for _ in range(3):
        press(process)
        time.sleep(0.4)
    out = process.communicate(timeout=30)[0]
    assert process.returncode == 130 and "The run goes on" in out
    wait_until(lambda: run.state == "stopped")


@pytest.mark.parametrize("delay_s", [0.02, 0.1, 0.25, 0.4, 0.6, 0.9])
def test_ctrl_c_at_any_moment(behave, delay_s):
    """Before, during and after the start: never a traceback, never half a run, never one that goes on unasked."""
    process = studio("train", *SETTINGS, OUTPUT, behaviour=("steps=5000", "pace=0.02"))
    time.sleep(delay_s)
    press(process)
    out = process.communicate(timeout=30)[0]
    started = "Started" in out
    assert (process.returncode == 3) if started else process.returncode in (130, -signal.SIGINT, 1)
    assert not started or "Traceback" not in out
    states = [found.state for found in runs.listing()]
    assert states == (["stopped"] if started else []), out


def test_a_closed_terminal_ends_nothing(behave):
    process = studio("train", *SETTINGS, behaviour=("steps=5000", "pace=0.02"))
    run = the_run()
    process.kill()
    process.communicate()
    step = run.progress().step
    wait_until(lambda: run.progress().step > step)
    assert run.state == "running"


def test_a_reader_that_leaves_ends_nothing(behave):
    process = studio("train", *SETTINGS, behaviour=("steps=5000", "pace=0.02"))
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 1
    assert the_run().state == "running"


def test_a_terminal_gets_a_bar(behave):
    master, slave = pty.openpty()
    process = studio("train", *SETTINGS, behaviour=("steps=30", "pace=0.03"), stdout=slave, stderr=slave, text=False)
    os.close(slave)
    shown = b""
    while select.select([master], [], [], 20)[0]:
        try:
            shown += os.read(master, 65536)
        except OSError:
            break
    os.close(master)
    assert process.wait(10) == 0
    text = shown.decode()
    assert "\r\033[K" in text and re.search(r"█+░+ +\d+/30 +loss", text) and "step 3/30" not in text
    assert all(len(re.sub(r"\033\[K", "", part)) < 300 for part in text.split("\r"))


def test_a_waiting_run_shows_what_it_waits_for(behave, capsys, monkeypatch):
    """As the quickstart does: the starter model first, then the run."""
    behave("steps=4", "pace=0.1")
    build = runs.start(BuildJob(what="starter", model_name_or_path="builtin/starter", device="cpu"))
    files.write_json_atomic(build.folder / files.PROGRESS, {"phase": "starter", "done": 30, "total": 100, "unit": ""})
    monkeypatch.setattr(starting, "_requirements", lambda job: (build.id,))
    assert cli.main(["train", *SETTINGS]) == 0
    out = capsys.readouterr().out
    words = catalogue("en")("phases.starter")
    assert f"{words} … 30 %" in out or f"First: {build.id}" in out
    assert "Finished" in out


def test_a_held_run_says_why(behave, job, capsys, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    fd = locks.acquire(queue.device_lock("cpu:0"))
    run = runs.start(job(hf_hub_token="typed"))
    queue.typed_secrets.clear()
    os.close(fd)
    runs.advance()
    with terminal.counting_presses() as presses:
        assert terminal.follow(run, catalogue("en"), presses) == 1
    assert "HF_TOKEN" in capsys.readouterr().out


@pytest.mark.parametrize("is_logged", [True, False])
def test_why_it_failed_is_said_once(behave, job, capsys, is_logged):
    behave("error=model_not_found")
    run = runs.start(job())
    wait_until(lambda: run.state == "failed")
    reason = run.reason(catalogue("en"))
    if is_logged:
        with open(run.folder / files.LOG, "a", encoding="utf-8") as file:
            file.write(reason + "\n")
    with terminal.counting_presses() as presses:
        assert terminal.follow(run, catalogue("en"), presses) == 1
    out = capsys.readouterr().out
    assert out.count(reason) == 1 and ("Failed.\n" in out) == is_logged


@pytest.mark.parametrize("columns, text, found", [
    (3, "abcdef", "abc"), (4, "训练完成", "训练"), (80, "short", "short"),
])
def test_lines_fit_the_terminal(columns, text, found):
    assert terminal.clipped(text, columns) == found


def test_tables_align_chinese():
    lines = terminal.table([["运行", "x"], ["abcdef", "y"]])
    assert [terminal.width(line) for line in lines] == [9, 9]
