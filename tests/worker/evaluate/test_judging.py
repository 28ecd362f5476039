"""A judge at a real endpoint on loopback: scores, comparisons both ways round, replies of every kind, and going on."""

import json
import re

import pytest
from acting import key_of
from answering import Serving
from wordsmith import Wordsmith

from studio import paths
from studio.config import EvaluateJob
from studio.errors import StudioError
from studio.runs import folder as files
from studio.scoring import predictions, scored
from studio.worker.evaluate import judging, recipe
from studio.worker.evaluate.judging_replies import JUDGEMENTS, Judgement, read_score, read_winner
from studio.worker.progress import Progress, StopRequested

ROWS = [
    {"prompt": "<|im_start|>user\nWhat is 1 + 1?<|im_end|>\n", "predict": "2", "label": "2", "row": 1, "dataset": "d"},
    {"prompt": "[INST] Name a colour. [/INST]", "predict": "Seven.", "label": "Red.", "row": 2, "dataset": "d"},
    {"prompt": "你好吗？", "predict": "我很好，谢谢。", "label": None, "row": 4, "dataset": "d"},
]


def written(folder, rows=ROWS):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / predictions.PREDICTIONS).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return folder


def job_for(url=None, **keys):
    return EvaluateJob(predictions_from="x", judge_api_base=url, judge_model=keys.pop("judge_model", "big"), **keys)


def judged(folder, job):
    figures = judging.judge(folder, job, Progress(folder))
    rows = [json.loads(line) for line in (folder / predictions.SCORES).read_text("utf-8").splitlines()]
    return figures, rows


def answer_in(body, tag="answer"):
    return re.search(rf"<{tag}>\n(.*?)\n</{tag}>", body["messages"][0]["content"], re.DOTALL)[1]


def test_each_answer_gets_a_score_and_a_reason(tmp_path):
    folder = written(tmp_path / "run")
    scored.add_scores(folder, {1: {"f1": 50.0}})
    with Wordsmith(lambda body: json.dumps({"reason": "so", "score": 9 if answer_in(body) == "2" else 4})) as there:
        figures, rows = judged(folder, job_for(there.url))
    assert figures == {"predict_judge": pytest.approx(17 / 3, abs=1e-3), "predict_judge_unclear": 0}
    assert [row["judge"] for row in rows] == [9, 4, 4] and rows[1]["f1"] == 50.0 and rows[0]["judge_reason"] == "so"
    for name in (scored.RESULTS, files.RESULTS):
        assert files.read_json(folder / name)["predict_judge"] == figures["predict_judge"]
    words = sorted(there.prompts, key=len)
    assert not any("<|im_start|>" in word or "[INST]" in word for word in words)
    assert sum("请评判" in word for word in words) == 1 and sum("<reference>\nRed.\n" in word for word in words) == 1


def test_a_job_that_only_judges(tmp_path):
    """Predictions of a run that is named by its id; the recipe scores them, then asks the judge."""
    written(paths.saves() / "toy/evaluate/one")
    folder = tmp_path / "run"
    folder.mkdir()
    with Wordsmith(lambda body: '{"score": 8, "reason": "good"}') as there:
        job = job_for(there.url, metrics=["exact_match"]).model_copy(update={"predictions_from": "toy/evaluate/one"})
        assert recipe.run(folder, job) == 0
    results = files.read_json(folder / files.RESULT)["metrics"]
    assert (results["predict_judge"], results["predict_exact_match"], results["predict_num_rows"]) == (8, 50, 3)


def test_what_was_judged_is_not_asked_again(tmp_path):
    folder = written(tmp_path / "run")

    def answer(body):
        return (500, {}, "out") if answer_in(body) == "Seven." and len(there.asked) < 4 else '{"score": 7}'

    with Wordsmith(answer) as there:
        assert judged(folder, job_for(there.url))[0]["predict_judge"] == 7
        with (folder / JUDGEMENTS).open("a") as file:
            file.write('{"place": 1, "to')  # killed while it was written
        before = len(there.asked)
        assert judged(folder, job_for(there.url))[0]["predict_judge"] == 7 and len(there.asked) == before
        judged(folder, job_for(there.url, judge_rubric="politeness"))
        assert len(there.asked) == before + 3 and "politeness" in there.prompts[-1]


def test_a_stop_keeps_what_was_judged(tmp_path):
    folder = written(tmp_path / "run", ROWS * 10)

    def answer(body):
        if len(there.asked) == 12:
            files.request_stop(folder)
        return '{"score": 7}'

    with Wordsmith(answer) as there:
        with pytest.raises(StopRequested):
            judged(folder, job_for(there.url))
        kept = (folder / JUDGEMENTS).read_text().count("\n")
        assert 0 < kept < 30
        (folder / files.STOP).unlink()
        before = len(there.asked)
        assert judged(folder, job_for(there.url))[0]["predict_judge"] == 7
        assert len(there.asked) - before <= 30 - kept and there.most_at_once <= judging.AT_ONCE


def test_a_failure_keeps_what_came_with_it(tmp_path, monkeypatch):
    """Replies that came at the same moment are paid for."""
    folder = written(tmp_path / "run", ROWS * 3)

    async def ask(_line, unit):
        if unit.place % 2:
            raise StudioError("endpoint_gone", url="x", reason="gone")
        return unit, Judgement(7, "so"), False

    monkeypatch.setattr(judging, "_ask", ask)
    assert key_of(judged, folder, job_for("http://127.0.0.1:9/v1")) == "endpoint_gone"
    assert (folder / JUDGEMENTS).read_text().count("\n") == judging.AT_ONCE / 2


