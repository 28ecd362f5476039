"""Talking in the terminal: from a pipe and at a terminal, with whatever server there is."""

import os
import signal

import pytest
from acting import ended, wait_until
from talking import SETTINGS, Terminal, server, studio

from studio import cli, runs
from studio.runs import folder as files

pytest_plugins = ("acting", "talking")


def test_questions_from_a_pipe(behave):
    process = studio("chat", *SETTINGS)
    out, err = process.communicate("good day\n\nand you\nclear\nthink again\nexit\nnever\n", timeout=30)
    assert out == "1: good day \n3: and you \n1: think again \n" and process.returncode == 0
    assert "Forgotten" in err and "Let me see" not in out
    run = runs.find(runs.listing()[0].id)
    assert ended(run).state == "stopped", "who started the server ends it"


def test_single_turns_bare_prompts_and_many_lines(behave):
    single = studio("chat", *SETTINGS, "--single_turn")
    said = 'one\ntwo \\\nthree\n"""\na\n\nb\n"""\n'
    assert single.communicate(said, timeout=30)[0] == "1: one \n1: two three \n1: a b \n"
    bare = studio("chat", *SETTINGS, "--no_template")
    assert bare.communicate("to be\n", timeout=30)[0] == "to be \n"


def test_a_refusal_is_told_and_the_talk_goes_on(behave):
    out, err = studio("chat", *SETTINGS).communicate("hello\nrefuse\nmore\n", timeout=30)
    assert out.splitlines()[0] == "1: hello " and out.splitlines()[-1] == "3: more " and "(400): no" in err


def test_a_server_that_is_there_is_taken_and_stays(speak):
    assert cli.main(["api", *SETTINGS, "--detach"]) == 0
    run = server()
    out, err = studio("chat", *SETTINGS, "idle_s=5").communicate("hi\n", timeout=30)
    assert out == "1: hi \n" and run.id in err and run.state == "running" and len(runs.listing()) == 1
    out, err = studio("chat", *SETTINGS, "temperature=0.1").communicate("hi\n", timeout=30)
    assert len(runs.listing()) == 2, "another job has a server of its own"
    runs.stop(run)


def test_the_server_is_killed_in_the_middle(behave):
    process = studio("chat", *SETTINGS)
    run = server()
    process.stdin.write("long\n")
    process.stdin.flush()
    wait_until(lambda: (files.read_json(run.folder / files.ACTIVITY) or {}).get("asked"))
    os.kill(run.status.worker_pid, signal.SIGKILL)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and "does not answer" in err and "Traceback" not in err
    assert f"The server {run.id} has ended: " in err and "SIGKILL" in err and "max_concurrent" in err


def test_the_server_was_stopped_meanwhile(behave):
    terminal = Terminal("chat", *SETTINGS)
    terminal.see("You: ")
    run = server()
    runs.stop(run)
    ended(run)
    terminal.type("hi\n")
    assert terminal.end() == 3 and "has ended: stopped" in terminal.said


def test_one_that_does_not_come_up_says_why(speak, capsys):
    speak("fails")
    assert cli.main(["chat", *SETTINGS]) == 2
    assert "is full" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_closed_terminal_ends_the_server_too(behave, number):
    process = studio("chat", *SETTINGS)
    run = server()
    process.send_signal(number)
    process.communicate(timeout=30)
    assert ended(run).state == "stopped"


def test_at_a_terminal(behave):
    terminal = Terminal("chat", *SETTINGS)
    terminal.see("exit leaves")
    terminal.type("think of it\n")
    terminal.see("\033[2mLet me see. \033[0m")
    terminal.see("1: think of it ")
    terminal.see("\033[2m4 tokens")
    terminal.see("You: ")
    terminal.type("a \\\nb\n")
    terminal.see("… ")
    terminal.see("3: a b ")
    terminal.type("clear\n")
    terminal.see("Forgotten")
    terminal.type("long\n")
    terminal.see("1: long ")
    terminal.type("\x03")
    terminal.see("(stopped)")
    terminal.see("You: ")
    run = runs.find(runs.listing()[0].id)
    wait_until(lambda: files.read_json(run.folder / files.ACTIVITY)["left"] == 1)
    terminal.type("next\n")
    terminal.see("3: next ")
    asked = wait_until(lambda: [one for one in files.read_json(run.folder / files.ACTIVITY)["asked"]
                                if len(one["messages"]) == 3])
    assert asked[0]["messages"][1]["content"].startswith("1: long "), "what was said before the stop is kept"
    terminal.see("You: ")
    assert terminal.leave() == 0 and ended(run).state == "stopped"


def test_loading_shows_and_a_bare_line_leaves(behave):
    terminal = Terminal("chat", *SETTINGS)
    terminal.see("Loading the model")
    terminal.see("You: ")
    terminal.type("\x04")
    assert terminal.end() == 0
