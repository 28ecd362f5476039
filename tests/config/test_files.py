"""Files of settings: what is read, and how faults are told."""

import pytest

from studio.config.files import dump, load, parse
from studio.errors import StudioError


def write(folder, words, name="job.yaml"):
    file = folder / name
    file.write_bytes(words if isinstance(words, bytes) else words.encode())
    return file


def test_yaml_means_what_people_mean(tmp_path):
    words = (
        "a: 1e-4\nb: 5E-5\nc: 1_000\nd: 12:30\ne: 2026-01-31\nf: 007\ng: True\nh: .5\ni: ~\nj: 0x10\nk: -1\n'1': 3e5x\n"
    )
    assert load(write(tmp_path, words)) == {
        "a": 1e-4, "b": 5e-5, "c": 1000, "d": "12:30", "e": "2026-01-31", "f": "007", "g": True, "h": 0.5, "i": None,
        "j": 16, "k": -1, "1": "3e5x",
    }  # fmt: skip


def test_json_and_a_byte_order_mark(tmp_path):
    assert load(write(tmp_path, '{"a": [1, "x"]}', "job.json")) == {"a": [1, "x"]}
    assert load(write(tmp_path, b"\xef\xbb\xbfa: 1\n", "job.yml")) == {"a": 1}
    assert load(write(tmp_path, "", "empty.yaml")) == {}


def test_anchors_and_merges_work(tmp_path):
    assert load(write(tmp_path, "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n"))["b"] == {"p": 1, "q": 3}


@pytest.mark.parametrize(
    ("name", "words", "line"),
    [
        ("job.yaml", "a: 1\nb: [1,\nc: 2\n", 3),
        ("job.yaml", "a: 1\n\ta: 2\n", 2),
        ("job.yaml", "a: 1\nb: 2\na: 3\n", 3),
        ("job.json", '{\n"a": 1,\n"b": \n}', 4),
        ("job.yaml", b"a: \xff\xfe", 1),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path, name, words, line):
    with pytest.raises(StudioError) as caught:
        load(write(tmp_path, words, name))
    assert (caught.value.key, caught.value.values["line"]) == ("config_file_unreadable", line)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words", "key"),
    [
        ("job.txt", "a: 1", "config_suffix"),
        ("job.yaml", "- a\n", "config_file_not_mapping"),
        ("job.yaml", None, "config_file_missing"),
    ],
)
def test_what_is_no_file_of_settings(tmp_path, name, words, key):
    file = write(tmp_path, words, name) if words else tmp_path / name
    with pytest.raises(StudioError) as caught:
        load(file)
    assert caught.value.key == key
    assert str(file) in str(caught.value)


def test_what_is_dumped_reads_back():
    held = {
        "a": "1e-4",
        "b": "007",
        "c": "no",
        "d": 1e-5,
        "e": "12:30",
        "f": "中文 #x: y",
        "g": None,
        "h": ["1_0"],
        "i": "5.",
    }
    assert parse(dump(held)) == held
