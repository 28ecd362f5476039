"""Exporting: what other programs read is what the set holds; what a kind cannot hold is said and nothing is left."""

import csv
import json
import os

import pyarrow.parquet
import pytest

from studio import paths
from studio.data import detect, formats, making, reading
from studio.data.source import Source
from studio.errors import StudioError

ROWS = [
    {"instruction": "=1+1", "output": "line\nbreak, \"quoted\" 答", "tags": ["a", "b"], "score": 1},
    {"instruction": "two", "output": "bell\a", "score": 2.5, "meta": {"deep": [1]}},
    {"instruction": "三", "output": "x", "tags": [], "score": None, "mixed": "text"},
    {"instruction": "4", "output": "y", "mixed": 4},
]


@pytest.fixture
def source(home, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), "utf-8")
    return Source("rows", file)


def test_json_and_jsonl_hold_the_same_rows(source):
    assert json.loads(making.export(source, "json").read_bytes()) == ROWS
    file = making.export(source, "jsonl")
    assert [raw for _, raw in reading.read_rows(Source("x", file))] == ROWS
    assert file.parent == paths.cache() / "exports"


def test_a_table_has_every_column_and_nested_values_as_json(source, tmp_path):
    file = making.export(source, "csv", tmp_path / "out" / "rows.csv")
    rows = list(csv.DictReader(file.open(encoding="utf-8-sig", newline="")))
    assert list(rows[0]) == ["instruction", "output", "tags", "score", "meta", "mixed"]
    assert rows[0]["output"] == ROWS[0]["output"] and json.loads(rows[1]["meta"]) == {"deep": [1]}
    assert rows[3]["mixed"] == "4"


def test_parquet_keeps_types_and_makes_mixed_columns_texts(source):
    rows = pyarrow.parquet.read_table(making.export(source, "parquet")).to_pylist()
    assert [row["instruction"] for row in rows] == [row["instruction"] for row in ROWS]
    assert [row["score"] for row in rows] == [1, 2.5, None, None]
    assert rows[0]["tags"] == ["a", "b"] and rows[1]["meta"] == {"deep": [1]}
    assert [row["mixed"] for row in rows] == [None, None, "text", "4"]


def calling(name, **arguments):
    function = {"name": name, "parameters": {"properties": {key: {"type": "string"} for key in arguments}}}
    asked, call = {"role": "user", "content": "?"}, {"function": {"name": name, "arguments": arguments}}
    called = {"role": "assistant", "content": "", "tool_calls": [call]}
    return {"messages": [asked, called], "tools": [{"type": "function", "function": function}], "kept": [asked]}


@pytest.mark.parametrize("rows", [
    [calling("weather", city="Åbo"), calling("now", zone="UTC"), calling("weather", day=None, city="Oulu")],
    [calling("quit")],
])
def test_parquet_gives_calls_and_tools_no_keys_but_their_own(home, tmp_path, rows):
    (tmp_path / "calls.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = detect.source_of(tmp_path / "calls.jsonl")
    made = detect.source_of(making.export(source, "parquet"))
    assert pyarrow.types.is_list(pyarrow.parquet.read_schema(made.path).field("kept").type)  # nothing was in the way
    for (_, found), row in zip(reading.read_rows(made), rows, strict=True):
        for said, was in zip(vars_of(made, found), vars_of(source, row), strict=True):
            assert json.dumps(said) == json.dumps(was)  # in the same order, too


def vars_of(source, raw):
    row = formats.to_row(source, raw)
    return row.messages, row.tools


def test_halves_of_characters_and_numbers_that_are_none(home, tmp_path):
    file = tmp_path / "odd.jsonl"
    file.write_text('{"instruction": "a \\ud83d é", "output": "b", "score": NaN, "most": [Infinity]}\n')
    odd = Source("odd", file)
    row = {"instruction": "a \\ud83d é", "output": "b", "score": None, "most": '["inf"]'}
    table = csv.DictReader(making.export(odd, "csv").open(encoding="utf-8-sig"))
    assert list(table) == [row | {"score": ""}]
    assert pyarrow.parquet.read_table(making.export(odd, "parquet")).to_pylist() == [row | {"most": ["inf"]}]
    assert making.export(odd, "xlsx").is_file()
    found = json.loads(making.export(odd, "json").read_text(), parse_constant=pytest.fail)
    assert found == [row | {"instruction": "a \ud83d é", "most": ["inf"]}]


def test_a_spreadsheet_has_texts_and_no_formula(source):
    import openpyxl

    sheet = openpyxl.load_workbook(making.export(source, "xlsx")).active
    cells = list(sheet.iter_rows())
    assert cells[1][0].value == "=1+1" and cells[1][0].data_type == "s"
    assert cells[2][1].value == "bell\ufffd" and cells[1][3].value == 1
    assert [cell.value for cell in cells[0]][:2] == ["instruction", "output"]


def test_what_a_kind_cannot_hold_is_said_and_leaves_nothing(home, tmp_path):
    long, bare = tmp_path / "long.jsonl", tmp_path / "bare.jsonl"
    long.write_text(json.dumps({"output": "x" * 40_000}))
    bare.write_text(json.dumps({"output": "x"}) + "\n" + json.dumps(["no", "columns"]) + "\n")
    for file, kind, words in ((long, "xlsx", "40000"), (bare, "csv", "Row 2"), (bare, "parquet", "Row 2"),
                              (long, "docx", "docx")):  # fmt: skip
        with pytest.raises(StudioError, match=words):
            making.export(Source("x", file), kind, tmp_path / "out" / f"x.{kind}")
    assert not list((tmp_path / "out").glob("*")) and not list((tmp_path / "out").glob(".*"))


def test_a_file_that_is_there_stays(source, tmp_path):
    there = tmp_path / "there.json"
    there.write_text("mine")
    with pytest.raises(StudioError, match="there already"):
        making.export(source, "json", there)
    assert there.read_text() == "mine"


def test_downloads_of_other_days_go(source, home):
    old = making.export(source, "csv")
    os.utime(old, (0, 0))
    kept = making.export(source, "json", home / "mine.json")
    os.utime(kept, (0, 0))
    new = making.export(source, "jsonl")
    assert new.exists() and not old.exists() and kept.exists()
