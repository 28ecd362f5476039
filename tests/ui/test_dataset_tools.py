"""Lengths, doctor, make and text-to-SQL as the browser calls them: what it is told, and what it may not do."""

import io
import json
import sqlite3
import zipfile
from pathlib import Path

import pytest

from studio.data import registry
from studio.errors import StudioError
from studio.text import catalogue
from studio.ui import errands
from studio.ui.parts import doctor, lengths, making, text_to_sql
from studio.ui.parts.chosen import source_of

EN, ZH = catalogue("en"), catalogue("zh")
MODEL = str(Path(__file__).parents[1] / "golden" / "bytes")
LENS = {"model_name_or_path": MODEL, "template": "chatml"}
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def named(home):
    """Enters sets of the user's own: `named(mine=[row, …], other=[…])`."""
    folder = home / "data"
    folder.mkdir()
    entries: dict = {}

    def enter(**sets):
        for name, rows in sets.items():
            (folder / f"{name}.json").write_text(json.dumps(rows, ensure_ascii=False))
            entries[name] = {"file_name": f"{name}.json"}
        (folder / registry.INFO).write_text(json.dumps(entries))
        return folder

    return enter


def pair(question, answer="yes"):
    return {"instruction": question, "input": "", "output": answer}


def done(work, asked, name="mine", of_set=True):
    """The errand of a work, done."""
    errand = errands.Errand(("test", name), None)
    errand.result = work(source_of({"name": name}) if of_set else None, asked)(errand.tell)
    return errand


def made(name, way, t=EN, **asked):
    """What the Make tool says of a way gone through."""
    return making.show(t, done(making.begin, {"way": way, "name": name, "seed": 1} | asked, name))


def rows_of(home, name) -> list:
    file = home / "data" / json.loads((home / "data" / registry.INFO).read_text())[name]["file_name"]
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


# ---- lengths ---------------------------------------------------------------------------------------------------------


def test_lengths_are_told_with_the_lens_they_hold_for(named):
    named(mine=[pair("q" * count, "a") for count in range(1, 101)])
    found = lengths.show(EN, done(lengths.begin, {"lens": LENS, "cutoff_len": 60, "batch": 4}))
    assert (found["num_rows"], found["cutoff_len"], found["batch_size"]) == (100, 60, 4)
    assert found["lens"]["model_name_or_path"] == MODEL and found["lens"]["stage"] == "sft" and not found["changed"]
    assert sum(count for _, _, count, _ in found["histogram"]) == 100
    assert 0 < found["truncated"] < 100 and found["lost_tokens"] > 0
    json.dumps(found)


def test_lengths_of_a_set_that_draws_from_its_rows_say_so(named):
    folder = named(mine=[pair("q")] * 20)
    (folder / registry.INFO).write_text(json.dumps({"mine": {"file_name": "mine.json", "num_samples": 5}}))
    found = lengths.show(EN, done(lengths.begin, {"lens": LENS}))
    assert (found["num_rows"], found["num_set_rows"]) == (5, 20) and "5 rows" in found["notices"][0]


def test_lengths_say_when_the_set_has_changed(named):
    folder = named(mine=[pair("q")])
    errand = done(lengths.begin, {"lens": LENS})
    (folder / "mine.json").write_text(json.dumps([pair("q"), pair("another")]))
    assert lengths.show(EN, errand)["changed"]


def test_a_model_that_is_not_here_is_said(named):
    named(mine=[pair("q")])
    work = lengths.begin(source_of({"name": "mine"}), {"lens": {"model_name_or_path": "someone/absent"}})
    with pytest.raises(StudioError, match="someone/absent"):
        work(lambda *_: None)


# ---- doctor ----------------------------------------------------------------------------------------------------------


def test_findings_are_told_and_fixed_into_a_new_set(named, home):
    named(mine=[pair("a"), pair("a"), pair("b", ""), pair("I am {{name}}")])
    errand = done(doctor.begin_examine, {"lens": LENS})
    found = doctor.show_examined(EN, errand)
    codes = {one["code"]: one for one in found["findings"]}
    assert {"empty", "duplicate", "placeholders"} <= set(codes)
    assert codes["duplicate"]["numbers"] == [2] and codes["empty"]["severity"] == "error" and codes["empty"]["fix"]
    assert found["placeholders"] == ["name"] and found["new_name"] == "mine_clean" and not found["note"]
    assert doctor.show_examined(ZH, errand)["findings"][0]["title"] != found["findings"][0]["title"]
    asked = {"codes": ["empty", "duplicate", "placeholders"], "new_name": "better", "values": {"name": EVIL}}
    told = doctor.show_fixed(EN, done(doctor.begin_fix, asked))
    assert told["name"] == "better" and [row["instruction"] for row in rows_of(home, "better")] == ["a", f"I am {EVIL}"]
    assert len(json.loads((home / "data" / "mine.json").read_text())) == 4


