"""What came of evaluations: the list, the report against the base, answers by row, fields."""

import json
import os
import time
from pathlib import Path

import pytest
import scored
from acting import key_of

from studio import runs
from studio.text import catalogue
from studio.ui import errands
from studio.ui.parts import evaluating_fields as fields
from studio.ui.parts import evaluating_report as report
from studio.ui.parts import evaluating_rows as rows
from studio.ui.parts import evaluating_runs as listed

EN, ZH = catalogue("en"), catalogue("zh")
EVIL = "<img src=x onerror=alert(1)> & {x}"
LABELS = [f"the answer to question {number} is right here" for number in range(40)]
PROMPT = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nQuestion {}?<|im_end|>\n<|im_start|>assistant\n"
TUNED, BASE = "toy/evaluate/tuned", "toy/evaluate/base"


def answered(saves, run_id, wrong, **asked):
    """A run that has answered; `wrong`: the rows it missed."""
    folder = scored.folder_of(saves, run_id, **asked)
    lines = [(PROMPT.format(n), "no idea" if n in wrong else label, label) for n, label in enumerate(LABELS)]
    scored.predictions(folder, lines)
    return folder


@pytest.fixture
def two(home):
    """A tuned model and its base on the same rows: the base misses 30, the tuned one 4, of which the base has one."""
    saves = home / "saves"
    answered(saves, BASE, range(3, 33))
    answered(saves, TUNED, {0, 5, 6, 7}, adapter_name_or_path=["toy/lora/nova"])
    return saves


def of(*names, **more):
    return {"runs": list(names)} | more


def wait_report(asked):
    """The report's end."""
    for _ in range(200):
        found = report.report(EN, asked)
        if found["state"] not in errands.AT_WORK:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not end")


# ---- the list --------------------------------------------------------------------------------------------------------


def test_runs_are_told_with_their_figures_and_the_base_of_the_same_rows(two):
    scored.folder_of(two, "toy/evaluate/other-rows", dataset=["alpaca_en_demo"], adapter_name_or_path=["toy/lora/nova"])
    found = {row["id"]: row for row in listed.listing(EN, {})["rows"]}
    assert found[TUNED]["base"] == BASE and found[BASE]["base"] == "" and not found["toy/evaluate/other-rows"]["base"]
    assert "Exact match 90.00" in found[TUNED]["figures"] and "nova" in found[TUNED]["about"]
    assert found[TUNED]["has_results"] and not found["toy/evaluate/other-rows"]["has_results"]
    again = listed.listing(EN, {"search": "ALPACA"})
    assert [row["id"] for row in again["rows"]] == ["toy/evaluate/other-rows"]
    assert listed.listing(EN, {"search": "ALPACA", "token": again["token"]}) is None


def test_the_base_beside_a_run_was_asked_the_rows_which_that_held_back(home):
    for name, adapters in (("a", ["toy/lora/a"]), ("a-base", []), ("b", ["toy/lora/b"]), ("b-base", [])):
        rows = {"val_size": 0.1, "held_back_of": f"/saves/{name[0]}"}
        answered(home / "saves", f"toy/evaluate/{name}", {0}, adapter_name_or_path=adapters, **rows)
    found = {row["id"][-1]: row["base"] for row in listed.listing(EN, {})["rows"] if row["base"]}
    assert found == {name: f"toy/evaluate/{name}-base" for name in "ab"}


def test_a_training_that_predicted_and_a_folder_of_llama_factory_stand_there_too(home):
    folder = home / "saves" / "Qwen" / "lora" / "eval_1"
    folder.mkdir(parents=True)
    (folder / "training_args.yaml").write_text("model_name_or_path: Qwen/Q\neval_dataset: mine\nstage: sft\n")
    (folder / "generated_predictions.jsonl").write_text('{"prompt": "p", "predict": "a", "label": "b"}\n')
    for name in ("predict_results.json", "all_results.json"):
        (folder / name).write_text('{"predict_bleu-4": 12.3}')
    [row] = listed.listing(EN, {})["rows"]
    assert row["id"] == "Qwen/lora/eval_1" and row["figures"] == ["BLEU-4 12.30"] and "mine" in row["about"]
    assert row["can"] == [] and rows.table(EN, of(row["id"]))["rows"][0]["label"] == "b"


