"""The list of runs, and finding one."""

import json
import shutil
import threading
import time

import pytest

from studio import runs
from studio.errors import StudioError
from studio.runs import folder as files
from studio.runs import ids, records, states
from studio.text import catalogue


def make(home, run_id, state="finished", created=1.0, **status):
    folder = home / "saves" / run_id
    folder.mkdir(parents=True)
    (folder / files.JOB).write_text("kind: train\n")
    states.write(folder, states.Status(state, "train", created, **status))
    return folder


def test_newest_first_with_its_figures(home):
    make(home, "m/lora/old", created=1.0, started=2.0, ended=3.0)
    new = make(home, "m/lora/new", "failed", created=5.0)
    files.append_metrics(new, {"current_steps": 3, "total_steps": 9, "loss": 0.5})
    files.append_metrics(new, {"current_steps": 4, "total_steps": 9})
    found = runs.listing()
    assert [one.id for one in found] == ["m/lora/new", "m/lora/old"]
    assert found[0] == runs.Summary("m/lora/new", str(new), "train", "failed", 4, 9, 0.5, None, None)
    assert (found[1].started, found[1].ended, found[1].step, found[1].loss) == (2.0, 3.0, None, None)


def test_folders_of_llamafactory(home):
    done, cut = home / "saves/Llama/lora/done", home / "saves/Llama/lora/cut"
    for folder in (done, cut):
        folder.mkdir(parents=True)
        (folder / "trainer_log.jsonl").write_text(
            '{"current_steps": 10, "total_steps": 10, "loss": null, "learning_rate": 0.1}\n')
    (done / "all_results.json").write_text("{}")
    (home / "saves/Llama/lora/empty").mkdir()
    found = {one.id: (one.kind, one.state, one.step) for one in runs.listing()}
    assert found == {"Llama/lora/done": ("train", "finished", 10), "Llama/lora/cut": ("train", "unknown", 10)}
    with pytest.raises(StudioError, match=r"job\.yaml"):
        runs.find("cut").job()


def test_a_run_is_not_searched_for_runs(home):
    folder = make(home, "m/lora/r")
    (folder / "checkpoint-5").mkdir()
    (folder / "checkpoint-5" / "trainer_log.jsonl").write_text("")
    assert [one.id for one in runs.listing()] == ["m/lora/r"]


def test_unchanged_folders_are_not_read_again(home, monkeypatch):
    folder = make(home, "m/lora/r")
    first, calls = runs.listing(), []
    read = records._read
    monkeypatch.setattr(records, "_read", lambda *args: calls.append(1) or read(*args))
    assert runs.listing() == first and not calls
    files.append_metrics(folder, {"current_steps": 1, "total_steps": 2, "loss": 1.0})
    assert runs.listing()[0].step == 1 and len(calls) == 1


def test_a_lost_run_is_seen_although_no_file_changed(home):
    from studio.runs import locks

    folder = make(home, "m/lora/r", "running")
    fd = locks.acquire(folder / files.LOCK)
    assert runs.listing()[0].state == "running"
    import os

    os.close(fd)
    assert runs.listing()[0].state == "lost"


def test_folders_may_vanish_meanwhile(home):
    done, wrong = threading.Event(), []

    def look():
        while not done.is_set():
            try:
                runs.listing()
            except Exception as error:
                wrong.append(error)

    viewers = [threading.Thread(target=look) for _ in range(3)]
    for viewer in viewers:
        viewer.start()
    for number in range(60):
        shutil.rmtree(make(home, f"m/lora/{number}", "running"))
    done.set()
    for viewer in viewers:
        viewer.join()
    assert not wrong and runs.listing() == []


def test_a_number_that_is_none_is_no_loss(home):
    folder = make(home, "m/lora/r")
    files.append_metrics(folder, {"current_steps": 1, "loss": float("nan")})
    json.dumps([one.loss for one in runs.listing()], allow_nan=False)


def test_many_runs_are_listed_quickly(home):
    for number in range(300):
        make(home, f"m{number % 7}/lora/{number}", created=float(number))
    begun = time.process_time()
    assert len(runs.listing()) == 300
    assert time.process_time() - begun < 3  # about 0.1 s


@pytest.mark.parametrize("name, found", [
    ("m/lora/one", "m/lora/one"), ("one", "m/lora/one"), ("lora/two", "m/lora/two"),
    ("n/lora/one-more", "n/lora/one-more"), (" m/lora/two/ ", "m/lora/two"),
])
def test_found_by_id_or_its_end(home, name, found):
    for run_id in ("m/lora/one", "m/lora/two", "n/lora/one-more", "m/lora/same", "n/lora/same"):
        make(home, run_id)
    assert runs.find(name).id == found


def test_found_by_path(home, monkeypatch):
    folder = make(home, "m/lora/one")
    monkeypatch.chdir(home)
    assert runs.find(folder).id == runs.find(str(folder)).id == runs.find("saves/m/lora/one").id == "m/lora/one"
    monkeypatch.chdir("/")
    assert runs.find("saves/m/lora/one").id == "m/lora/one"


@pytest.mark.parametrize("name, key", [
    ("nothing/like/it", "run_unknown"), ("m/lora/onee", "run_unknown_near"), ("same", "run_ambiguous"),
    ("", "run_unknown"), ("../outside", "run_unknown"), ("m/../../outside", "run_unknown_near"),
    (".elsewhere/x", "run_unknown"),
    ("m\0", "run_unknown"), ("/", "run_unknown"),
])
def test_not_found(home, name, key):
    for run_id in ("m/lora/one", "m/lora/same", "n/lora/same", "../outside"):
        make(home, run_id)
    with pytest.raises(StudioError) as found:
        runs.find(name)
    assert found.value.key == key and found.value.text(catalogue("zh"))


def test_a_path_from_a_browser_opens_no_foreign_folder(home, tmp_path):
    make(home, "../outside")
    for name in (tmp_path / "home" / "outside", str(home / "saves" / ".." / "outside")):
        with pytest.raises(StudioError):
            runs.find(name)


@pytest.mark.parametrize("run_id", [
    "..", "a/../b", "/a", "a//../../b", ".hidden", "a/.b", "a\\b", "", ".", "a\0", " a", "a/b ",
])
def test_ids_stay_below_saves(run_id):
    with pytest.raises(StudioError):
        ids.folder_of(run_id)


def test_words_of_a_reason_survive_another_version(home):
    folder = make(home, "m/lora/r", "failed", error={"key": "a_key_of_tomorrow", "values": {}, "text": "It rained."})
    assert runs.Run(folder).reason(catalogue("zh")) == "It rained."
    lacking = {"key": "worker_failed", "values": {}, "text": "old"}
    states.write(folder, states.Status("failed", "train", 1.0, error=lacking))
    assert runs.Run(folder).reason(catalogue("en"))