def test_leaks_are_looked_for_in_another_set(named):
    named(mine=[pair("shared"), pair("own")], tests=[pair("shared")])
    found = doctor.show_examined(EN, done(doctor.begin_examine, {"against": "tests", "dataset_dir": "data"}))
    assert [one["numbers"] for one in found["findings"] if one["code"] == "leak"] == [[1]]
    assert doctor.sets(EN, {"name": "mine"})["sets"].count("tests") == 1
    assert "mine" not in doctor.sets(EN, {"name": "mine"})["sets"]


def test_without_its_model_the_rest_is_examined_and_that_is_said(named):
    named(mine=[pair("a"), pair("a")])
    found = doctor.show_examined(EN, done(doctor.begin_examine, {"lens": {"model_name_or_path": "someone/absent"}}))
    assert "someone/absent" in found["note"] and found["findings"]


def test_a_fix_of_nothing_is_refused(named):
    named(mine=[pair("a")])
    with pytest.raises(StudioError, match="Tick at least one"):
        doctor.begin_fix(source_of({"name": "mine"}), {"codes": ["nonsense"]})


# ---- make ------------------------------------------------------------------------------------------------------------


def test_a_set_is_split_by_shares_and_by_counts(named, home):
    named(mine=[pair(str(number)) for number in range(20)])
    told = made("mine", "split", by="share", parts=[["train", 70], ["val", 20], ["test", 10]])
    assert told["names"] == ["mine_train", "mine_val", "mine_test"] and "14 rows" in told["text"]
    parts = [rows_of(home, name) for name in told["names"]]
    assert sorted(row["instruction"] for part in parts for row in part) == sorted(str(number) for number in range(20))
    told = made("mine", "split", by="count", parts=[["big", 15], ["small", 3]], in_order=True)
    assert told["names"] == ["mine_big", "mine_small"] and "2 rows left out" in told["text"]
    assert [row["instruction"] for row in rows_of(home, "mine_small")] == ["15", "16", "17"]
    again = made("mine", "split", by="count", parts=[["big", 15], ["small", 3]])
    assert again["names"] == ["mine_big_2", "mine_small_2"], "a name that is taken gets a number"


@pytest.mark.parametrize("parts", [[], [["a", 0]], [["a", "70"]], [["a", -1], ["b", 1]], ["a"], None])
def test_sizes_that_cannot_be_are_refused(named, parts):
    named(mine=[pair("a")])
    with pytest.raises(StudioError):
        making.begin(source_of({"name": "mine"}), {"way": "split", "by": "share", "parts": parts})


def test_sets_are_merged_with_weights(named, home):
    named(mine=[pair(f"m{n}") for n in range(30)], other=[pair(f"o{n}") for n in range(10)])
    told = made("mine", "merge", sources=[["mine", 3], ["other", None]], new_name="both")
    first = [row["instruction"][0] for row in rows_of(home, told["names"][0])]
    assert (first.count("m"), first.count("o")) == (30, 10) and told["names"] == ["both"]
    with pytest.raises(StudioError, match="absent"):
        made("mine", "merge", sources=[["mine", 1], ["absent", 1]])


def test_placeholders_are_found_and_filled(named, home):
    named(mine=[pair("I am {{name}} of {{team}}"), pair("{{name}}")])
    assert making.show_names(EN, done(making.begin_names, {}))["names"] == [("name", 2), ("team", 1)]
    told = made("mine", "fill", values={"name": EVIL, "team": 7}, new_name="filled")
    assert [row["instruction"] for row in rows_of(home, "filled")] == [f"I am {EVIL} of {{{{team}}}}", EVIL]
    assert "1 rows still hold" in told["text"]


def test_an_export_is_a_file_to_take_home_and_nothing_else_is(named, home):
    named(mine=[pair("a"), pair("b")])
    told = made("mine", "export", kind="jsonl")
    assert told["names"] == [] and told["files"][0]["address"] == "../made?file=mine.jsonl"
    assert making.exported("mine.jsonl").read_text().count("\n") == 2
    (home / "cache" / "exports" / ".hidden").write_text("no")
    for name in ("", "absent.json", "../../data/mine.json", "/etc/passwd", ".hidden", "..", "a/b"):
        assert making.exported(name) is None
    with pytest.raises(StudioError, match="docx"):
        made("mine", "export", kind="docx")


@pytest.mark.parametrize("way", ["sample", "shuffle", "convert"])
def test_other_ways_make_a_set_of_the_name_asked_for(named, home, way):
    named(mine=[pair(str(number)) for number in range(6)])
    told = made("mine", way, count=4, formatting="sharegpt", new_name="new one")
    assert told["names"] == ["new one"] and len(rows_of(home, "new one")) == (4 if way == "sample" else 6)
    with pytest.raises(StudioError):
        made("mine", way, count=4, formatting="sharegpt", new_name="new one")


def test_what_is_known_of_the_sets(named):
    named(mine=[pair("a")], other=[pair("b"), pair("c")])
    found = making.known(EN, {"name": "mine"})
    assert found["rows"] == 1 and {"name": "other", "rows": 2} in found["sets"] and "parquet" in found["kinds"]
    with pytest.raises(StudioError):
        making.known(EN, {"name": "/etc/passwd"})


