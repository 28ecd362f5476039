"""The command line: what a person types and gets back. Runs are real, their worker is a stand-in."""

import json
import os
import re
import subprocess
import sys

import pytest
from acting import TOY, the_run, wait_until

from studio import __version__, cli, paths, runs
from studio.runs import locks, queue

pytest_plugins = ("acting",)
SETTINGS = [f"model_name_or_path={TOY}", "dataset=d", "device=cpu", "stop_grace_s=20"]
OUTPUT = "output_dir=saves/toy/lora/r"


def test_train_follows_to_the_end(behave, capsys):
    behave("steps=3", "pace=0.05")
    assert cli.main(["train", *SETTINGS, OUTPUT]) == 0
    out = capsys.readouterr().out
    assert "Started toy/lora/r" in out and "starting at 0" in out and "done" in out
    assert re.search(r"step 3/3 +loss 0\.3333", out) and out.rstrip().endswith("Finished. The result is in "
                                                                              f"{paths.saves() / 'toy/lora/r'}")


def test_train_takes_a_file_and_says_what_it_passes_over(behave, capsys, tmp_path):
    (tmp_path / "my.yaml").write_text(f"model_name_or_path: {TOY}\ndataset: d\ndevice: cpu\nddp_timeout: 1000\n")
    assert cli.main(["train", str(tmp_path / "my.yaml"), "learning_rate=2e-5"]) == 0
    assert "ddp_timeout" in capsys.readouterr().out
    assert the_run().job().learning_rate == 2e-5


@pytest.mark.parametrize("words, code, told", [
    (["exit=1"], 1, "exit code 1"), (["error=disk_full"], 1, "is full"), (["crash=2"], 1, "ran out of memory"),
])
def test_the_exit_code_is_the_runs(behave, capsys, words, code, told):
    behave("steps=3", *words)
    assert cli.main(["train", *SETTINGS]) == code
    assert told in capsys.readouterr().out