def test_only_what_makes_sense_is_done_to_evaluations(two, monkeypatch):
    scored.folder_of(two, "toy/evaluate/halted", state="stopped")
    resumed = []
    monkeypatch.setattr(runs, "resume", resumed.append)
    listed.act(EN, {"run": "toy/evaluate/halted", "action": "resume"})
    assert [run.id for run in resumed] == ["toy/evaluate/halted"]
    assert key_of(listed.act, EN, {"run": "toy/evaluate/halted", "action": "delete"}) == "tool_unknown"
    assert key_of(listed.act, EN, {"run": "../../etc", "action": "resume"}).startswith("run_")


# ---- the report ------------------------------------------------------------------------------------------------------


def test_the_report_says_whether_it_helped_with_an_interval_and_wins_by_row(two):
    found = wait_report(of(TUNED, BASE, base=BASE))
    [base, tuned] = found["result"]["columns"]
    assert (base["name"], base["is_base"], tuned["name"], tuned["is_base"]) == ("starter", True, "nova", False)
    [section] = found["result"]["sections"]
    exact = next(row for row in section["rows"] if row["label"] == "Exact match")["values"]
    assert (exact[0]["text"], exact[1]["text"], exact[1]["is_best"]) == ("25.00", "90.00", True)
    assert exact[1]["change"] == "+65.00" and exact[1]["low"] > 0 and exact[1]["tone"] == "better"
    assert exact[1]["duel"].startswith("27 better, 1 worse, 12 same")
    assert found["result"]["verdicts"][0]["tone"] == "better"
    assert report.report(EN, of(TUNED, BASE, base=BASE, token=found["token"])) is None
    (two / TUNED / "scores.jsonl").write_text("")
    assert report.report(EN, of(TUNED, BASE, base=BASE, token=found["token"])) is not None


def test_the_report_without_answers_and_with_one_run_alone_says_so(two):
    scored.folder_of(two, "toy/evaluate/waits", state="queued")
    found = report.report(EN, of("toy/evaluate/waits", "toy/evaluate/gone"))
    assert not found["has_results"] and found["state"] == "done" and len(found["chosen"]) == 1
    alone = wait_report(of(TUNED))["result"]
    assert alone["verdicts"] == [{"text": EN("scoring.report.one_alone"), "tone": "unclear"}]
    assert not any("change" in value for row in alone["sections"][0]["rows"] for value in row["values"])


def test_system_messages_stand_side_by_side_and_what_was_left_out_is_told(two):
    folder = answered(two, "toy/evaluate/messages", {0}, system_prompts=["Be brief.", ""])
    figures = {"by_system": [{"system": 0, "predict_f1": 10.0}, {"system": 1, "predict_f1": 20.0}],
               "predict_judge_wins": 5, "predict_judge_losses": 2, "predict_judge_ties": 33,
               "predict_left_out": {"bleu_rouge": "no_labels", "f1": "no_labels", "sql": "no_databases"}}  # fmt: skip
    (folder / "predict_results.json").write_text(json.dumps(figures))
    found = wait_report(of("toy/evaluate/messages"))["result"]
    table = found["sections"][-1]
    assert [row["label"] for row in table["rows"]] == ["F1 of words"]
    best = [value["is_best"] for value in table["rows"][0]["values"]]
    assert table["heads"] == ["Be brief.", "(none)"] and best == [False, True]
    assert report.system_head(EN, 0, ()) == "system message 1"  # predictions that were taken over
    judged, note = found["notes"]
    assert "5 won, 2 lost, 33 tied" in judged
    assert "bleu_rouge, F1 of words" in note and "labels" in note


def test_the_report_is_a_file_in_the_language_of_the_page(two):
    page = report.save(ZH, of(TUNED, BASE, base=BASE, form="html"))
    assert page["name"] == "base-report.html" and ZH("scoring.report.title") in page["text"]
    plain = report.save(EN, of(TUNED, BASE, form="markdown"))
    assert plain["name"].endswith(".md") and plain["text"].startswith("# ")


def test_a_growing_run_is_compared_now_and_then_and_one_small_report_of_it_is_kept(two, monkeypatch):
    monkeypatch.setattr(errands, "_errands", {})
    looks, compare = [], report.compared
    monkeypatch.setattr(report, "compared", lambda *asked: looks.append(asked) or compare(*asked))
    asked = of(TUNED, BASE, base=BASE)
    first, lines = wait_report(asked)["result"], (two / TUNED / "scores.jsonl").read_text().splitlines(keepends=True)
    for kept in (30, 20, 10):
        (two / TUNED / "scores.jsonl").write_text("".join(lines[:kept]))
        again = report.report(EN, asked)
        assert again["state"] == "waiting" and again["result"] == first, "what was seen stands until there is news"
    assert len(looks) == 1
    monkeypatch.setattr(report, "PAUSE_S", 0.0)
    assert report.report(EN, asked)["state"] in errands.AT_WORK
    assert wait_report(asked)["result"] != first
    assert len(looks) == 2 and len(errands._errands) == 1
    assert wait_report(asked)["result"] == report.report(EN, asked)["result"] != report.report(ZH, asked)["result"]


