"""Fixes: a new set that the doctor finds well, the old one as it was, and a count of what became of the rows."""

import json

import pytest

from studio import paths
from studio.data import doctor, reading, registry
from studio.data.detect import source_of
from studio.data.doctor import Values
from studio.data.source import Source
from studio.errors import StudioError


def pair(number: int, answer: str = "") -> dict:
    question = f"question {number} {'abcdef'[number % 6] * 9}"
    return {"instruction": question, "output": answer or f"answer {number}", "id": number}


def said(*words: str) -> dict:
    names = {"u": "human", "a": "gpt", "s": "system", "c": "function_call", "o": "observation"}
    return {"conversations": [{"from": names[word[0]], "value": word[1:]} for word in words]}


@pytest.fixture
def source_with(home, tmp_path):
    def write(rows):
        file = tmp_path / "old.jsonl"
        file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return Source("old", file, formatting="sharegpt" if "conversations" in rows[0] else "alpaca")

    return write


def rows_of(made) -> list:
    return [raw for _, raw in reading.read_rows(registry.find(made.name, "data"))]


def test_rows_are_left_out_and_the_first_is_kept(source_with):
    source = source_with([pair(1), pair(2), pair(1), pair(3, " "), "{broken", pair(4)])
    before = source.path.read_bytes()
    made = doctor.fix(source, ["duplicate", "empty", "broken"])
    assert made.name == "old_clean" and made.counts == {"changed": 0, "left_out": 3}
    assert [row["id"] for row in rows_of(made)] == [1, 2, 4]
    assert source.path.read_bytes() == before
    assert doctor.examine(registry.find("old_clean", "data")) == ()
    assert doctor.fix(source, ["duplicate"]).name == "old_clean_2"


def test_texts_are_cleaned_and_what_is_lost_goes(source_with):
    source = source_with([pair(1, "CafÃ© crÃ¨me\u200b"), pair(2, "lost \ufffd"), pair(3, "bell\a ＡＢ"), pair(4)])
    made = doctor.fix(source, ["broken_text", "control", "invisible", "wide"])
    assert [row["output"] for row in rows_of(made)] == ["Café crème", "bell AB", "answer 4"]
    assert made.counts == {"changed": 2, "left_out": 1}


def test_what_cleaning_empties_is_left_out(source_with):
    made = doctor.fix(source_with([pair(1, "\u200b"), pair(2, "a\u200bb")]), ["invisible"])
    assert [row["output"] for row in rows_of(made)] == ["ab"] and made.counts == {"changed": 1, "left_out": 1}


def test_personal_data_is_masked_in_columns_that_are_read(source_with):
    source = source_with([pair(1, "write to ada@mail.de") | {"id": "ada@mail.de"}])
    (row,) = rows_of(doctor.fix(source, ["email"]))
    assert row["output"] == "write to [EMAIL]" and row["id"] == "ada@mail.de"


def test_placeholders_take_the_values_given(source_with):
    source = source_with([pair(1, "I am {{name}}.")])
    with pytest.raises(StudioError, match="values"):
        doctor.fix(source, ["placeholders"])
    made = doctor.fix(source, ["placeholders"], values=Values(placeholders={"name": "Ada"}))
    assert rows_of(made)[0]["output"] == "I am Ada."


def test_turns_are_put_right_where_nothing_is_invented(source_with):
    source = source_with([
        said("uq", "aa"), said("uq1", "uq2", "aa"), said("sbe brief", "ahello", "uq", "aa", "uand"), said("uq"),
        said("uq", "a ", "ab"), said("uq", "oresult", "aa"), said("uq", "cnot json", "ob", "aa"),
    ])  # fmt: skip
    made = doctor.fix(source, ["turns", "unusable"])
    assert rows_of(made) == [said("uq", "aa"), said("uq1\n\nq2", "aa"), said("sbe brief", "uq", "aa"), said("uq", "ab")]
    assert made.counts == {"changed": 3, "left_out": 3}


def test_turns_and_values_in_what_a_table_holds_as_json_text(source_with):
    rows = [said("uq", "aa {{name}}"), said("uq1", "uq2", "aa")]
    source = source_with([{"conversations": json.dumps(row["conversations"])} for row in rows])
    made = doctor.fix(source, ["turns", "placeholders"], values=Values(placeholders={"name": 'Bob "the" builder'}))
    assert rows_of(made) == [said("uq", 'aa Bob "the" builder'), said("uq1\n\nq2", "aa")]
    assert made.counts == {"changed": 2, "left_out": 0}


def test_leaks_are_left_out(source_with, tmp_path):
    held_out = tmp_path / "eval.json"
    held_out.write_text(json.dumps([pair(2)]))
    made = doctor.fix(source_with([pair(1), pair(2), pair(3)]), ["leak"], values=Values(against=source_of(held_out)))
    assert [row["id"] for row in rows_of(made)] == [1, 3]


def test_what_cannot_be_fixed_is_said_and_nothing_is_made(source_with):
    source = source_with([pair(1, " ")])
    for codes, key in ((["imbalance"], "doctor_no_fix"), ([], "doctor_no_fix"), (["nonsense"], "doctor_no_fix"),
                       (["empty"], "making_empty")):  # fmt: skip
        with pytest.raises(StudioError) as error:
            doctor.fix(source, codes)
        assert error.value.key == key
    with pytest.raises(StudioError, match="already"):
        doctor.fix(source_with([pair(1)]), ["duplicate"], "identity")
    assert not list(paths.data().glob("*.jsonl")) and not (paths.data() / "dataset_info.json").exists()