def test_runs_as_a_table_and_as_json(behave, capsys):
    assert cli.main(["runs"]) == 0 and "no runs yet" in capsys.readouterr().out
    behave("steps=2")
    cli.main(["train", *SETTINGS, OUTPUT])
    capsys.readouterr()
    assert cli.main(["runs"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["RUN", "KIND", "STATE"] and row.split()[0] == "toy/lora/r" and "2/2" in row
    assert cli.main(["runs", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    names = ["id", "folder", "kind", "state", "step", "total_steps", "loss", "started", "ended"]
    assert [list(one) for one in found] == [names]
    assert found[0]["state"] == "finished" and found[0]["loss"] == 0.5 and found[0]["ended"] > found[0]["started"]


def test_stop_resume_rename_delete(behave, capsys):
    behave("steps=5000", "pace=0.02")
    cli.main(["train", *SETTINGS, OUTPUT, "--detach"])
    run = the_run()
    assert cli.main(["stop", "r"]) == 0
    wait_until(lambda: run.state == "stopped")
    assert cli.main(["stop", "r"]) == 2
    step = runs.folder.last_checkpoint(run.folder).name.rpartition("-")[2]
    behave(f"steps={int(step) + 2}", "pace=0.02")
    capsys.readouterr()
    assert cli.main(["resume", "r", "learning_rate=1e-5", "--num_train_epochs", "9"]) == 0
    out = capsys.readouterr().out
    assert f"starting at {step}" in out and "starting at 0" not in out and "step 1/" not in out
    assert (run.job().learning_rate, run.job().num_train_epochs) == (1e-5, 9)
    assert cli.main(["resume", "r"]) == 2 and "num_train_epochs" in capsys.readouterr().err
    assert cli.main(["rename", "r", "better"]) == 0 and "toy/lora/better" in capsys.readouterr().out
    assert cli.main(["delete", "better"]) == 2 and "--yes" in capsys.readouterr().err
    assert cli.main(["delete", "better", "--yes"]) == 0 and runs.listing() == []


def test_stop_now_and_of_a_waiting_run(behave, capsys):
    fd = locks.acquire(queue.device_lock("cpu:0"))
    cli.main(["train", *SETTINGS, "--detach"])
    run_id = capsys.readouterr().out.strip()
    assert cli.main(["stop", run_id, "--now"]) == 0 and "out of the queue" in capsys.readouterr().out
    os.close(fd)


def test_stop_says_what_the_run_leaves(behave, capsys):
    behave("steps=5000", "pace=0.02")
    cli.main(["download", "org/model", "--detach"])
    run = the_run()
    wait_until(lambda: run.state == "running")
    capsys.readouterr()
    assert cli.main(["stop", run.id]) == 0 and capsys.readouterr().out == f"{run.id} is stopping.\n"
    wait_until(lambda: run.state == "stopped")


def test_a_server_that_fails_is_told_with_its_reason_alone(behave, capsys):
    behave("error=model_path_missing")
    assert cli.main(["chat", f"model_name_or_path={TOY}", "device=cpu"]) == 2
    told = capsys.readouterr().err
    assert "did not come up: There is no" in told and "running_log" not in told, told


def test_download_is_a_build_job(behave, capsys):
    assert cli.main(["download", "org/model", "--local_dir", "/x/y", "--hub=modelscope", "--revision", "v1"]) == 0
    run = runs.find(runs.listing()[0].id)
    job = run.job()
    assert (job.kind, job.what, job.model_name_or_path) == ("build", "download", "org/model")
    assert (job.local_dir, job.hub, job.model_revision) == ("/x/y", "modelscope", "v1")


@pytest.mark.parametrize("words, part", [
    (["trian"], "train"), (["stop"], "stop RUN"), (["stop", "a", "b"], "stop RUN"), (["rename", "a"], "rename RUN NEW"),
    (["runs", "--all"], "runs [--json]"), (["stop", "nothing"], "no run 'nothing'"), (["download"], "download ID"),
    (["train", "missing.yaml"], "missing.yaml"), (["train", "lora_rnak=3"], "lora_rank"),
    (["ui", "--port", "x"], "'x'"), (["resume", "x", "file.yaml"], "x"), (["train", "../../etc/passwd"], "passwd"),
])
def test_wrong_words_get_one_sentence(words, part, capsys):
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert part in err and "Traceback" not in err and not out


def test_errors_speak_the_terminals_language(capsys, monkeypatch):
    monkeypatch.setenv("STUDIO_LANG", "zh")
    assert cli.main(["stop", "nothing"]) == 2
    assert "没有名为" in capsys.readouterr().err


def test_help_version_env(capsys):
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(command in out for command in cli.COMMANDS)
    assert cli.main(["train", "--help"]) == 0 and "lora_rank = 8" in capsys.readouterr().out
    assert cli.main(["version"]) == 0 and __version__ in capsys.readouterr().out
    assert cli.main(["env"]) == 0
    out = capsys.readouterr().out
    assert "cpu:0" in out and "pydantic" in out and re.search(r"torch +\S+", out)


@pytest.mark.parametrize("words", [["help", "train"], ["train", "--help"], ["version"]], ids=" ".join)
def test_a_reader_that_leaves_is_no_error(words):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "studio.cli", *words]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=paths.PACKAGE.parent)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_env_names_the_command_for_what_is_missing(capsys, monkeypatch):
    from studio.runs import inventory

    monkeypatch.setattr(inventory, "_version", lambda name: None if name == "peft" else "1")
    assert cli.main(["env"]) == 0
    assert re.search(r'-m pip install "peft>=', capsys.readouterr().out)


def test_no_command_opens_the_page(monkeypatch):
    from studio.ui import app

    seen = []
    monkeypatch.setattr(app, "run", lambda *given: seen.append(given) or 0)
    assert cli.main([]) == cli.main(["webui", "--port", "7861", "--host=0.0.0.0", "--no-browser"]) == 0
    assert seen == [(None, None, True), ("0.0.0.0", 7861, False)]


def test_listing_runs_is_quick_and_loads_little(home):
    code = "from studio import cli; cli.main(['runs']); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=paths.PACKAGE.parent,
                          check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"pydantic", "torch", "gradio", "psutil", "omegaconf", "studio.config"}
