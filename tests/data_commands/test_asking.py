"""`studio data generate` and `studio data sql`, as typed."""

import json
import shlex

import pytest
import shop
from wordsmith import Wordsmith, tasks

from studio import cli
from studio.data import asking, reading, registry


@pytest.fixture
def questions(tmp_path):
    """Three databases, and a file with two questions about each, one of which does not run."""
    for name in "abc":
        shop.database(tmp_path / "dbs" / name / f"{name}.sqlite")
    entries = [{"db_id": name, "question": f"{name} {sql}?", "query": sql} for name in "abc"
               for sql in ("SELECT id FROM customer", "SELECT nope")]  # fmt: skip
    (tmp_path / "dev.json").write_text(json.dumps(entries))
    return [str(tmp_path / "dbs"), str(tmp_path / "dev.json")]


def test_sql(questions, capsys):
    assert cli.main(["data", "sql", *questions]) == 0
    assert "dev_sql: 6 conversations, 3 databases." in capsys.readouterr().out
    assert len(list(reading.read_rows(registry.find("dev_sql", "data")))) == 6


def test_sql_in_parts_and_checked(questions, capsys, tmp_path):
    (tmp_path / "prompt.txt").write_text("Only this: {schema}")
    words = ["--name", "s", "--split", "0.7,0.3", "--check", "--prompt", str(tmp_path / "prompt.txt")]
    assert cli.main(["data", "sql", *questions, *words]) == 0
    out, err = capsys.readouterr()
    assert "s_train: 2 conversations, 2 databases." in out and "s_val: 1 conversations" in out
    assert "No database stands in two parts." in out and "SQL does not run" in err and "2, 4, 6" in err
    raw = dict(reading.read_rows(registry.find("s_val", "data")))[1]
    assert raw["system"] == f"Only this: {shop.SCHEMA}"
    assert cli.main(["data", "sql", *questions, "--name", "few", "--split", "0.34,0.33"]) == 0
    out, err = capsys.readouterr()
    assert "few_train: 2 conv" in out and "2 rows are in no part" in err


@pytest.mark.parametrize("words, said", [
    (["only-a-folder"], "QUESTIONS.json"), (["a", "b", "--seed", "x"], "QUESTIONS.json"),
    (["a", "b"], "There is no folder a"), (["a", "b", "--prompt", "nowhere.txt"], "nowhere.txt"),
])
def test_sql_misused(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").write_text("[]")
    assert cli.main(["data", "sql", *words]) == 2
    assert said in capsys.readouterr().err


def test_generate_follows_its_run(capfd, monkeypatch):
    monkeypatch.setenv("STUDIO_MIN_FREE_GIB", "0")
    said = tasks(("Name a river in the north.", "", "Ob"), ("How many legs do spiders have?", "", "8"))
    with Wordsmith(lambda body: said) as there:
        words = [f"api_base={there.url}", "model=toy", "topic=facts", "new_dataset=facts", "num_rows=2"]
        assert cli.main(["data", "generate", *words]) == 0
    assert "2 rows, " in capfd.readouterr().out
    assert [raw["output"] for _, raw in reading.read_rows(registry.find("facts", "data"))] == ["Ob", "8"]


def test_columns(tmp_path, capsys, monkeypatch):
    (tmp_path / "odd.csv").write_text("frage,antwort\nWho?,Ada\n")
    monkeypatch.setenv("MY_KEY", "sk-1")
    words = [str(tmp_path / "odd.csv"), "--model", "toy", "--key_variable", "MY_KEY"]
    with Wordsmith(lambda body: '{"prompt": "frage", "response": "antwort"}') as there:
        assert cli.main(["data", "columns", *words, "--api_base", there.url]) == 0
        out, err = capsys.readouterr()
        assert json.loads(out) == {"formatting": "alpaca", "columns": {"prompt": "frage", "response": "antwort"}}
        assert there.keys == ["Bearer sk-1"]
        add = shlex.split(err.strip())
        assert cli.main(add[1:]) == 0
    (row,) = reading.read_rows(registry.find("odd", "data"))
    assert row == (1, {"frage": "Who?", "antwort": "Ada"})
    assert cli.main(["data", "columns", *words]) == 2


def test_search(monkeypatch, capsys):
    found = asking.Found("ada/poems", "modelscope", 1200, 3, "2026-05-31", "All of them.")
    asked = []
    monkeypatch.setattr(asking, "search", lambda *given: asked.append(given) or (found,))
    assert cli.main(["data", "search", "old", "poems", "--hub", "modelscope", "--models"]) == 0
    assert capsys.readouterr().out == "ada/poems  1,200  2026-05-31  All of them.\n"
    assert asked == [("old poems", "modelscope", "model")]
    assert cli.main(["data", "search", "--hub", "nowhere", "x"]) == 2


def test_the_help_of_generate_has_its_keys(capsys):
    assert cli.main(["data", "generate", "--help"]) == 0
    out = capsys.readouterr().out
    assert '  way = "self_instruct"\n      How rows are made' in out and "key_variable" in out


def test_generate_says_what_is_missing(capsys):
    assert cli.main(["data", "generate", "api_base=http://x/v1"]) == 2
    said = capsys.readouterr().err
    assert all(f"{key}: " in said for key in ("model", "new_dataset", "topic"))
