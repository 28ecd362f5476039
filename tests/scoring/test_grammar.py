"""Answers split into fields by a grammar, and what is wrong with a grammar."""

import json

import pytest
from scoring.writing import predicted

from studio.errors import StudioError
from studio.scoring import grammar

ROBOT = "走到厨房；打开冰箱；拿出牛奶。移动，机器人，厨房；打开，冰箱，厨房；抓取，牛奶，冰箱"


def test_the_form_of_the_home_robot_team():
    found = grammar.split(grammar.load("actions"), ROBOT)
    assert found == {
        "output_1": ["走到厨房", "打开冰箱", "拿出牛奶"],
        "output_2": ["移动，机器人，厨房", "打开，冰箱，厨房", "抓取，牛奶，冰箱"],
    }


@pytest.mark.parametrize("text, first, second, rest", [
    (ROBOT + "。", 3, 3, {}), (" 走 ； 停 。 移，人，房 ；", 2, 1, {}), ("走;停。移，人，房", 2, 1, {}),
    ("走；停", 2, 0, {"missing": ["output_2"]}), ("", 0, 0, {"missing": ["output_1", "output_2"]}),
    ("。移，人，房", 0, 1, {"missing": ["output_1"]}), ("走。移，人，房。别的。", 1, 1, {"extra": ["别的"]}),
])  # fmt: skip
def test_what_models_make_of_it(text, first, second, rest):
    found = grammar.split(grammar.load("actions"), text)
    assert (len(found.pop("output_1")), len(found.pop("output_2"))) == (first, second)
    assert found == rest


def test_texts_lists_and_lists_of_objects():
    rules = grammar.parse("""
split: "|"
widths: either
fields:
  - title
  - name: steps
    split: ";"
    inner: ","
    fields: [verb, {name: place, required: false}]
  - {name: note, required: false}
""")
    assert grammar.split(rules, "Tea ｜ boil, kitchen； pour") == {
        "title": "Tea", "steps": [{"verb": "boil", "place": "kitchen"}, {"verb": "pour", "place": ""}], "note": ""}
    assert grammar.split(rules, "Tea | boil, pot, 5 min")["steps"] == [
        {"verb": "boil", "place": "pot", "extra": ["5 min"]}]
    kept = grammar.parse("{trim: false, split: '|', fields: [a, b]}")
    assert grammar.split(kept, " x | y ") == {"a": " x ", "b": " y "}
    assert grammar.split(grammar.parse("fields: [all]"), "one; two") == {"all": "one; two"}


@pytest.mark.parametrize("text, where, why", [
    ("split: [", "line 1", ""), ("just words", "–", "mapping"), ("split: ';'", "fields", "list of fields"),
    ("fields: []", "fields", "list"), ("fields: [a, a]", "fields", "twice"), ("fields: [a]\nsplits: x", "–", "splits"),
    ("fields: [{name: a, split: 3}]", "fields[1].split", "separator"), ("fields: [{split: x}]", "fields[1]", "name"),
    ("fields: [{name: a, fields: [b]}]", "fields[1]", "inner"), ("fields: [missing]", "fields[1]", "missing"),
    ("fields: [a]\nwidths: both", "widths", "either"), ("fields: [a]\nsplit: ''", "split", "separator"),
    ("fields: [question]", "fields", "`question`"), ("fields: [a, others]", "fields", "`others`"),
    ("fields: [a, label]", "fields", "`label`"), ("fields: [x, {name: predict, split: ';'}]", "fields", "`predict`"),
    ("fields: &a [{name: x, split: ',', inner: ';', fields: *a}]", "–", "without end"), ("[" * 600, "–", "without end"),
    ("fields: [{name: a, required: maybe}]", "fields[1]", "required"), ("fields: [a]\ntrim: 1", "trim", "true"),
])  # fmt: skip
def test_a_wrong_grammar_says_where(text, where, why):
    with pytest.raises(StudioError) as caught:
        grammar.parse(text)
    assert caught.value.key == "grammar_wrong" and caught.value.values["where"].startswith(where)
    assert why in str(caught.value)


def test_by_name_by_path_or_written_out(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("fields: [a]")
    assert grammar.load(str(file)) == grammar.load("fields: [a]") == grammar.parse("fields: [a]")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudioError, match=r"mine\.yaml"):
        grammar.load(str(file))
    for wrong in ("n" * 5000, "", "nowhere"):
        with pytest.raises(StudioError) as caught:
            grammar.load(wrong)
    assert caught.value.key == "grammar_missing" and "actions" in str(caught.value)


def test_all_predictions_of_a_folder(tmp_path):
    predicted(tmp_path, [ROBOT, ""], ["x", None], others={"scene": "kitchen"})
    written = grammar.postprocess(tmp_path, grammar.load("actions"))
    file, rows = written.path, json.loads(written.path.read_text("utf-8"))
    assert (written.count, written.odd) == (2, 1)
    assert file.name == "predict_postprocessed.json" and len(rows) == 2
    assert rows[0]["output_2"][0] == "移动，机器人，厨房" and rows[0]["scene"] == "kitchen"
    assert rows[0]["predict"] == ROBOT and rows[0]["label"] == "x"
    assert rows[1]["missing"] == ["output_1", "output_2"] and "移动，机器人" in file.read_text("utf-8")


def test_a_column_whose_name_is_a_fields_is_not_lost(tmp_path):
    predicted(tmp_path, [ROBOT], ["x"], others={"output_1": "gold", "scene": "kitchen"})
    [row] = json.loads(grammar.postprocess(tmp_path, grammar.load("actions")).path.read_text("utf-8"))
    assert row["others"] == {"output_1": "gold"} and row["scene"] == "kitchen" and len(row["output_1"]) == 3
