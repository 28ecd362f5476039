"""Files that are broken, cut off or beyond measure: what is said of them, and where."""

import json
import os

import pyarrow
import pytest

from studio.data import reading, streaming
from studio.data.source import Source
from studio.errors import StudioError

ROWS = [{"text": "Grüße, 世界 🙂"}, {"text": 'a "quoted",\nline'}, {"text": "c"}]


def refused(path):
    with pytest.raises(StudioError) as error:
        list(reading.read_rows(Source("s", path)))
    assert str(path.name) in str(error.value)
    return error.value


@pytest.mark.parametrize("text", ['[{"a": 1},]', '[{"a": 1}, {"a": 2 "b"}]', "[{'a': 1}]", '{"a": [}', "<html></html>"])
def test_what_is_written_wrong_near_its_end_is_not_called_cut(put, text):
    for name in ("a.json", "a.jsonl"):
        assert refused(put(name, text)).key == "data_json_broken"


@pytest.mark.parametrize("end", ['{"a": tr', '{"a": "\\u00', '{"a": 1', '{"a"', '{"a": "x', "\0\0\0"])
def test_what_ends_in_the_middle_is(put, end):
    assert refused(put("a.json", '[{"a": 1}, ' + end)).key == "data_json_cut"
    assert refused(put("a.jsonl", '{"a": 1}\n' + end)).key == "data_json_cut"


@pytest.mark.parametrize("name", ["a.json", "b.jsonl", "c.csv", "d.txt", "e.tsv"])
def test_a_line_without_end_does_not_fill_the_memory(tmp_path, monkeypatch, name):
    monkeypatch.setattr(streaming, "MAX_ROW_CHARS", 1 << 20)
    file = tmp_path / name
    file.touch()
    os.truncate(file, 8 << 20)
    assert refused(file).key == "data_line_too_long"
    file.write_bytes(b'[{"a": "' + b"x" * (8 << 20))
    assert refused(file).key == "data_line_too_long"


def test_damage_in_files_of_other_kinds_is_said(put, tmp_path):
    """Bytes that end inside a character; strings that an Arrow file places outside its memory."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    for name in ("a.jsonl", "a.txt", "a.csv"):
        assert refused(put(name, text.encode("utf-16")[:-1])).key == "data_not_utf8"
    table = pyarrow.table({"text": pyarrow.array(["abc", "defg"])})
    with pyarrow.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    whole = (tmp_path / "a.arrow").read_bytes()
    offsets = b"".join(number.to_bytes(4, "little") for number in (0, 3, 7))
    assert whole.count(offsets) == 1
    (tmp_path / "a.arrow").write_bytes(whole.replace(offsets[4:], (2**30).to_bytes(4, "little") * 2))
    assert refused(tmp_path / "a.arrow").key == "data_unreadable"


@pytest.mark.parametrize("value", ["[" * 200_000 + "]" * 200_000, "1" * 5_000])
def test_json_beyond_measure(put, value):
    rows = '{"a": 1}', f'{{"a": {value}}}'
    for name, text in (("a.jsonl", "\n".join(rows) + "\n"), ("a.json", "[" + ",\n".join(rows) + "]")):
        error = refused(put(name, text))
        assert (error.key, error.values["line"]) == ("data_json_broken", 2)


def test_cut_off_files(put):
    text = json.dumps(ROWS, indent=1)
    for end in (len(text) - 2, len(text) // 2, 3):
        assert refused(put("cut.json", text[:end])).key == "data_json_cut"
    error = refused(put("cut.jsonl", '{"a": 1}\n{"a": "tw'))
    assert (error.key, error.values["line"]) == ("data_json_cut", 2)


def test_table_with_a_lost_quote(put):
    error = refused(put("a.csv", 'a,b\n1,2\n1,"2\n3,4\n'))
    assert (error.key, error.values["line"]) == ("data_table_broken", 3)
    error = refused(put("a.csv", "a,b\n1,2\n1,2,3\n"))
    assert (error.key, error.values["line"]) == ("data_table_cells", 3)
