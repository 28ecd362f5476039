"""Order, devices, needs, secrets: what starts when, and that nothing starts twice."""

import itertools
import json
import os
import subprocess
import sys
import threading

import pytest
from acting import ended, wait_until

from studio import paths, runs
from studio.config import BuildJob
from studio.errors import StudioError
from studio.runs import folder as files
from studio.runs import ids, launch, locks, queue, states
from studio.text import catalogue

T = catalogue("en")


def test_one_run_at_a_time_in_the_order_asked(behave, job):
    behave("steps=2", "pace=0.05")
    asked = [runs.start(job(), name=name) for name in ("a", "b", "c")]
    assert [run.state for run in asked] == ["running", "queued", "queued"]
    for run in asked:
        ended(run)
    statuses = [run.status for run in asked]
    assert [status.state for status in statuses] == ["finished"] * 3
    for before, after in itertools.pairwise(statuses):
        assert before.ended <= after.started
    wait_until(lambda: queue.order() == [])


def test_a_queued_run_costs_no_process(busy, behave, job):
    run = runs.start(job())
    assert run.state == "queued" and run.status.supervisor_pid is None and runs.advance() == []
    assert locks.is_free(run.folder / files.LOCK)


def test_moved_and_held(busy, behave, job):
    a, b, c, d = (runs.start(job(), name=name) for name in "abcd")
    runs.move(c, 0)
    runs.move(a, 99)
    assert [run_id[-1] for run_id in queue.order()] == ["c", "b", "d", "a"]
    runs.hold(c)
    assert c.state == "held"
    busy()
    assert runs.advance() == [b.id]
    ended(b)
    for run in (d, a):
        ended(run)
    assert c.state == "held"
    runs.release(c)
    assert ended(c).state == "finished"
    with pytest.raises(StudioError):
        runs.release(c)
    with pytest.raises(StudioError):
        runs.move(c, 0)


