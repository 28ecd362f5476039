"""A folder of predictions scored: files, keys, what others measured, databases, other folders' predictions."""

import json
import math
import sqlite3
from contextlib import closing

import pytest
from scoring.writing import predicted, write_lines

from studio.errors import StudioError
from studio.scoring import predictions, scored
from studio.scoring.scored import Wanted


def read(file):
    return json.loads(file.read_text("utf-8"))


def scores(folder):
    return predictions.scores_of(predictions.read(folder))


def test_scores_and_results_of_a_folder(tmp_path, home):
    predicted(tmp_path, ["the cat sat on the mat", "no", "?"], ["the cat is on the mat", "no", None])
    (tmp_path / "train_results.json").write_text('{"train_loss": 0.5}')
    seen = []
    found = scored.score_folder(tmp_path, facts={"predict_runtime": 1.5}, progress=lambda *done: seen.append(done))
    assert seen[-1] == (3, 3)
    rows = scores(tmp_path)
    assert rows[0]["rouge-1"] == 80 and rows[0]["bleu-4"] == 78.392 and rows[1]["exact_match"] == 100 and rows[2] == {}
    assert found == read(tmp_path / "predict_results.json")
    assert found["predict_rouge-1"] == 90 and found["predict_exact_match"] == 50 and found["predict_runtime"] == 1.5
    assert (found["predict_num_rows"], found["predict_num_scored"]) == (3, 2)
    assert found["predict_left_out"] == {"json": "not_json", "sql": "no_databases"}
    assert read(tmp_path / "all_results.json") == found | {"train_loss": 0.5}


def test_rows_without_labels_are_said_to_be_so(tmp_path, home):
    predicted(tmp_path, ["a", "b"], [None, None])
    found = scored.score_folder(tmp_path)
    assert found["predict_num_scored"] == 0 and found["predict_left_out"]["bleu_rouge"] == "no_labels"
    assert not any(key in found for key in ("predict_bleu-4", "predict_exact_match"))


def test_blank_answers_and_labels_and_none_at_all(tmp_path, home):
    predicted(tmp_path / "blank", ["", "x", ""], ["y", "", ""])
    found = scored.score_folder(tmp_path / "blank")
    assert found["predict_bleu-4"] == 0 and found["predict_exact_match"] == pytest.approx(100 / 3)
    write_lines(tmp_path / "none" / predictions.PREDICTIONS, [])
    assert scored.score_folder(tmp_path / "none")["predict_num_rows"] == 0
    with pytest.raises(StudioError):
        scored.score_folder(tmp_path / "nowhere")


def test_broken_lines_are_counted(tmp_path, home):
    file = predicted(tmp_path, ["a"], ["a"]) / predictions.PREDICTIONS
    file.write_text("oops\n" + file.read_text())
    found = scored.score_folder(tmp_path, Wanted(["exact_match"]))
    assert found["predict_num_broken"] == 1 and found["predict_exact_match"] == 100
    assert scores(tmp_path) == [{}, {"exact_match": 100}]


def test_what_others_measured_is_kept(tmp_path, home):
    predicted(tmp_path, ["a", "b"], ["a", "a"])
    scored.add_scores(tmp_path, {0: {"nll": 2.0, "num_label_tokens": 2}, 1: {"judge": 8, "judge_reason": "好"}})
    scored.score_folder(tmp_path, Wanted(["exact_match", "f1"]))
    found = scored.score_folder(tmp_path, Wanted(["exact_match"]))
    assert found["predict_perplexity"] == pytest.approx(math.e, abs=1e-4) and found["predict_judge"] == 8
    rows = scores(tmp_path)
    assert rows[1] == {"judge": 8, "judge_reason": "好", "exact_match": 0} and "f1" not in rows[0]
    assert found["predict_left_out"]["f1"] == "not_asked"


def test_several_system_messages_are_scored_apart(tmp_path, home):
    rows = [{"prompt": "p", "predict": answer, "label": "a", "row": 1, "dataset": "d", "system": system}
            for system, answer in enumerate(["a", "b"])]
    write_lines(tmp_path / predictions.PREDICTIONS, rows)
    found = scored.score_folder(tmp_path, Wanted(["exact_match"]))["by_system"]
    assert [(part["system"], part["predict_exact_match"]) for part in found] == [(0, 100), (1, 0)]


def test_sql_is_run(tmp_path, home):
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        connection.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)")
    folder = tmp_path / "run"
    predicted(folder, ["SELECT max(a) FROM t;", "SELECT 1"], ["SELECT 2", "SELECT a FROM t"],
              others={"db_id": "shop"})
    found = scored.score_folder(folder, Wanted(["sql"], str(tmp_path)))
    assert found["predict_sql"] == 50 and "sql" not in found["predict_left_out"]
    assert read(folder / "sql_predictions.json")[0][0]["query"] == "SELECT max(a) FROM t"
    predicted(folder, ["SELECT 1"], ["SELECT 1"])
    found = scored.score_folder(folder, Wanted((), str(tmp_path)))
    assert found["predict_left_out"]["sql"] == "no_sql_scored" and found["predict_exact_match"] == 100
    assert "predict_sql" not in found  # what an earlier scoring found is not left standing
    with pytest.raises(StudioError):
        scored.score_folder(folder, Wanted((), str(tmp_path / "nowhere")))


def test_predictions_of_another_folder(tmp_path, home):
    source = predicted(tmp_path / "theirs", ["a"], ["a"])
    scored.add_scores(source, {0: {"nll": 1.0, "num_label_tokens": 1, "f1": 3}})
    folder = tmp_path / "ours"
    folder.mkdir()
    assert scored.adopt(source, folder) == 1
    assert scores(folder) == [{"nll": 1.0, "num_label_tokens": 1}]
    assert predictions.read(folder).line(0)["predict"] == "a"
    (tmp_path / "none.jsonl").touch()
    with pytest.raises(StudioError) as caught:
        scored.adopt(tmp_path / "none.jsonl", folder)
    assert caught.value.key == "predictions_empty" and predictions.read(folder).num_rows == 1


def test_a_folder_that_adopts_itself_is_left_as_it_is(tmp_path, home):
    file = predicted(tmp_path, ["a", "b"], ["a", "b"]) / predictions.PREDICTIONS
    scored.add_scores(tmp_path, {0: {"nll": 1.0, "judge": 8}})
    before = file.read_bytes()
    assert scored.adopt(tmp_path, tmp_path) == scored.adopt(file, tmp_path) == 2
    assert file.read_bytes() == before and scores(tmp_path) == [{"nll": 1.0, "judge": 8}, {}]
