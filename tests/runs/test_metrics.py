"""The metrics file, read while it grows."""

import json
import math
import time

import pytest

from studio.runs import folder as files
from studio.runs.metrics import MetricReader, progress, seconds


def line(step, **more):
    return json.dumps({"current_steps": step, "total_steps": 100, **more}) + "\n"


@pytest.fixture
def log(tmp_path):
    return tmp_path / files.METRICS


def test_reads_only_what_is_new(log):
    reader = MetricReader(log)
    assert reader.poll() == []
    log.write_text(line(1, loss=2.0))
    assert [row["loss"] for row in reader.poll()] == [2.0]
    assert reader.poll() == []
    with open(log, "a") as file:
        file.write(line(2, loss=1.0))
    assert [row["current_steps"] for row in reader.poll()] == [2]
    assert reader.series("loss") == [(1, 2.0), (2, 1.0)]


@pytest.mark.parametrize("cut", range(1, len(line(2, loss=1.25)), 5))
def test_half_a_line_waits_for_its_other_half(log, cut):
    reader, text = MetricReader(log), line(2, loss=1.25)
    log.write_text(line(1, loss=2.0) + text[:cut])
    assert len(reader.poll()) == 1
    with open(log, "a") as file:
        file.write(text[cut:])
    assert [row["loss"] for row in reader.poll()] == [1.25]


def test_rubbish_is_passed_over(log):
    rubbish = b'{"current_steps": 2, "lo\n[1]\n\n3\n'
    log.write_bytes(b"\x00\xff\n" + line(1, loss=1.0).encode() + rubbish + line(3).encode())
    assert [row["current_steps"] for row in MetricReader(log).poll()] == [1, 3]


def test_last_line_of_a_step_wins_and_evaluation_adds_to_it(log):
    log.write_text(line(1, loss=3.0) + line(2, loss=2.0) + line(2, eval_loss=2.5) + line(1, loss=1.0))
    reader = MetricReader(log)
    reader.poll()
    assert reader.series("loss") == [(1, 1.0), (2, 2.0)] and reader.series("eval_loss") == [(2, 2.5)]


def test_names_and_nulls_of_older_releases(log):
    log.write_text(line(1, loss=None, learning_rate=1e-4, reward=None))
    assert MetricReader(log).poll() == [{"current_steps": 1, "total_steps": 100, "lr": 1e-4}]


@pytest.mark.parametrize("new", [line(1, loss=9.0), line(7, loss=9.0) + line(8, loss=9.0) * 9])
def test_a_replaced_file_starts_anew(log, new):
    reader = MetricReader(log)
    log.write_text(line(1, loss=1.0) + line(2, loss=1.0))
    reader.poll()
    log.rename(log.with_name("old"))
    log.write_text(new)
    assert reader.poll()[0]["loss"] == 9.0
    assert set(dict(reader.series("loss")).values()) == {9.0} and reader.generation == 1


def test_a_truncated_file_starts_anew(log):
    reader = MetricReader(log)
    log.write_text(line(1, loss=1.0) + line(2, loss=1.0))
    reader.poll()
    with open(log, "r+") as file:
        file.truncate(0)
        file.write(line(5, loss=9.0))
    assert [row["current_steps"] for row in reader.poll()] == [5] and list(reader.rows) == [5]


def test_thinning_keeps_ends_and_extremes(log):
    values = [math.sin(step / 50) for step in range(10_000)]
    values[1234], values[8765] = 50.0, -50.0
    log.write_text("".join(line(step, loss=value) for step, value in enumerate(values)))
    reader = MetricReader(log)
    reader.poll()
    points = reader.series("loss", max_points=200)
    assert len(points) <= 200 and points == sorted(points)
    assert {(0, values[0]), (1234, 50.0), (8765, -50.0), (9999, values[-1])} <= set(points)


def test_what_is_no_number_is_not_drawn(log):
    log.write_text(line(1, loss=float("nan")) + line(2, loss="x") + line(3, loss=float("inf")) + line(4, loss=1))
    reader = MetricReader(log)
    reader.poll()
    assert reader.series("loss") == [(4, 1)]


def test_a_hundred_thousand_lines_are_read_quickly(log):
    more = {"loss": 1.2345, "lr": 1e-4, "epoch": 1.5, "percentage": 10.0, "elapsed_time": "0:00:10"}
    log.write_text("".join(line(step, **more) for step in range(100_000)))
    reader, begun = MetricReader(log), time.process_time()
    assert len(reader.poll()) == 100_000 and len(reader.series("loss")) <= 400
    assert time.process_time() - begun < 5  # about 0.5 s; a quadratic reader takes minutes


@pytest.mark.parametrize("clock, found", [
    ("0:01:15", 75), ("26:00:00", 93600), ("1 day, 2:00:00", 93600), ("2 days, 0:00:01", 172801),
    ("soon", None), (None, None),
])
def test_clocks(clock, found):
    assert seconds(clock) == found


def test_progress_is_from_the_end_of_the_log(tmp_path, log):
    clocks = {"remaining_time": "0:00:50", "elapsed_time": "0:01:00"}
    log.write_text(line(1, loss=9.0) * 1000 + line(50, loss=1.5, lr=1e-4, **clocks) + line(50, eval_loss=1.75)
                   + line(51) + '{"current_steps": 52, "lo')
    done = progress(tmp_path)
    assert (done.step, done.total_steps, done.loss, done.eval_loss) == (51, 100, 1.5, 1.75)
    assert (done.remaining_s, done.elapsed_s, done.phase) == (50.0, 60.0, None)


def test_progress_of_a_phase_before_steps(tmp_path):
    state = {"phase": "download", "done": 3, "total": 4, "unit": "bytes", "remaining_s": 12.5}
    files.write_json_atomic(tmp_path / files.PROGRESS, state)
    done = progress(tmp_path)
    assert (done.phase, done.done, done.total, done.unit) == ("download", 3, 4, "bytes")
    assert (done.remaining_s, done.step) == (12.5, None)


def test_progress_of_nothing(tmp_path):
    assert progress(tmp_path).step is None