def test_answers_are_read_while_they_come_and_compared_when_all_are_there(two):
    """Without scores there is nothing to compare; the base beside it is told as before."""
    folder = scored.folder_of(two, "toy/evaluate/at-work", state="running")
    lock = scored.answering(folder, "first")
    stamp = {row["id"]: row["stamp"] for row in listed.listing(EN, {})["rows"]}["toy/evaluate/at-work"]
    found = report.report(EN, of("toy/evaluate/at-work"))
    assert found["answering"] and not found["has_results"] and found["state"] == "done"
    scored.add(folder, "second")
    again = {row["id"]: row for row in listed.listing(EN, {})["rows"]}["toy/evaluate/at-work"]
    assert again["stamp"] != stamp and again["ends_at"] and "of 30" in again["phase"]
    table = rows.table(EN, of("toy/evaluate/at-work"))
    assert [row["cells"][0]["text"] for row in table["rows"]] == ["first", "second"] and table["order"] == "file"
    beside = wait_report(of("toy/evaluate/at-work", BASE))
    assert beside["answering"] and [one["name"] for one in beside["result"]["columns"]] == ["starter"]
    os.close(lock)  # cut off, there is no more to compare
    assert not report.report(EN, of("toy/evaluate/at-work"))["has_results"]


def test_answers_that_were_there_are_told_by_where_they_are_from(home):
    scored.folder_of(home / "saves", "predictions/evaluate/one", dataset=[], predictions_from="toy/evaluate/x")
    assert "toy/evaluate/x" in listed.listing(EN, {})["rows"][0]["about"]


# ---- answers ---------------------------------------------------------------------------------------------------------


def numbers(found):
    return [row["number"] for row in found["rows"]]


def test_rows_are_sorted_by_worst_by_what_was_lost_and_by_what_was_won(two):
    asked = of(TUNED, BASE, metric="exact_match", limit=5)
    worst = rows.table(EN, asked)
    assert numbers(worst) == ["1", "6", "7", "8", "2"] and worst["matched"] == 40
    assert worst["columns"] == [TUNED, BASE] and worst["rows"][0]["cells"][1]["score"] == "100.0"
    assert worst["rows"][0]["prompt"] == "Question 0?"
    lost = rows.table(EN, asked | {"order": "lost"})
    assert numbers(lost) == ["1"] and lost["matched"] == 1
    won = rows.table(EN, asked | {"order": "won", "offset": 25})
    assert won["matched"] == 27 and numbers(won) == ["32", "33"]
    other = rows.table(EN, asked | {"of": BASE, "order": "file", "search": "QUESTION 3"})
    assert other["columns"] == [BASE, TUNED] and numbers(other) == ["4", "31", "32", "33", "34"]


def test_a_search_finds_what_stands_in_the_file_now(two):
    asked = of(TUNED, search="no idea")
    assert rows.table(EN, asked)["matched"] == 4
    file = two / TUNED / "generated_predictions.jsonl"
    file.write_text(file.read_text().replace("no idea", "perhaps"))
    assert rows.table(EN, asked)["matched"] == 0 and rows.table(EN, of(TUNED, search="PERHAPS"))["matched"] == 4


def test_rows_of_several_sets_say_which_they_are_of_and_are_found_by_it(home):
    lines, sets = [("p", "a", "a"), ("p", "b", "c"), ("p", "d", "d")], ["maths", "poems", "maths"]
    scored.predictions(scored.folder_of(home / "saves", TUNED, dataset=["maths", "poems"]), lines, sets)
    assert [row["set"] for row in rows.table(EN, of(TUNED, order="file"))["rows"]] == sets
    assert numbers(rows.table(EN, of(TUNED, search="Poem"))) == ["2"]
    scored.predictions(scored.folder_of(home / "saves", BASE), lines)
    assert {row["set"] for row in rows.table(EN, of(BASE))["rows"]} == {""}


