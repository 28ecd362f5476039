"""Every kind of file gives the same rows; every broken one says file, line and reason."""

import json
import zipfile

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from studio.data import reading, streaming
from studio.data.browse import salvage
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


def test_a_batch_of_large_rows_is_taken_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_BATCH_BYTES", 3_000)
    rows = [{"text": str(number) * 1_000} for number in range(10)]
    table = pyarrow.Table.from_pylist(rows)
    with pyarrow.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    assert read(tmp_path / "a.arrow") == numbered(rows)


def test_parquet_and_arrow(tmp_path):
    table = pyarrow.Table.from_pylist(ROWS)
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == numbered(ROWS)
    for name, new in (("file.arrow", pyarrow.ipc.new_file), ("stream.arrow", pyarrow.ipc.new_stream)):
        with new(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
        assert read(tmp_path / name) == numbered(ROWS)


def test_objects_of_arrow_have_their_own_keys_alone(tmp_path):
    rows = [
        {"turns": [{"calls": [{"city": "Åbo"}]}], "tool": {"a": 1}, "last": None},
        {"turns": [{"calls": [{}]}, {"said": [None, "x"]}], "tool": {"b": 2}, "last": "z"},
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == numbered(rows)


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


@pytest.mark.parametrize("more", ["[{}]", "]", ', {"a": 2}]', "\n\n x"])
def test_what_stands_behind_the_array_is_not_left_out_in_silence(put, more):
    error = refused(put("two.json", '[{"a": 1}]\n' + more))
    assert (error.key, error.values["why"]) == ("data_json_broken", "Extra data")
    assert error.values["line"] == 4 - 2 * (not more.startswith("\n"))
    assert len(read(put("one.json", '[{"a": 1}]\n \n'))) == 1


def test_an_array_by_another_name(put):
    for indent in (None, 1):
        assert read(put("a.jsonl", json.dumps(ROWS, indent=indent))) == numbered(ROWS)
    lists = "[1]\n[2]\n"
    assert read(put("b.jsonl", lists)) == [(1, [1]), (2, [2])], "lists are no rows, but that is said of each of them"


def test_broken_line_in_the_middle(put):
    error = refused(put("a.jsonl", '{"a": 1}\n{a: 2}\n{"a": 3}\n'))
    assert (error.key, error.values["line"]) == ("data_json_broken", 2)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.txt"])
@pytest.mark.parametrize("charset", ["gbk", "gb18030", "utf-16"])
def test_chinese_encodings_are_read_and_told(put, name, charset):
    rows = [{"text": "今天天气很好，我们去公园。"}, {"text": "second"}]
    text = {".json": json.dumps(rows, ensure_ascii=False, indent=1),
            ".jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
            ".csv": "text\n" + "".join(row["text"] + "\n" for row in rows),
            ".txt": "".join(row["text"] + "\n" for row in rows)}[name[1:]]  # fmt: skip
    source = Source("s", put(name, text.encode(charset)))
    assert [raw for _, raw in reading.read_rows(source)] == rows
    told = [(notice.code, notice.values["charset"]) for notice in reading.notices(source)]
    assert told == [("data_charset", "UTF-16" if charset == "utf-16" else "GB18030")]


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
def test_zeros_tell_utf_16_where_no_mark_does(put, charset):
    rows = [{"text": "世界"}]
    assert read(put("a.json", json.dumps(rows, ensure_ascii=False).encode(charset))) == numbered(rows)
    assert read(put("a.csv", "text\n世界\n".encode(charset))) == numbered(rows)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv", "a.txt"])
def test_what_is_in_no_known_encoding_is_said_with_its_line(put, name):
    rows = '[{"text": "ok"},\n{"text": "DATA"}]' if name == "a.json" else '{"text": "ok"}\n{"text": "DATA"}\n'
    for data in ("café à la crème".encode("latin-1"), "中国\udcff人民".encode("utf-8", "surrogateescape")):
        error = refused(put(name, rows.encode().replace(b"DATA", data)))
        assert (error.key, error.values["line"]) == ("data_not_utf8", 2)


def test_one_json_object_is_not_rows(put):
    error = refused(put("a.json", json.dumps({"version": 1, "data": ROWS}, indent=1)))
    assert (error.key, error.values["keys"]) == ("data_json_object", "data")


def test_tables_with_other_separators_and_odd_headers(put):
    assert read(put("a.csv", "q;a\n1,5;2\n")) == [(1, {"q": "1,5", "a": "2"})]
    assert refused(put("a.csv", "q,a,q\n1,2,3\n")).key == "data_table_header"
    assert read(put("b.csv", "\n\nq;a\n\n1,5;2\n")) == [(1, {"q": "1,5", "a": "2"})], "blank lines before the header"


def test_columns_without_a_name_have_their_place_for_one(put, tmp_path):
    text = "q,,,column_3,\n1,,y,2,\n"
    wanted = {"q": "1", "column_3": "2", "column_3_": "y"}
    assert read(put("a.csv", text)) == [(1, wanted)]
    assert list(salvage.read_rows([put("b.csv", text)])) == [wanted]
    book = openpyxl.Workbook()
    for cells in (["q", None, None, "column_3"], [1, None, "y", 2]):
        book.active.append(cells)
    book.save(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx") == [(1, wanted)]


def test_spreadsheet(tmp_path):
    book = openpyxl.Workbook()
    for cells in (["question", "answer", "good"], ["年？", 2026, True], [], ["half", 0.5, None], ["whole", 3.0, False]):
        book.active.append(cells)
    book.create_sheet("notes")
    book.save(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx") == [
        (1, {"question": "年？", "answer": "2026", "good": True}),
        (2, {"question": "half", "answer": "0.5", "good": None}),
        (3, {"question": "whole", "answer": "3", "good": False}),
    ]
    told = reading.notices(Source("s", tmp_path / "a.xlsx"))
    assert [(notice.code, notice.values["others"]) for notice in told] == [("data_sheets", "notes")]


def test_spreadsheet_that_is_none(put, tmp_path):
    assert refused(put("a.xlsx", "not a workbook")).key == "data_unreadable"
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b" " * (80 << 20))
    assert refused(tmp_path / "b.xlsx").key == "data_sheet_bomb"


def test_a_folder_of_the_datasets_library(put, tmp_path):
    put("saved/state.json", "{}")
    put("saved/dataset_info.json", "{}")
    table = pyarrow.Table.from_pylist(ROWS)
    with pyarrow.ipc.new_stream(tmp_path / "saved/data-00000-of-00001.arrow", table.schema) as writer:
        writer.write_table(table)
    assert read(tmp_path / "saved") == numbered(ROWS)


def test_a_folder_without_files_names_those_below(put, tmp_path):
    put("clone/data/train.jsonl", ROWS)
    put("clone/README.md", "# words")
    error = refused(tmp_path / "clone")
    assert error.key == "data_folder_empty" and error.values["below"] == str(tmp_path / "clone/data")


def test_what_stands_beside_the_data_is_no_data(put, tmp_path):
    put("f/README.md", "# words")
    put("f/LICENSE", "free")
    put("f/1.json", [{"n": 1}])
    put("f/2.jsonl", [{"n": 2}])
    assert read(tmp_path / "f") == [(1, {"n": 1}), (2, {"n": 2})]


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
    with pytest.raises(StudioError) as error:
        list(reading.read_rows(Source("s", hub=(("hf_hub_url", "o/n"),))))
    assert error.value.key == "data_not_downloaded"


def test_a_file_that_cannot_be_opened_is_said(put, monkeypatch):
    def refused(self, *_, **__):
        raise PermissionError(13, "Permission denied")

    source = Source("a", put("a.txt", "x\n"))
    monkeypatch.setattr("pathlib.Path.open", refused)
    with pytest.raises(StudioError) as error:
        list(reading.read_rows(source))
    assert error.value.key == "data_unreadable" and "Permission denied" in str(error.value)
