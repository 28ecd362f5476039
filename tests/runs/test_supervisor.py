"""A run from start to end under its supervisor, and every way in which it can end otherwise."""

import json
import os
import resource
import signal
import time

import pytest
from acting import at_work, ended, is_there, wait_until

from studio import runs
from studio.runs import folder as files
from studio.runs import locks, queue, states
from studio.text import catalogue

T = catalogue("en")


def test_a_run_finishes(behave, job):
    behave("steps=3")
    run = ended(runs.start(job()))
    status = run.status
    assert run.state == "finished" and status.exit_code == 0 and status.error is None and status.attempts == 1
    assert status.created <= status.started <= status.ended
    assert run.log_tail() == ["starting at 0", "done"]
    assert run.progress().step == 3 and run.job().output_dir == str(run.folder)


def test_files_of_a_run(behave, job, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.local")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    run = ended(runs.start(job()))
    assert run.state == "finished"
    info = files.read_json(run.folder / files.LAUNCH)
    assert info["env"]["HF_ENDPOINT"] == "http://hub.local" and info["cwd"] == os.getcwd()
    seen = json.loads((run.folder / "environ.json").read_text())
    assert seen["HF_TOKEN"] == "hf_secret" and seen["STUDIO_HOME"] == os.environ["STUDIO_HOME"]
    assert "SOMETHING_ELSE" not in seen and seen["CUDA_VISIBLE_DEVICES"] == ""
    for path in run.folder.iterdir():
        assert path.name == "environ.json" or b"hf_secret" not in path.read_bytes(), path


def test_the_submitter_may_end(behave, job, tmp_path):
    """The supervisor is in a session of its own and takes no notice of a hang-up."""
    behave("steps=500", "pace=0.02")
    run = at_work(runs.start(job()))
    supervisor = run.status.supervisor_pid
    assert os.getsid(supervisor) == supervisor != os.getsid(0)
    os.kill(supervisor, signal.SIGHUP)
    os.kill(supervisor, signal.SIGINT)
    step = run.progress().step
    wait_until(lambda: run.progress().step > step + 5)
    assert run.state == "running"
    runs.stop(run, now=True)
    ended(run)


def test_a_polite_stop_saves(behave, job):
    behave("steps=500", "pace=0.02")
    run = at_work(runs.start(job()))
    runs.stop(run)
    runs.stop(run)  # twice does no harm
    ended(run)
    assert run.state == "stopped" and run.status.exit_code == 3 and run.status.error is None
    assert runs.folder.last_checkpoint(run.folder)


def test_a_deaf_worker_is_made_to_leave(behave, job):
    behave("steps=5000", "pace=0.02", "deaf", "child")
    run = at_work(runs.start(job(stop_grace_s=0.3)))
    worker, child = run.status.worker_pid, int((run.folder / "child").read_text())
    begun = time.monotonic()
    runs.stop(run)
    wait_until(lambda: run.state == "stopping", 2)
    ended(run)
    assert 0.6 <= time.monotonic() - begun < 5
    assert run.state == "stopped" and run.status.exit_code == -signal.SIGKILL
    assert "before it could save" in run.reason(T)
    wait_until(lambda: not is_there(worker) and not is_there(child), 2)


def test_now_does_not_wait_for_the_grace(behave, job):
    behave("steps=5000", "pace=0.2", "deaf")
    run = at_work(runs.start(job(stop_grace_s=600)))
    runs.stop(run)
    wait_until(lambda: run.state == "stopping", 5)
    runs.stop(run, now=True)
    wait_until(lambda: run.state == "stopped", 5)


def test_a_killed_worker_says_so(behave, job):
    behave("steps=500", "pace=0.02")
    run = at_work(runs.start(job()))
    os.kill(run.status.worker_pid, signal.SIGKILL)
    ended(run)
    assert run.state == "failed" and run.status.exit_code == -9
    assert "SIGKILL" in run.reason(T) and "memory" in run.reason(T) and "内存" in run.reason(catalogue("zh"))


def test_what_a_worker_leaves_behind_is_ended(behave, job):
    behave("steps=1", "child")
    run = ended(runs.start(job()))
    assert run.state == "finished"
    wait_until(lambda: not is_there(int((run.folder / "child").read_text())), 2)


@pytest.mark.parametrize("words, key, part", [
    (("exit=1",), "worker_failed", "running_log.txt"),
    (("error=disk_full",), "disk_full", "is full"),
    (("crash=2",), "worker_killed", "SIGKILL"),
])
def test_failures_have_reasons(behave, job, words, key, part):
    behave("steps=3", *words)
    run = ended(runs.start(job()))
    assert run.state == "failed" and run.status.error["key"] == key and part in run.reason(T)


def test_a_missing_interpreter(behave, job, monkeypatch):
    from studio.runs import launch

    monkeypatch.setattr(launch, "command", lambda folder: ["/nowhere/python", str(folder)])
    run = ended(runs.start(job()))
    assert run.state == "failed" and "/nowhere/python" in run.reason(T)


def test_a_killed_supervisor_is_a_lost_run(behave, job):
    behave("steps=5000", "pace=0.02", "watch")
    run = at_work(runs.start(job()))
    worker = run.status.worker_pid
    os.kill(run.status.supervisor_pid, signal.SIGKILL)
    wait_until(lambda: run.state == "lost", 2)
    wait_until(lambda: not is_there(worker), 3)
    assert "gone" in run.reason(T) and run.log_tail(1) == ["the supervisor of this run is gone: leaving"]
    assert locks.is_free(queue.device_lock("cpu:0"))


def test_an_old_worker_does_not_live_on_under_a_new_supervisor(behave, job, home):
    """Killed and started again within the watchdog's second: the new attempt's token is not the old worker's."""
    behave("steps=5000", "pace=0.02", "save=1", "watch")
    run = at_work(runs.start(job()))
    old = run.status.worker_pid
    wait_until(lambda: runs.folder.last_checkpoint(run.folder))
    os.kill(run.status.supervisor_pid, signal.SIGKILL)
    wait_until(lambda: run.state == "lost", 2)
    runs.resume(run)
    assert run.state == "running" and not is_there(old)
    wait_until(lambda: run.status.attempts == 2)
    wait_until(lambda: run.status.worker_pid not in (None, old))
    assert run.state == "running"
    runs.stop(run, now=True)
    ended(run)


def test_the_end_is_written_once_the_disk_has_room(behave, job):
    behave("steps=60", "pace=0.02")
    run = at_work(runs.start(job()))
    supervisor = run.status.supervisor_pid
    soft, hard = resource.prlimit(supervisor, resource.RLIMIT_FSIZE)
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (16, hard))  # not even the old status fits
    wait_until(lambda: not is_there(run.status.worker_pid))
    time.sleep(0.5)
    assert run.state == "running" and is_there(supervisor)
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (soft, hard))
    wait_until(lambda: run.state == "finished", 5)