def test_replies_that_say_nothing_and_refusals_are_counted(tmp_path):
    folder = written(tmp_path / "run")
    said = {"2": "I would rather not say.", "Seven.": (400, {}, {"error": {"message": "too rude"}})}
    with Wordsmith(lambda body: said.get(answer_in(body), '{"score": 3}')) as there:
        figures, rows = judged(folder, job_for(there.url))
    assert figures == {"predict_judge": 3, "predict_judge_unclear": 2} and "judge" not in rows[0]
    assert len(there.asked) == 4  # the unreadable one twice


def test_a_comparison_counts_only_what_holds_both_ways(tmp_path):
    folder = written(tmp_path / "ours", [*ROWS, ROWS[0] | {"row": 9}])
    other = written(tmp_path / "other", [ROWS[2] | {"predict": "坏"}, ROWS[1], ROWS[0] | {"predict": "11, I think"}])

    def answer(body):
        first, second = answer_in(body, "answer_A"), answer_in(body, "answer_B")
        if "Seven." in (first, second):
            return '{"reason": "the first is always better", "winner": "A"}'
        return json.dumps({"winner": "A" if len(first) < len(second) else "B"})

    with Wordsmith(answer) as there:
        figures, rows = judged(folder, job_for(there.url, judge_against=str(other)))
    counts = {"wins": 1, "losses": 1, "ties": 1, "unclear": 0, "unmatched": 1}
    assert figures == {f"predict_judge_{name}": count for name, count in counts.items()}
    assert [row.get("judge_verdict") for row in rows] == ["win", "tie", "loss", None] and len(there.asked) == 6


def test_by_system_message(tmp_path):
    folder = written(tmp_path / "run", [ROWS[0] | {"system": 0}, ROWS[0] | {"system": 1, "predict": "3"}])
    scored.write_results(folder, {"by_system": [{"system": 0, "predict_f1": 1}, {"system": 1, "predict_f1": 2}]})
    with Wordsmith(lambda body: json.dumps({"score": 10 if answer_in(body) == "2" else 2})) as there:
        judged(folder, job_for(there.url))
    listed = files.read_json(folder / files.RESULTS)["by_system"]
    assert [(entry["system"], entry["predict_judge"]) for entry in listed] == [(0, 10), (1, 2)]


def test_nothing_to_compare_with(tmp_path):
    folder, other = written(tmp_path / "run"), written(tmp_path / "other", [ROWS[0] | {"dataset": "another"}])
    job = job_for("http://127.0.0.1:9/v1", judge_against=str(other))
    assert key_of(judging.judge, folder, job, Progress(folder)) == "judge_no_pairs"


def test_the_judge_may_be_a_server_of_the_studio(tmp_path, monkeypatch):
    serving = Serving(paths.saves())
    try:
        job = job_for(judge_server=serving.id, judge_model=None)
        asker = judging._asker(job, Progress(tmp_path))
        assert asker.url == f"http://127.0.0.1:{serving.http.server_port}/v1/chat/completions" and asker.key == "k"
    finally:
        serving.close()
    monkeypatch.setenv("JUDGE_API_KEY", "secret")
    assert judging._asker(job_for("http://x/v1"), Progress(tmp_path)).key == "secret"


@pytest.mark.parametrize("text, score", [
    ('{"reason": "fine", "score": 8}', 8), ('```json\n{"score": "7/10", "reason": "x"}\n```', 7),
    ("First {thinking} aloud.\n{\"score\": 3}", 3), ("**Score:** 6. Good.", 6), ("分数：9\n很好", 9),
    ('{"score": 11}', None), ('{"score": true}', None), ("", None), ("It is good.", None), ('{"score": 0}', None),
    ("Score (1-10): 7", 7), ("评分（1–10）：7", 7), ('{"score": -3}', None), ("Score out of 10: 6", 6),
    ("A score: 2 would be harsh.\nScore: 8\nA score of 10 needs more.", 8),
])
def test_scores_are_read_from_what_judges_write(text, score):
    found = read_score(text)
    assert (found.value if found else None) == score


@pytest.mark.parametrize("text, winner", [
    ('{"reason": "b \\"is\\" worse", "winner": "A"}', "A"), ("Winner: B", "B"), ('{"winner": "tie"}', "tie"),
    ('{"winner": "Answer_B"}', "B"), ("Both are good.", None), ('{"winner": "Answer"}', None),
    ("**Winner**: B", "B"), ("{'winner': 'B'}", "B"), ("Winner: [[A]]", "A"), ('{"winner": "Response A"}', "A"),
    ("winner: a tie", "tie"), ('{"winner": "A", "reason": "winner: B if it were shorter"}', "A"),
])
def test_winners_are_read_from_what_judges_write(text, winner):
    found = read_winner(text)
    assert (found.value if found else None) == winner


def test_rows_of_one_number_with_other_questions_are_no_pair(tmp_path):
    asked = [row | {"question": str(number)} for number, row in enumerate(ROWS)]
    written(tmp_path / "other", [asked[0] | {"question": "another"}, asked[1]])
    assert judging._opponents([{"place": place, **row} for place, row in enumerate(asked)],
                              str(tmp_path / "other")) == {1: "Seven."}  # fmt: skip
    written(tmp_path / "older", ROWS[:1])  # without questions
    assert judging._opponents([{"place": 0, **asked[0]}], str(tmp_path / "older")) == {0: "2"}