def test_a_later_run_takes_a_free_card_but_not_one_that_is_waited_for(behave, job, monkeypatch):
    cards = {"pair": ([0, 1], 2), "one": ([1], 1), "two": ([2], 1), "any": ([0, 1, 2], 1)}
    wanted = {name: {"kind": "cuda", "indices": those, "count": count} for name, (those, count) in cards.items()}
    monkeypatch.setattr(launch, "wanted_devices", lambda job: wanted[job.run_name])
    behave("steps=1", "pace=0.5")
    held = locks.acquire(queue.device_lock("cuda:0"))
    pair, one, two, any_of = (runs.start(job(run_name=name), name=name) for name in wanted)
    assert [run.state for run in (pair, one, two, any_of)] == ["queued", "queued", "running", "queued"]
    assert two.status.devices == ("cuda:2",)
    os.close(held)
    runs.advance()
    assert pair.state == "running" and pair.status.devices == ("cuda:0", "cuda:1")
    for run in (pair, one, two, any_of):
        ended(run)
    seen = json.loads((pair.folder / "environ.json").read_text())
    assert seen["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert all(run.state == "finished" for run in (pair, one, two, any_of))


def test_a_download_waits_for_no_device(busy, behave):
    behave("steps=1")
    run = runs.start(BuildJob(what="download", model_name_or_path="org/model"))
    assert run.kind == "build" and run.status.devices == () and ended(run).state == "finished"


def test_a_need_comes_first(behave, job):
    behave("steps=2", "pace=0.1")
    first = runs.start(job(), name="first")
    second = runs.start(job(), needs=[first.id], name="second")
    assert second.state == "queued" and second.status.needs == (first.id,)
    assert ended(second).state == "finished" and first.status.ended <= second.status.started


def test_a_failed_need_fails_all_that_stands_on_it(behave, job, busy):
    behave("exit=1")
    first = runs.start(job(), name="first")
    second = runs.start(job(), needs=[first.id], name="second")
    third = runs.start(job(), needs=[second.id], name="third")
    runs.move(third, 0)
    busy()
    runs.advance()
    wait_until(lambda: third.state == "failed")
    assert first.state == second.state == "failed"
    for run in (second, third):
        assert run.status.error["key"] == "need_not_met" and "exit code 1" in run.reason(T)
    assert "退出码 1" in third.reason(catalogue("zh"))


@pytest.mark.parametrize("end, words", [(runs.stop, "stopped"), (runs.delete, "deleted")])
def test_a_stopped_or_deleted_need(busy, behave, job, end, words):
    first = runs.start(job(), name="first")
    second = runs.start(job(), needs=[first.id], name="second")
    end(first)
    assert second.state == "failed" and words in second.reason(T)


def test_held_until_someone_has_the_secret(behave, job, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    fd = locks.acquire(queue.device_lock("cpu:0"))
    run = runs.start(job(hf_hub_token="hf_typed"))
    queue.typed_secrets.clear()  # as in another process
    os.close(fd)
    assert runs.advance() == [] and run.state == "held" and "HF_TOKEN" in run.reason(T)
    assert runs.advance() == [] and run.state == "held"
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert runs.advance() == [run.id] and ended(run).state == "finished"
    assert json.loads((run.folder / "environ.json").read_text())["HF_TOKEN"] == "hf_other"


def test_a_typed_secret_reaches_its_worker_and_no_other(behave, job, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    behave("steps=1", "pace=0.3")
    first, second = runs.start(job(hf_hub_token="hf_typed"), name="first"), runs.start(job(), name="second")
    assert ended(first).state == ended(second).state == "finished"
    assert json.loads((first.folder / "environ.json").read_text())["HF_TOKEN"] == "hf_typed"
    assert "HF_TOKEN" not in json.loads((second.folder / "environ.json").read_text())
    for path in first.folder.iterdir():
        assert path.name == "environ.json" or b"hf_typed" not in path.read_bytes()


def test_advanced_by_all_at_once_it_starts_once(busy, behave, job):
    behave("steps=1", "pace=0.3")
    run = runs.start(job())
    busy()
    started = []
    threads = [threading.Thread(target=lambda: started.extend(runs.advance())) for _ in range(4)]
    call = [sys.executable, "-c", "from studio import runs; print(*runs.advance())"]
    others = [subprocess.Popen(call, stdout=subprocess.PIPE, text=True, cwd=paths.PACKAGE.parent) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for other in others:
        started += other.communicate()[0].split()
    assert started == [run.id]
    assert ended(run).status.attempts == 1


def test_killed_while_it_held_the_queue(behave, job):
    """Nobody waits for a dead process."""
    code = "from studio.runs import queue\nwith queue.locked():\n    print(1, flush=True)\n    input()"
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             cwd=paths.PACKAGE.parent)
    other.stdout.readline()
    other.kill()
    other.communicate()
    assert ended(runs.start(job())).state == "finished"


def test_the_order_is_made_anew_where_its_file_is_lost(busy, behave, job):
    asked = [runs.start(job(), name=name).id for name in "abc"]
    (paths.cache() / "queue.json").unlink()
    assert queue.order() == asked
    (paths.cache() / "queue.json").write_text('{"order": ["../../etc", "gone/run", 3')
    assert queue.order() == asked


def test_foreign_entries_are_dropped(behave, job):
    with queue.locked():
        queue.write_order(["../../etc", "gone/run", "/abs"])
    run = runs.start(job())
    assert ended(run).state == "finished"
    wait_until(lambda: queue.order() == [])


def test_a_supervisor_that_cannot_start(busy, behave, job, monkeypatch):
    run = runs.start(job())
    busy()
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert runs.advance() == []
    assert run.state == "failed" and "/nowhere/python" in run.reason(T)
    assert locks.is_free(run.folder / files.LOCK)


def test_interrupted_between_lock_and_process(busy, behave, job, monkeypatch):
    run = runs.start(job())
    busy()

    def interrupted(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(queue, "_spawn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            runs.advance()
    assert run.state == "queued" and runs.advance() == [run.id]
    assert ended(run).state == "finished"


def test_what_a_lost_launch_file_means(busy, behave, job):
    run = runs.start(job())
    (run.folder / files.LAUNCH).unlink()
    busy()
    runs.advance()
    assert run.state == "failed" and "launch.json" in run.reason(T)


def test_a_device_is_busy_until_its_last_process_is_gone(behave, job):
    """The worker inherits the lock: without its supervisor, and deaf to the watchdog, it still keeps the device."""
    import signal

    behave("steps=5000", "pace=0.05")
    run = runs.start(job())
    wait_until(lambda: run.status.worker_pid and run.progress().step)
    os.kill(run.status.supervisor_pid, signal.SIGKILL)
    wait_until(lambda: run.state == "lost")
    assert not locks.is_free(queue.device_lock("cpu:0"))
    behave("steps=1")
    other = runs.start(job(), name="other")
    assert other.state == "queued"
    os.kill(run.status.worker_pid, signal.SIGKILL)
    wait_until(lambda: runs.advance() == [other.id])
    assert ended(other).state == "finished"


def test_ids_of_the_queue_are_the_runs(busy, behave, job, tmp_path):
    run = runs.start(job(output_dir=str(tmp_path / "out side")))
    assert queue.order() == [run.id] and ids.folder_of(run.id) == tmp_path / "out side"
    assert states.state_of(ids.folder_of(run.id)) == "queued"