def test_terminated_with_the_machine_it_stops(behave, job):
    behave("steps=5000", "pace=0.02")
    run = at_work(runs.start(job()))
    os.kill(run.status.supervisor_pid, signal.SIGTERM)
    ended(run)
    assert run.state == "stopped" and runs.folder.last_checkpoint(run.folder)


def test_terminated_with_auto_resume_it_goes_on_later(behave, job):
    behave("steps=100", "pace=0.02")
    run = at_work(runs.start(job(auto_resume=True)))
    os.kill(run.status.supervisor_pid, signal.SIGTERM)
    wait_until(lambda: run.state == "lost")
    assert runs.advance() == [run.id]
    ended(run)
    assert run.state == "finished" and run.status.attempts == 2


def test_auto_resume_goes_on_from_the_last_checkpoint(behave, job):
    behave("steps=6", "save=2", "crash=5", "once")
    run = ended(runs.start(job(auto_resume=True)))
    assert run.state == "finished" and run.status.attempts == 2
    assert "starting at 4" in run.log_tail() and any(line.startswith("───") for line in run.log_tail())
    rows = runs.metrics.MetricReader(run.folder / files.METRICS).poll()
    assert [row["current_steps"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert (run.folder / "job.1.yaml").exists()


def test_auto_resume_gives_up_without_progress(behave, job, monkeypatch):
    behave("steps=6", "save=2", "crash=5")
    run = runs.start(job(auto_resume=True))
    wait_until(lambda: run.state not in runs.LIVE, 30)
    assert run.state == "failed" and run.status.attempts == 4 and run.status.stalls == 3


def test_auto_resume_needs_a_checkpoint(behave, job):
    behave("steps=6", "crash=3")
    run = ended(runs.start(job(auto_resume=True)))
    assert run.state == "failed" and run.status.attempts == 1


def test_auto_resume_does_not_repeat_what_the_user_has_to_mend(behave, job):
    behave("error=disk_full", "save=1")
    run = ended(runs.start(job(auto_resume=True)))
    assert run.state == "failed" and run.status.attempts == 1


def test_a_lost_run_with_auto_resume_is_started_by_the_queue(behave, job):
    behave("steps=400", "pace=0.02", "save=1", "watch")
    run = at_work(runs.start(job(auto_resume=True)))
    wait_until(lambda: runs.folder.last_checkpoint(run.folder))
    os.kill(run.status.supervisor_pid, signal.SIGKILL)
    wait_until(lambda: run.state == "lost")
    wait_until(lambda: runs.advance() or run.state == "running")
    wait_until(lambda: run.status.attempts == 2)
    runs.stop(run, now=True)
    assert ended(run).status.stalls == 1


def test_a_vanished_folder_does_not_keep_the_supervisor(behave, job, tmp_path):
    behave("steps=5000", "pace=0.02")
    run = at_work(runs.start(job()))
    supervisor = run.status.supervisor_pid
    run.folder.rename(tmp_path / "elsewhere")
    wait_until(lambda: not is_there(supervisor), 10)
    assert states.read(run.folder) is None and locks.is_free(queue.device_lock("cpu:0"))
