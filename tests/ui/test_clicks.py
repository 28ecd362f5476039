"""A click starts one run."""

import threading

from studio import runs
from studio.config import read_mapping
from studio.ui import starting


def job(**keys):
    return read_mapping("train", {"model_name_or_path": "org/m", "dataset": ["d"], "device": "cpu"} | keys).job


def num_trainings():
    return len([run for run in runs.listing() if run.kind == "train"])


def test_a_double_click_starts_one_run(home, monkeypatch):
    monkeypatch.setattr("studio.runs.queue.advance", lambda: [])  # they wait
    found = []
    clicks = [threading.Thread(target=lambda: found.append(starting.start(job()))) for _ in range(4)]
    for click in clicks:
        click.start()
    for click in clicks:
        click.join()
    assert len(set(found)) == 1 and num_trainings() == 1
    other = starting.start(job(lora_rank=4))
    assert other != found[0], "another job is another run"
    assert [starting.start(job()), starting.start(job(lora_rank=4))] == [found[0], other], "one press may start several"
    assert num_trainings() == 2
