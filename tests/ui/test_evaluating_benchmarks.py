"""Benchmarks on the page: figures side by side, and the questions with what was answered."""

import json

import scored

from studio.text import catalogue
from studio.ui.parts import evaluating_benchmarks as benchmarks

EN = catalogue("en")
EVIL = "<img src=x onerror=alert(1)> & {x}"


def of(*names):
    return {"runs": list(names)}


def test_benchmarks_stand_side_by_side_with_their_questions(home):
    saves = home / "saves"
    for name, right in (("a", 5), ("b", 3)):
        questions = [(f"{EVIL} {n}", "A" if n < right else "B", "A") for n in range(8)]
        folder = scored.folder_of(saves, f"toy/evaluate/{name}", task="mini", dataset=[])
        scored.benchmark(folder, {"Average": 100 * right / 8, "STEM": 10.0}, questions)
    found = benchmarks.figures(EN, of("toy/evaluate/a", "toy/evaluate/b", "toy/evaluate/none"))
    lines = {row["label"]: (row["values"], row["best"]) for row in found["rows"]}
    assert lines["Average"] == (["62.50", "37.50"], 0) and lines["STEM"][1] == -1 and "mini · acc" in lines
    wrong = benchmarks.questions(EN, {"run": "toy/evaluate/a", "only": "wrong", "limit": 2, "offset": 1})
    assert wrong["matched"] == 3 and [row["index"] for row in wrong["rows"]] == ["6", "7"]
    assert wrong["rows"][0]["prompt"] == f"{EVIL} 6" and wrong["tasks"] == ["mini"]


def test_an_unpublished_answer_is_neither_right_nor_wrong_and_the_least_perplexity_is_best(home):
    for name, value in (("a", 10.0), ("b", 20.0)):
        folder = scored.folder_of(home / "saves", f"toy/evaluate/{name}", task="wikitext", dataset=[])
        scored.benchmark(folder, {"Average": value}, [("q", "A", "A"), ("r", "A", "B"), ("s", "A", None)])
        metrics = {"word_perplexity": value, "ter (first)": value, "winter": value}
        (folder / "benchmark_results.json").write_text(json.dumps({"tasks": {"wikitext": metrics}}))
    found = benchmarks.figures(EN, of("toy/evaluate/a", "toy/evaluate/b"))["rows"]
    assert [row["best"] for row in found] == [0, 0, 1]
    told = {only: [row["correct"] for row in benchmarks.questions(EN, {"run": "toy/evaluate/a", "only": only})["rows"]]
            for only in ("right", "wrong", "")}  # fmt: skip
    assert told == {"right": [True], "wrong": [False], "": [True, False, None]}
