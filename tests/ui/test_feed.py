"""What a browser gets of a run: only what it lacks, whatever happens to the files."""

import json
import math

import pytest

from studio.runs import folder as files
from studio.ui.parts.feed import KEPT_LINES, MAX_POINTS, Feed, Held, feed_of


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def log(folder, steps, **values):
    for step in steps:
        files.append_metrics(folder, {"current_steps": step, "total_steps": 1000, "loss": 1 / step} | values)


def held(news, **others):
    """What a browser holds after it took the news."""
    return Held(epoch=news["epoch"], points=news["count"], **others)


def test_first_everything_then_only_what_is_new(folder):
    log(folder, range(1, 11), lr=1e-4)
    feed = Feed(folder)
    first = feed.news(Held())
    assert first["reset"] and first["points"]["loss"][0] == list(range(1, 11))
    assert first["points"]["learning_rate"][1] == [1e-4] * 10
    assert feed.news(held(first)) == {}
    log(folder, [11, 12])
    second = feed.news(held(first))
    assert not second["reset"] and second["points"] == {"loss": ([11, 12], [0.0909091, 0.0833333])}


def test_a_new_server_goes_on_where_the_old_one_was(folder):
    log(folder, range(1, 11))
    first = Feed(folder).news(Held())
    log(folder, [11])
    second = Feed(folder).news(held(first))
    assert not second["reset"] and second["points"]["loss"][0] == [11]


def test_two_browsers_share_a_feed(folder):
    log(folder, [1, 2])
    assert feed_of(folder) is feed_of(folder)
    first = feed_of(folder).news(Held())
    other = feed_of(folder).news(Held())
    assert first == other


def test_a_resumed_run_starts_the_curve_anew_and_each_step_stands_once(folder):
    log(folder, range(1, 31))
    feed = Feed(folder)
    first = feed.news(Held())
    log(folder, range(21, 36), loss=9.0)
    second = feed.news(held(first))
    steps, values = second["points"]["loss"]
    assert second["reset"] and steps == list(range(1, 36)) and values[20:] == [9.0] * 15


def test_a_replaced_file_starts_anew(folder):
    log(folder, range(1, 31))
    feed = Feed(folder)
    first = feed.news(Held())
    (folder / files.METRICS).unlink()
    log(folder, [1, 2])
    second = feed.news(held(first))
    assert second["reset"] and second["points"]["loss"][0] == [1, 2]


def test_evaluation_lines_share_a_step_with_training_lines(folder):
    log(folder, [10])
    files.append_metrics(folder, {"current_steps": 10, "total_steps": 20, "eval_loss": 2.0})
    feed = Feed(folder)
    news = feed.news(Held())
    assert news["points"]["eval_loss"] == ([10], [2.0]) and feed.rewinds == 0


def test_a_long_run_is_thinned_and_a_browser_that_slept_gets_it_anew(folder):
    with open(folder / files.METRICS, "w") as out:
        for step in range(1, 20_001):
            out.write(json.dumps({"current_steps": step, "total_steps": 20_000, "loss": math.sin(step)}) + "\n")
    feed = Feed(folder)
    first = feed.news(Held())
    assert len(first["points"]["loss"][0]) <= MAX_POINTS and first["count"] == 20_000
    slept = Held(epoch=first["epoch"], points=20_000 - KEPT_LINES - 1)
    assert feed.news(slept)["reset"]
    assert len(json.dumps(first)) < 20_000


def test_figures_that_cannot_be_drawn_are_left_out(folder):
    log(folder, [1], grad_norm=float("nan"))
    log(folder, [2], grad_norm=2.0)
    assert Feed(folder).news(Held())["points"]["grad_norm"] == ([2], [2.0])


def test_llamafactorys_figures_are_shown(folder):
    log(folder, [1], throughput=100.5, learning_rate=1e-3)
    points = Feed(folder).news(Held())["points"]
    assert points["tokens_per_second"] == ([1], [100.5]) and points["learning_rate"] == ([1], [1e-3])


def test_samples_come_once_and_broken_lines_do_not(folder):
    files.append_sample(folder, {"step": 0, "prompt": "p", "response": "a"})
    with open(folder / files.SAMPLES, "a") as out:
        out.write('{"step": "x"}\nnot json\n{"step": 5, "prompt": "p", "respo')
    news = Feed(folder).news(Held())
    assert news["samples"] == [{"step": 0, "prompt": "p", "response": "a"}] and news["num_samples"] == 1
    assert Feed(folder).news(Held(epoch=0, samples=1)) == {}
    assert Feed(folder).news(Held(samples=7))["first_sample"] == 0


def test_the_log_comes_in_whole_lines_and_only_when_it_is_open(folder):
    path = folder / files.LOG
    path.write_bytes(b"one\n 10%|#\r 50%|##\r100%|###\ntwo")
    feed = Feed(folder)
    assert feed.news(Held(epoch=0)) == {}
    first = feed.news(Held(log=0))
    assert first["log"] == "one\n100%|###\n" and first["log_new"]
    assert feed.news(Held(epoch=0, log=first["log_at"])) == {}
    with open(path, "ab") as out:
        out.write(b" and a half\n")
    assert feed.news(Held(log=first["log_at"]))["log"] == "two and a half\n"


def test_of_a_long_log_the_end_comes_and_starts_with_a_whole_line(folder):
    (folder / files.LOG).write_text("".join(f"line {number}\n" for number in range(100_000)))
    news = Feed(folder).news(Held(log=0))
    assert news["log"].startswith("line ") and news["log"].endswith("line 99999\n")
    assert len(news["log"]) < 25_000


@pytest.mark.parametrize("sent", [None, 3, [], {"run": 5, "points": "7", "epoch": True, "log": 1.5, "token": None}])
def test_whatever_a_browser_sends_is_harmless(sent):
    assert Held.parse(sent) == Held()
