"""Questions and databases to a set: every shape of the list, what is left out, parts without a shared database."""

import json
import random

import pytest
import shop

from studio.data import formats, reading, registry
from studio.data.sql import making, questions
from studio.errors import StudioError

SQL = "SELECT count(*) FROM customer"
SAID = [{"from": "human", "value": "How many?"}, {"from": "gpt", "value": SQL}]
ONE = [("How many?", SQL)]
TWO = [("How many?", SQL), ("And who?", "SELECT name FROM customer")]


def written(tmp_path, content, name="dev.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


@pytest.mark.parametrize("content, turns", [
    ([{"db_id": "shop", "question": "How many?", "query": SQL, "sql": {"select": []}}], ONE),
    ([{"db_id": "shop", "question": "How many?", "SQL": SQL, "question_id": 7}], ONE),
    ([{"database_id": "shop", "interaction": [{"utterance": q, "query": s} for q, s in TWO], "final": {}}], TWO),
    ([{"db_id": "shop", "turns": [{"question": q, "sql": s} for q, s in TWO]}], TWO),
    ([{"db_id": "shop", "questions": [q for q, _ in TWO], "queries": [s for _, s in TWO]}], TWO),
    ([{"db_id": "shop", "conversations": SAID}], ONE),
    ({"data": [{"db_id": "shop", "question": "How many?", "query": SQL}]}, ONE),
    ({"shop": [{"question": q, "query": s} for q, s in TWO]}, TWO),
    ({"shop": {"questions": ["How many?"], "queries": [SQL]}}, ONE),
    ([{"db_id": "shop", "question": "How many?", "evidence": "all", "SQL": SQL}], [("How many?\nall", SQL)]),
    ([{"db_id": "shop", "questions": ["How many?", "And who?"], "queries": [SQL]}], [*ONE, ("And who?", None)]),
])
def test_shapes_of_the_list(tmp_path, content, turns):
    (entry,) = questions.read(written(tmp_path, content))
    assert (entry.database, [(turn.question, turn.sql) for turn in entry.turns]) == ("shop", turns)


def test_a_list_of_lines(tmp_path):
    lines = "".join(json.dumps({"db_id": "shop", "question": q, "query": s}) + "\n" for q, s in TWO)
    assert [entry.number for entry in questions.read(written(tmp_path, lines, "dev.jsonl"))] == [1, 2]


def test_several_lists_in_an_object(tmp_path):
    one = {"db_id": "shop", "question": "How many?", "query": SQL}
    entries = questions.read(written(tmp_path, {"train": [one, one], "dev": [one], "version": 1}))
    assert [entry.number for entry in entries] == [1, 2, 3]


@pytest.mark.parametrize("content, key", [
    ("[{", "data_json_broken"), ("3", "sql_questions_unreadable"), ("[]", "sql_questions_unreadable"),
    ([{"question": "How many?", "query": SQL}], "sql_questions_shape"), ([{"db_id": "shop"}], "sql_questions_shape"),
    (["shop"], "sql_questions_shape"),
])
def test_lists_that_are_none(tmp_path, content, key):
    with pytest.raises(StudioError) as caught:
        questions.read(written(tmp_path, content))
    assert caught.value.key == key


def test_one_conversation_an_entry_with_the_schema_before_it(tmp_path):
    shop.database(tmp_path / "dbs" / "shop" / "shop.sqlite")
    file = written(tmp_path, [{"database_id": "shop", "interaction": [{"utterance": q, "query": s} for q, s in TWO]},
                              {"db_id": "SHOP", "question": "How many?", "query": SQL, "question_id": 7}])  # fmt: skip
    report = making.make(tmp_path / "dbs", file, "sql", making.Wanted("Tables of {database}:\n{schema}\nGo. {x}"))
    source = registry.find("sql", "data")
    rows = [formats.to_row(source, raw) for _, raw in reading.read_rows(source)]
    assert [message["content"] for message in rows[0].messages] == [
        f"Tables of shop:\n{shop.SCHEMA}\nGo. {{x}}", "How many?", SQL, "And who?", "SELECT name FROM customer"
    ]
    assert len(rows) == 2 and report.num_turns == 3 and [made.num_rows for made in report.made] == [2]
    assert dict(reading.read_rows(source))[2]["question_id"] == 7


def test_what_cannot_be_used_is_counted(tmp_path):
    shop.database(tmp_path / "shop.sqlite")
    file = written(tmp_path, [
        {"db_id": "shop", "question": "a", "query": SQL}, {"db_id": "shop", "question": "b", "query": "SELECT nope"},
        {"db_id": "shop", "question": "c"}, {"db_id": "shoe", "question": "d", "query": SQL},
    ])  # fmt: skip
    with pytest.raises(StudioError, match="shop"):
        making.make(tmp_path, file, "sql")
    with pytest.raises(StudioError):
        registry.find("sql", "data")
    report = making.make(tmp_path, file, "sql", making.Wanted(check_sql=True, skip_missing=True))
    assert report.left_out == {"sql_fails": [2], "no_sql": [3], "no_database": [4]}
    assert "nope" in report.details[2] and report.details[4] == "shoe" and report.made[0].num_rows == 1


def test_one_conversation_a_database(tmp_path, many):
    report = making.make(tmp_path, many, "sql", making.Wanted(join=True))
    rows = [raw for _, raw in reading.read_rows(registry.find("sql", "data"))]
    assert {row["db_id"]: len(row["conversations"]) for row in rows} == {f"db{n}": 2 * n for n in range(1, 13)}
    assert report.num_turns == 78 and report.made[0].num_rows == 12


def test_the_prompt_has_to_hold_the_schema(tmp_path):
    with pytest.raises(StudioError) as caught:
        making.make(tmp_path, tmp_path / "x.json", "sql", making.Wanted("Write SQL."))
    assert caught.value.key == "sql_prompt_mark"


@pytest.fixture
def many(tmp_path):
    """Twelve databases with one to twelve questions."""
    for number in range(1, 13):
        shop.database(tmp_path / f"db{number}.sqlite", "CREATE TABLE t (x)")
    entries = [{"db_id": f"db{number}", "question": f"{number}-{place}?", "query": "SELECT x FROM t"}
               for number in range(1, 13) for place in range(number)]  # fmt: skip
    random.Random(1).shuffle(entries)
    return written(tmp_path, entries)


@pytest.mark.parametrize("by", making.BY)
def test_parts(tmp_path, many, by):
    report = making.make(tmp_path, many, "sql", making.Wanted(split="0.7,0.3", by=by))
    assert [made.name for made in report.made] == ["sql_train", "sql_val"]
    parts = [[raw["conversations"][0]["value"] for _, raw in reading.read_rows(registry.find(made.name, "data"))]
             for made in report.made]  # fmt: skip
    assert sorted(parts[0] + parts[1]) == sorted(f"{n}-{place}?" for n in range(1, 13) for place in range(n))
    assert abs(len(parts[0]) - 0.7 * 78) <= 1
    assert bool(report.shared) == (by == "row") and all(report.parts)


@pytest.mark.parametrize("by", making.BY)
def test_what_the_shares_leave_out_is_counted(tmp_path, many, by):
    report = making.make(tmp_path, many, "sql", making.Wanted(split="0.5,0.2", by=by))
    sizes = [made.num_rows for made in report.made]
    assert abs(sizes[0] - 39) <= 1 and abs(sizes[1] - 16) <= 1 and report.num_over == 78 - sum(sizes)
    with pytest.raises(StudioError) as caught:
        making.make(tmp_path, many, "more", making.Wanted(split="0.9,0.9", by=by))
    assert caught.value.key == "making_split_over_one"


def test_too_few_databases_for_the_parts(tmp_path):
    shop.database(tmp_path / "shop.sqlite")
    file = written(tmp_path, [{"db_id": "shop", "question": "a", "query": SQL}] * 4)
    with pytest.raises(StudioError) as caught:
        making.make(tmp_path, file, "sql", making.Wanted(split="0.5,0.5"))
    assert caught.value.key == "sql_split_databases"


def test_a_preview_writes_nothing(tmp_path, home):
    shop.database(tmp_path / "shop.sqlite")
    file = written(tmp_path, [{"db_id": "shop", "question": "a", "query": SQL}])
    row = making.preview(tmp_path, file)
    assert shop.SCHEMA in row["system"] and row["conversations"][1] == {"from": "gpt", "value": SQL}
    assert not (home / "data").exists()
