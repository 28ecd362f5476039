"""Every kind of file gives the same rows; every broken one says file, line and reason."""

import json

import pyarrow
import pyarrow.parquet
import pytest

from studio.data import reading, streaming
from studio.data.source import Source
from studio.errors import StudioError

ROWS = [{"text": "Grüße, 世界 🙂"}, {"text": 'a "quoted",\nline'}, {"text": "c"}]


def read(path):
    return list(reading.read_rows(Source("s", path)))


def refused(path):
    with pytest.raises(StudioError) as error:
        read(path)
    assert str(path.name) in str(error.value)
    return error.value


def numbered(rows):
    return list(enumerate(rows, 1))


def test_json_kinds(put):
    assert read(put("a.json", ROWS)) == numbered(ROWS)
    assert read(put("a.jsonl", ROWS)) == numbered(ROWS)
    lines = "".join(json.dumps(row) + "\r\n\r\n" for row in ROWS)
    assert read(put("lines.json", lines)) == numbered(ROWS)


def test_byte_order_mark(put):
    assert read(put("a.json", "\ufeff" + json.dumps(ROWS))) == numbered(ROWS)
    assert read(put("a.jsonl", "\ufeff" + json.dumps(ROWS[0]))) == numbered(ROWS[:1])
    assert read(put("a.csv", "\ufefftext\nc\n")) == numbered(ROWS[2:])


def test_tables(put):
    assert read(put("a.csv", 'text,n\n"a ""quoted"",\nline",1\nc,2\n')) == [
        (1, {"text": 'a "quoted",\nline', "n": "1"}),
        (2, {"text": "c", "n": "2"}),
    ]
    assert read(put("a.tsv", "text\tn\nc\t2\n")) == [(1, {"text": "c", "n": "2"})]
    assert read(put("long.csv", "text\n" + "x" * 200_000 + "\n"))[0][1]["text"] == "x" * 200_000


def test_text_is_one_row_a_line_without_blank_ones(put):
    assert read(put("a.txt", "one\n\n  \ntwo")) == [(1, {"text": "one"}), (2, {"text": "two"})]


def test_parquet_and_arrow(tmp_path):
    table = pyarrow.Table.from_pylist(ROWS)
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == numbered(ROWS)
    for name, new in (("file.arrow", pyarrow.ipc.new_file), ("stream.arrow", pyarrow.ipc.new_stream)):
        with new(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
        assert read(tmp_path / name) == numbered(ROWS)


def test_folder_is_read_in_order_and_of_one_kind(put, tmp_path):
    put("f/2.jsonl", [{"n": 2}])
    put("f/1.jsonl", [{"n": 1}])
    put("f/dataset_info.json", "{}")
    put("f/.hidden", "x")
    assert read(tmp_path / "f") == [(1, {"n": 1}), (2, {"n": 2})]
    put("f/3.csv", "n\n3\n")
    assert refused(tmp_path / "f").key == "data_folder_mixed"


@pytest.mark.parametrize("block", [1, 7, 64])
def test_array_is_the_same_in_blocks_of_any_size(put, block):
    rows = [{"a": [1, 2.5, None, True], "b": {"c": "]},{["}}, {}, 12345, "ab\\cd", [[]], *ROWS]
    file = put("a.json", json.dumps(rows, indent=1))
    assert list(streaming.array_items(file, block)) == rows
    assert list(streaming.array_items(put("empty.json", " [ ] "), block)) == []


@pytest.mark.parametrize("block", [5, 1 << 20])
def test_broken_array_names_line_and_column(put, block):
    file = put("a.json", '[\n {"a": 1},\n {"a": 2,, "b": 3}' + ",\n{}" * 50 + "]")
    with pytest.raises(StudioError) as error:
        list(streaming.array_items(file, block))
    assert (error.value.key, error.value.values["line"]) == ("data_json_broken", 3)
    assert error.value.values["column"] in (9, 10)  # Python 3.13 names the comma before


def test_cut_off_files(put):
    text = json.dumps(ROWS, indent=1)
    for end in (len(text) - 2, len(text) // 2, 3):
        assert refused(put("cut.json", text[:end])).key == "data_json_cut"
    error = refused(put("cut.jsonl", '{"a": 1}\n{"a": "tw'))
    assert (error.key, error.values["line"]) == ("data_json_cut", 2)


def test_broken_line_in_the_middle(put):
    error = refused(put("a.jsonl", '{"a": 1}\n{a: 2}\n{"a": 3}\n'))
    assert (error.key, error.values["line"]) == ("data_json_broken", 2)


def test_other_encodings_are_said_with_their_line(put):
    gbk = "[\n" + json.dumps({"text": "你好"}, ensure_ascii=False) + "\n]"
    for name, line in (("a.json", 2), ("a.jsonl", 2), ("a.csv", 2), ("a.txt", 2)):
        error = refused(put(name, gbk.replace("[", "x" if name != "a.json" else "[").encode("gbk")))
        assert (error.key, error.values["line"]) in [("data_not_utf8", line), ("data_json_broken", 1)], name


def test_table_with_a_lost_quote(put):
    assert refused(put("a.csv", 'a,b\n1,"2\n3,4\n')).key == "data_table_broken"
    error = refused(put("a.csv", "a,b\n1,2\n1,2,3\n"))
    assert (error.key, error.values["line"]) == ("data_table_cells", 3)


def test_nothing_in_it(put):
    for name, content in (("a.json", ""), ("a.jsonl", "\n"), ("b.json", "[]"), ("a.csv", "a,b\n"), ("a.txt", "")):
        assert refused(put(name, content)).key == "data_empty", name


def test_not_a_data_file(put, tmp_path):
    assert refused(put("a.docx", "x")).key == "data_file_kind"
    assert refused(put("a.parquet", "not parquet")).key == "data_unreadable"
    assert refused(put("a.arrow", "not arrow")).key == "data_unreadable"
    put("demo.json", "[]")
    assert "demo.json" in str(refused(tmp_path / "dem.json"))


def test_hub_sets_are_not_here():
    for place, key in (("hf_hub_url", "data_not_downloaded"), ("script_url", "data_place_unavailable")):
        with pytest.raises(StudioError) as error:
            list(reading.read_rows(Source("s", hub=((place, "o/n"),))))
        assert error.value.key == key