def test_what_was_lost_is_told_of_the_same_rows_alone(two):
    folder = scored.folder_of(two, "toy/evaluate/elsewhere")
    scored.predictions(folder, [("p", label, label) for label in LABELS], ["other"] * len(LABELS))
    asked = of(TUNED, "toy/evaluate/elsewhere", metric="exact_match", order="lost")
    assert rows.table(EN, asked)["matched"] == 0


def test_a_row_that_one_run_left_out_parts_no_others(two):
    """As a model with a shorter context does; and with the sets in another order."""
    for name in ("generated_predictions.jsonl", "scores.jsonl"):
        lines = (two / BASE / name).read_text().splitlines(keepends=True)
        (two / BASE / name).write_text("".join([*lines[20:], *lines[2:20]]))
    asked = of(TUNED, BASE, metric="exact_match", base=BASE)
    won, lost = (rows.table(EN, asked | {"order": order, "limit": 50}) for order in ("won", "lost"))
    assert (won["matched"], lost["matched"]) == (27, 0) and numbers(won)[0] == "4"
    assert all(row["cells"][1]["text"] == "no idea" for row in won["rows"])
    first = rows.table(EN, asked | {"order": "file", "limit": 3})["rows"]
    assert [row["cells"][1] is None for row in first] == [True, True, False]
    assert [one["text"] for one in rows.row(EN, asked | {"line": 2})["answers"]] == [LABELS[2], LABELS[2]]


def test_a_row_shows_where_answer_and_label_differ(two):
    found = rows.row(EN, of(TUNED, BASE, line=0))
    assert found["label"] == LABELS[0] and found["prompt"].startswith("<|im_start|>") and "row 1" in found["about"]
    first, second = found["answers"]
    assert (first["text"], second["marks"], first["marks"]) == ("no idea", [], [(0, 2), (3, 7)])
    assert found["lacking"] == [(0, 3), (4, len(LABELS[0]))]  # the gap between words is in both
    assert {"label": "Exact match", "text": "0.0"} in first["scores"]
    assert json.loads(found["others"]) == {"id": "q1"}
    assert key_of(rows.row, EN, of(TUNED, line=99)) == "evaluate_row_gone"
    assert key_of(rows.row, EN, of("toy/evaluate/none", line=0)) == "evaluate_none_chosen"


def test_a_run_about_other_rows_is_not_put_beside_and_rows_without_labels_are_shown(two):
    folder = scored.folder_of(two, "toy/evaluate/unlabelled")
    scored.predictions(folder, [(EVIL, EVIL, None)] * 3)
    found = rows.table(EN, of("toy/evaluate/unlabelled", BASE))
    assert found["orders"] == ["file"] and found["metrics"] == [] and found["rows"][0]["cells"][1] is None
    assert found["rows"][0]["label"] is None and found["rows"][0]["prompt"] == EVIL
    whole = rows.row(EN, of("toy/evaluate/unlabelled", line=1))
    assert whole["answers"][0]["text"] == EVIL and whole["answers"][0]["marks"] == []


@pytest.mark.parametrize(("prompt", "said"), [
    (PROMPT.format(7), "Question 7?"),
    ("<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "Hi"),
    ("<s>[INST] What? [/INST]", "What?"),
    ("<start_of_turn>user\nmodel railways<end_of_turn>\n<start_of_turn>model\n", "model railways"),
    ("plain: text\nuser: hi", "plain: text\nuser: hi"),
    ("", ""),
])  # fmt: skip
def test_what_was_said_last_is_taken_out_of_a_template(prompt, said):
    assert rows.spoken(prompt) == said


# ---- fields ----------------------------------------------------------------------------------------------------------


def test_a_grammar_is_tried_and_written(two):
    grammar = fields.shipped(EN, {})["grammars"][0][1]
    asked = {"grammar": grammar, "text": "打开；关上。打开，灯，房间；关上，门，厨房"}
    found = json.loads(fields.attempt(EN, asked)["fields"])
    assert found["output_2"] == ["打开，灯，房间", "关上，门，厨房"]
    assert key_of(fields.attempt, EN, {"grammar": "fields: 3", "text": "x"}) == "grammar_wrong"
    assert key_of(fields.attempt, EN, {"grammar": " ", "text": "x"}) == "evaluate_no_grammar"
    assert fields.readable(EN, of(TUNED, "toy/evaluate/none"))["runs"] == [TUNED]
    assert fields.answer(EN, {"run": TUNED, "number": 41})["text"] == LABELS[1]
    written = fields.write(EN, {"run": TUNED, "grammar": grammar})["path"]
    assert len(json.loads(Path(written).read_text())) == 40
