"""The schema in a prompt: its exact form."""

import os
import sqlite3

import pytest
import shop

from studio.data.sql import databases, schema
from studio.errors import StudioError


def test_the_form(tmp_path):
    assert schema.text(shop.database(tmp_path / "shop.sqlite")) == shop.SCHEMA


def test_foreign_keys(tmp_path):
    assert schema.foreign_keys(shop.database(tmp_path / "shop.sqlite")) == '"order".customer = customer.id'


@pytest.mark.parametrize("name, written", [
    ("plain", "plain"), ("_x1", "_x1"), ("1st", '"1st"'), ("a b", '"a b"'), ("Select", '"Select"'), ("姓名", "姓名"),
    ('say "hi"', '"say ""hi"""'), ("Free Meal Count (K-12)", '"Free Meal Count (K-12)"'), ("a-b", '"a-b"'),
])
def test_odd_names(tmp_path, name, written):
    quoted = name.replace('"', '""')
    path = shop.database(tmp_path / "odd.db", f'CREATE TABLE "{quoted}" ("{quoted}" TEXT)')
    assert schema.text(path) == f"CREATE TABLE {written} (\n    {written} TEXT NULL NULL\n);"


def test_databases_in_folders_and_flat(tmp_path):
    nested = shop.database(tmp_path / "database" / "shop" / "shop.sqlite")
    flat = shop.database(tmp_path / "bank.db")
    (tmp_path / "README.md").write_text("x")
    assert databases.find(tmp_path) == {"shop": nested, "bank": flat}
    assert databases.find(flat) == {"bank": flat}


def test_of_two_with_one_name_the_one_in_its_own_folder(tmp_path):
    shop.database(tmp_path / "copies" / "shop.sqlite")
    own = shop.database(tmp_path / "shop" / "shop.sqlite")
    assert databases.find(tmp_path) == {"shop": own}
    shop.database(tmp_path / "more" / "bank.sqlite")
    shop.database(tmp_path / "old" / "bank.sqlite")
    assert databases.find(tmp_path)["bank"].read_bytes(), "copies are one"
    shop.database(tmp_path / "old" / "bank.sqlite", "CREATE TABLE one_more (x)")
    with pytest.raises(StudioError) as caught:
        databases.find(tmp_path)
    assert caught.value.key == "sql_database_twice"


@pytest.mark.parametrize("name, near", [("Shop", None), ("shopp", "shop"), ("zzz", "bank")])
def test_a_missing_database_is_named_with_the_nearest(tmp_path, name, near):
    known = {"shop": tmp_path / "a", "bank": tmp_path / "b"}
    if near is None:
        assert databases.named(name, known) == tmp_path / "a"
        return
    with pytest.raises(StudioError, match=near):
        databases.named(name, known)


@pytest.mark.parametrize("content, key", [(b"no database at all", "broken"), (b"", "broken"),
                                          (b"SQLite format 3\0" + b"x" * 200, "broken")])
def test_what_is_no_database(tmp_path, content, key):
    path = tmp_path / "x.sqlite"
    path.write_bytes(content)
    with pytest.raises(StudioError) as caught:
        schema.text(path)
    assert caught.value.key == f"sql_database_{key}"


def test_reading_leaves_no_trace(tmp_path):
    path = shop.database(tmp_path / "shop.sqlite")
    before = path.read_bytes(), sorted(os.listdir(tmp_path))
    with databases.opened(path) as connection:
        for statement in ("DELETE FROM customer", "CREATE TABLE x (y)", "PRAGMA user_version = 3"):
            with pytest.raises(sqlite3.OperationalError):
                connection.execute(statement).fetchall()
    assert (path.read_bytes(), sorted(os.listdir(tmp_path))) == before


def test_what_stands_in_the_log_is_read(tmp_path):
    path = shop.database(tmp_path / "shop.sqlite", "CREATE TABLE a (x); PRAGMA journal_mode = WAL;")
    writer = sqlite3.connect(path)
    writer.execute("CREATE TABLE b (y)")
    writer.commit()
    try:
        assert "CREATE TABLE b" in schema.text(path)
    finally:
        writer.close()