# ---- text-to-SQL -----------------------------------------------------------------------------------------------------


@pytest.fixture
def databases(tmp_path):
    """A folder of one database, and questions about it and about another."""
    folder = tmp_path / "databases"
    (folder / "concert").mkdir(parents=True)
    connection = sqlite3.connect(folder / "concert" / "concert.sqlite")
    connection.execute("CREATE TABLE singer (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
    connection.close()
    turns = [{"utterance": EVIL, "query": "SELECT count(*) FROM singer"}, {"utterance": "All?", "query": "SELECT name"}]
    questions = [{"db_id": "concert", "interaction": turns[:1]}, {"db_id": "concert", "interaction": turns},
                 {"db_id": "concerts", "question": "q", "query": "SELECT 1"}]  # fmt: skip
    (tmp_path / "dev.json").write_text(json.dumps(questions))
    return {"folder": str(folder), "questions": str(tmp_path / "dev.json")}


def test_a_conversation_is_shown_before_anything_is_made(databases, home):
    found = text_to_sql.preview(EN, databases | {"language": "en", "number": 2})
    assert (found["databases"], found["entries"], found["number"], found["database"]) == (1, 3, 2, "concert")
    assert [turn["role"] for turn in found["turns"]] == ["system", "user", "assistant", "user", "assistant"]
    assert "CREATE TABLE singer (\n    id INTEGER" in found["turns"][0]["text"] and found["turns"][1]["text"] == EVIL
    assert not (home / "data" / registry.INFO).exists()
    own = text_to_sql.preview(ZH, databases | {"prompt": "Tables:\n{schema}"})
    assert own["turns"][0]["text"].startswith("Tables:\nCREATE TABLE")


def test_a_set_is_made_and_what_was_left_out_is_said(databases, home):
    asked = databases | {"new_name": "sql", "check_sql": True, "skip_missing": True}
    told = text_to_sql.show(EN, done(text_to_sql.begin, asked, of_set=False))
    assert told["names"] == ["sql"] and len(rows_of(home, "sql")) == 1
    assert len(told["notes"]) == 2 and any("no such column" in note for note in told["notes"])
    half = asked | {"new_name": "half", "check_sql": False, "split": "0.5", "by": "row"}
    assert "1 rows are in no part" in text_to_sql.show(EN, done(text_to_sql.begin, half, of_set=False))["notes"][-1]
    with pytest.raises(StudioError, match="concert"):
        done(text_to_sql.begin, databases | {"new_name": "other"}, of_set=False)


@pytest.fixture
def uploaded(home):
    """A file as if a browser had brought it; gives its key."""
    keys = iter(f"{number:032x}" for number in range(99))

    def bring(name, content=b""):
        key = next(keys)
        folder = home / "cache" / "uploads" / key
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        return key

    return bring


def test_uploaded_databases_are_kept_together(databases, uploaded, home):
    base = Path(databases["folder"], "concert", "concert.sqlite").read_bytes()
    first = text_to_sql.take(EN, {"uploads": [uploaded("concert.sqlite", base)]})
    questions = Path(databases["questions"]).read_bytes()
    second = text_to_sql.take(EN, first | {"uploads": [uploaded("dev.json", questions)]})
    assert second["folder"] == first["folder"] == str(home / "data" / "databases" / "1")
    assert text_to_sql.preview(EN, second | {"number": 1})["database"] == "concert"
    other = text_to_sql.take(EN, databases | {"uploads": [uploaded("concert.sqlite", base)]})
    assert other == {"folder": str(home / "data" / "databases" / "2")}, "nothing is written beside the user's own files"
    with pytest.raises(StudioError, match="evil"):
        text_to_sql.take(EN, {"uploads": [uploaded("evil.sh"), uploaded("fine.db")]})
    assert not list((home / "cache" / "uploads").iterdir())


def test_a_zip_brings_its_questions(databases, uploaded, home):
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(Path(databases["folder"], "concert", "concert.sqlite"), "x/database/concert/concert.sqlite")
        archive.write(databases["questions"], "x/dev.json")
        archive.writestr("x/tables.json", "[]")
    both = text_to_sql.take(EN, {"uploads": [uploaded("x.zip", zipped.getvalue())]})
    assert both["questions"] == str(Path(both["folder"], "x", "x", "dev.json"))
    assert text_to_sql.preview(EN, both)["database"] == "concert"
    with pytest.raises(StudioError, match="cannot be read"):
        text_to_sql.take(EN, {"uploads": [uploaded("x.zip", zipped.getvalue()[:-30])]})
    assert len(list((home / "data" / "databases").iterdir())) == 1, "nothing is left of it"


@pytest.mark.parametrize("missing", ["folder", "questions"])
def test_a_path_that_is_not_given_is_asked_for(databases, missing):
    with pytest.raises(StudioError, match="Name the"):
        text_to_sql.preview(EN, databases | {missing: " "})
