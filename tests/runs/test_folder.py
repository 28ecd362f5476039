"""Files are replaced whole, lines appended whole."""

import json
import resource
import threading

import pytest

from studio.runs import folder as files


def test_replaced_file_is_old_or_new(tmp_path):
    path, torn = tmp_path / "a.json", []
    files.write_json_atomic(path, {"n": 0, "pad": "x" * 20_000})
    done = threading.Event()

    def read():
        while not done.is_set():
            torn.extend([1] if len(json.loads(path.read_text())["pad"]) != 20_000 else [])

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        files.write_json_atomic(path, {"n": number, "pad": "y" * 20_000})
    done.set()
    reader.join()
    assert not torn and not list(tmp_path.glob(".a.json*"))


def test_failed_write_leaves_old_file_and_no_litter(tmp_path):
    files.write_json_atomic(tmp_path / "a.json", {"old": 1})
    with pytest.raises(TypeError):
        files.write_json_atomic(tmp_path / "a.json", {"new": object()})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(OSError):
            files.write_json_atomic(tmp_path / "a.json", {"new": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files.read_json(tmp_path / "a.json") == {"old": 1} and not list(tmp_path.glob(".a.json*"))


def test_line_after_a_torn_one_is_whole(tmp_path):
    files.append_metrics(tmp_path, {"current_steps": 1})
    with open(tmp_path / files.METRICS, "a") as file:
        file.write('{"current_steps": 2, "lo')
    files.append_metrics(tmp_path, {"current_steps": 3})
    lines = (tmp_path / files.METRICS).read_text().splitlines()
    assert json.loads(lines[0]) == {"current_steps": 1} and json.loads(lines[2]) == {"current_steps": 3}


def test_stop_now_is_not_taken_back(tmp_path):
    assert files.stop_requested(tmp_path) is None
    files.request_stop(tmp_path)
    assert files.stop_requested(tmp_path) == "stop"
    files.request_stop(tmp_path, now=True)
    files.request_stop(tmp_path)
    assert files.stop_requested(tmp_path) == "now"


def test_unreadable_json_is_none(tmp_path):
    for text in ("", "{", "[1]", "\x00"):
        (tmp_path / "a.json").write_text(text)
        assert files.read_json(tmp_path / "a.json") is None
    assert files.read_json(tmp_path / "missing.json") is None


def test_log_tail_shows_last_state_of_redrawn_lines(tmp_path):
    (tmp_path / files.LOG).write_bytes(b"one\n 10%\r 50%\r100%\n\nlast" + "é".encode()[:1])
    assert files.log_tail(tmp_path, 2) == ["100%", "last\ufffd"]
