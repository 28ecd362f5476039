"""A query: what it gives, and that it cannot write, run for ever or fill the memory."""

import os
import time

import pytest
import shop

from studio.data.sql import running

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def path(tmp_path):
    return shop.database(tmp_path / "shop.sqlite")


def test_rows_and_columns(path):
    sql = 'SELECT name, count(*) AS n FROM customer JOIN "order" ON id = customer GROUP BY name;'
    result = running.run(path, sql)
    assert result.columns == ("name", "n") and result.rows == (("Ada", 2), ("Grace", 1)) and result.whole


def test_no_more_rows_than_asked_for(path):
    result = running.run(path, "SELECT id FROM customer", max_rows=1)
    assert result.rows == ((1,),) and not result.whole


@pytest.mark.parametrize("sql, code", [
    ("SELECT nmae FROM customer", "syntax"), ("", "syntax"), (";", "syntax"), ("SELEC 1", "syntax"),
    ("SELECT 1; SELECT 2", "refused"), ("DROP TABLE customer", "refused"), ("DELETE FROM customer", "refused"),
    ("INSERT INTO customer (name) VALUES ('x')", "refused"), ("ATTACH '/tmp/x.db' AS x", "refused"),
    ("PRAGMA journal_mode = WAL", "refused"), ("CREATE TABLE x (y)", "refused"),
    ("VACUUM INTO 'copy.db'", "refused"), ("SELECT load_extension('x')", "refused"), ("BEGIN", "refused"),
    ("SELECT zeroblob(1000000000)", "too_big"),
])
def test_what_does_not_run(path, sql, code):
    before = path.read_bytes(), os.listdir(path.parent)
    with pytest.raises(running.SqlFailed) as caught:
        running.run(path, sql)
    assert caught.value.code == code and str(caught.value)
    assert (path.read_bytes(), os.listdir(path.parent)) == before


def test_a_result_that_nobody_can_hold_is_too_big(path, monkeypatch):
    monkeypatch.setattr(running, "MAX_RESULT_BYTES", 1_000_000)
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT hex(zeroblob(50000)) FROM n"
    with pytest.raises(running.SqlFailed) as told:
        running.run(path, many, limit_s=20)
    assert told.value.code == "too_big"


def test_sorting_takes_no_more_memory_than_it_may(path):
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 400)"
    most = f"{numbers} SELECT group_concat(hex(zeroblob(4500000))) FROM n"
    with pytest.raises(running.SqlFailed) as told:
        running.run(path, most, limit_s=20)
    assert told.value.code == "too_big"


def test_a_query_without_end_is_ended(path):
    began_s = time.monotonic()
    with pytest.raises(running.SqlFailed) as caught:
        running.run(path, ENDLESS, limit_s=0.1)
    assert caught.value.code == "timeout" and time.monotonic() - began_s < 3


def test_a_step_that_lasts_is_not_waited_for(path):
    long = "SELECT instr(hex(zeroblob(200000)), hex(zeroblob(100000)) || '1')"
    began_s = time.monotonic()
    with pytest.raises(running.SqlFailed) as failed:
        running.run(path, f"{long} + {long[7:]}", limit_s=0.1)
    assert failed.value.code == "timeout" and time.monotonic() - began_s < 2


def test_what_a_table_is_like_may_be_asked(path):
    assert [row[1] for row in running.run(path, "PRAGMA table_info(customer)").rows][:2] == ["id", "name"]


@pytest.mark.parametrize("answer, sql", [
    ("SELECT 1", "SELECT 1"), ("Here it is:\n```sql\nSELECT 1\n```\nDone.", "SELECT 1"),
    ("The query is: select name from customer", "select name from customer"),
    ("WITH a AS (SELECT 1) SELECT * FROM a", "WITH a AS (SELECT 1) SELECT * FROM a"), ("no idea", "no idea"),
])
def test_the_sql_in_an_answer(answer, sql):
    assert running.query_in(answer) == sql
