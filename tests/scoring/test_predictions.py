"""Reading predictions: pages, order by score, search, broken and growing files, other programs' forms."""

import json
import time

import pytest
from scoring.writing import predicted, write_lines

from studio.errors import StudioError
from studio.scoring import predictions, scored


def test_pages_in_order_with_scores(tmp_path):
    predicted(tmp_path, [f"answer {n}" for n in range(7)], [f"label {n}" for n in range(7)])
    predictions.write_scores(tmp_path, [{"f1": 10.0 * n, "exact_match": 0} for n in range(7)])
    (tmp_path / "all_results.json").write_text('{"predict_f1": 30}')
    found = predictions.read(tmp_path)
    assert (found.num_rows, found.name, found.figures) == (7, tmp_path.name, {"predict_f1": 30})
    page = found.rows(5, 50)
    assert page.num_found == 7 and [line["predict"] for line in page.lines] == ["answer 5", "answer 6"]
    assert page.lines[0]["scores"] == {"f1": 50.0, "exact_match": 0} and page.lines[0]["place"] == 5
    assert found.rows(7).lines == [] and found.rows(-3, 1).lines[0]["place"] == 0


def test_worst_first_and_rows_without_a_score_last(tmp_path):
    predicted(tmp_path, list("abcd"), ["x"] * 4)
    predictions.write_scores(tmp_path, [{"f1": 50}, {}, {"f1": 0}, {"f1": 100}])
    found = predictions.read(tmp_path)

    def order(ascending):
        return [line["place"] for line in found.rows(sort=("f1", ascending)).lines]

    assert order(True) == [2, 0, 3, 1] and order(False) == [3, 0, 2, 1]
    assert [line["place"] for line in found.rows(sort=("unknown", True)).lines] == [0, 1, 2, 3]


def test_search_in_any_text_and_any_case(tmp_path):
    predicted(tmp_path, ["Paris", "Rome", "巴黎"], ["paris", "x", None])
    found = predictions.read(tmp_path)
    assert [line["place"] for line in found.rows(search="PARIS").lines] == [0]
    assert found.rows(search="巴黎").num_found == 1 and found.rows(search="nowhere").lines == []
    assert found.rows(0, 1, search="<user>").num_found == 3


def test_a_file_that_grows_and_its_torn_line(tmp_path):
    file = predicted(tmp_path, ["one"], ["x"]) / predictions.PREDICTIONS
    assert predictions.read(tmp_path).num_rows == 1
    with open(file, "a") as stream:
        stream.write('{"prompt": "p", "predict": "two", "la')
    assert predictions.read(tmp_path).num_rows == 1
    with open(file, "a") as stream:
        stream.write('bel": "y"}')
    assert predictions.read(tmp_path).rows().lines[1]["predict"] == "two"


def test_broken_lines_keep_their_place(tmp_path):
    file = tmp_path / predictions.PREDICTIONS
    file.write_bytes(b'{"prompt": "p", "predict": "a", "label": "x"}\n\xff\xfe not json\n[1]\n{"predict": null}\n')
    lines = predictions.read(tmp_path).rows().lines
    assert [line.get("broken", False) for line in lines] == [False, True, True, False]
    assert lines[3]["predict"] == "" and lines[3]["label"] is None


def test_what_holds_no_predictions(tmp_path):
    for wrong in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(StudioError) as caught:
            predictions.read(wrong)
        assert caught.value.key == "predictions_missing"
    write_lines(tmp_path / predictions.PREDICTIONS, [{"chosen": 1.0, "rejected": 0.5}])
    with pytest.raises(StudioError) as caught:
        predictions.read(tmp_path)
    assert caught.value.key == "predictions_shape" and "chosen" in str(caught.value)


def test_an_empty_file_is_no_error(tmp_path):
    write_lines(tmp_path / predictions.PREDICTIONS, [])
    assert predictions.read(tmp_path).rows().num_found == 0


def test_a_list_and_a_file_of_the_terminal(tmp_path, home):
    rows = [{"index": 0, "prompt": [{"role": "user", "content": "Hi"}], "predict": "Hello", "label": None}]
    listed = tmp_path / "answers.json"
    listed.write_text(json.dumps(rows))
    found = predictions.read(listed)
    assert found.name == "answers" and found.rows().lines[0]["prompt"] == "user: Hi"
    assert predictions.read(write_lines(tmp_path / "answers.jsonl", rows)).pairs() == [("Hello", None)]
    listed.write_text('{"predict": 1}')
    with pytest.raises(StudioError) as caught:
        predictions.read(listed)
    assert caught.value.key == "predictions_shape"


def test_many_rows_are_no_burden(tmp_path):
    line = json.dumps({"prompt": "p" * 100, "predict": "x", "label": "y"}) + "\n"
    (tmp_path / predictions.PREDICTIONS).write_text(line * 30_000)
    write_lines(tmp_path / predictions.SCORES, [{"f1": number % 7} for number in range(30_000)])
    began_s = time.process_time()
    for page in range(50):
        found = predictions.read(tmp_path)
        assert found.rows(page * 500, 2).lines[1]["place"] == page * 500 + 1
        assert found.rows(0, 1, sort=("f1", False)).lines[0]["place"] == 6
    assert time.process_time() - began_s < 8


def test_half_a_character_is_no_end(tmp_path, home):
    (tmp_path / predictions.PREDICTIONS).write_text('{"predict": "\\ud83d and \\ud83d\\ude42", "label": "\\uDE42"}\n')
    line = predictions.read(tmp_path).line(0)
    assert line["predict"] == "? and 🙂" and line["label"] == "?"
    assert scored.score_folder(tmp_path, scored.Wanted(["f1"]))["predict_num_scored"] == 1
    listed = tmp_path / "answers.json"
    listed.write_text('[{"prompt": "p", "predict": "\\ud83d", "label": "x"}]')
    assert predictions.read(listed).pairs() == [("?", "x")]
    listed.write_text("[" * 100_000)
    with pytest.raises(StudioError) as caught:
        predictions.read(listed)
    assert caught.value.key == "predictions_unreadable"


def test_where_another_file_holds_the_same_row(tmp_path):
    """By its number, wherever it stands; of files without numbers the same line; one of several is nobody's."""
    lines = [{"predict": "x", "label": "l", "row": row, "question": str(row)} for row in (1, 2, 3, 4, 4)]
    own, other, bare = (tmp_path / name for name in ("own", "other", "bare"))
    write_lines(own / "generated_predictions.jsonl", lines)
    write_lines(other / "generated_predictions.jsonl", [lines[2], lines[3], lines[0], lines[3]])
    write_lines(bare / "generated_predictions.jsonl", [{"predict": "y", "label": label} for label in ("l", "m", "l")])
    found = predictions.read(own)
    assert found.places_in(predictions.read(other)).tolist() == [2, -1, 0, 3, -1]
    assert found.places_in(predictions.read(bare)).tolist() == [0, -1, 2, -1, -1]
    (bare / "generated_predictions.jsonl").write_text("")
    assert found.places_in(predictions.read(bare)).tolist() == [-1] * 5
