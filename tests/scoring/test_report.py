"""The report: who is compared with whom, on which rows, what is said of it, as HTML and Markdown."""

import json
import random
import re

import pytest
from scoring.writing import predicted, write_lines

from studio import paths
from studio.errors import StudioError
from studio.scoring import page, predictions, report, scored
from studio.text import catalogue

EVIL = "<script>alert('x')</script> | *bold* ```"


def evaluated(folder, values, *, dataset="own", adapter=None, nats=None, labels=None):
    """A folder as an evaluate run leaves it: `values` are the F1 of its rows."""
    count = len(values)
    labels = labels or [f"label {n}" for n in range(count)]
    predicted(folder, [f"answer {EVIL} {n}" for n in range(count)], labels, dataset)
    rows = [{"f1": value, "exact_match": 100.0 * (value > 50)} for value in values]
    for row, value in zip(rows, nats or [], strict=False):
        row |= {"nll": 4 * value, "num_label_tokens": 4}
    predictions.write_scores(folder, rows)
    adapters = [str(adapter)] if adapter else None
    job = {"kind": "evaluate", "model_name_or_path": "org/base", "adapter_name_or_path": adapters}
    (folder / "job.yaml").write_text(json.dumps(job))
    scored.write_results(folder, {"predict_f1": sum(values) / count})
    return folder


@pytest.fixture
def four(tmp_path):
    """A base and a tuned model, each on the set it was trained on and on a general one."""
    chance = random.Random(4)
    adapter = tmp_path / "saves" / "tuned"
    adapter.mkdir(parents=True)
    (adapter / "job.yaml").write_text("dataset: [own]\n")
    own = [chance.uniform(20, 50) for _ in range(60)]
    general = [chance.uniform(40, 90) for _ in range(60)]
    return {
        "base": evaluated(tmp_path / "base_own", own, nats=[2.0 + n / 100 for n in range(60)]),
        "tuned": evaluated(tmp_path / "tuned_own", [value + chance.uniform(10, 30) for value in own], adapter=adapter,
                           nats=[1.0 + n / 100 for n in range(60)]),
        "base_general": evaluated(tmp_path / "base_general", general, dataset="general"),
        "tuned_general": evaluated(tmp_path / "tuned_general", [value - chance.uniform(0, 15) for value in general],
                                   dataset="general", adapter=adapter),
    }


def test_what_helped_and_what_was_forgotten(four):
    found = report.compare(list(four.values()))
    assert [contender.name for contender in found.contenders] == ["base", "tuned"] and found.base == 0
    own, general = found.parts
    assert (own.name, own.kind, general.name, general.kind) == ("own", "own", "general", "general")
    assert own.leading.key == general.leading.key == "f1"
    better, worse = own.leading.comparisons[1], general.leading.comparisons[1]
    assert better.interval.verdict == 1 and 15 < better.interval.mean < 25
    assert (better.wins, better.losses, better.ties) == (60, 0, 0) and len(better.gained) == 5 and not better.lost
    assert worse.interval.verdict == -1 and worse.losses == 60 and own.leading.comparisons[0] is None
    perplexity = next(measure for measure in own.measures if measure.key == "nll")
    assert perplexity.values[0] / perplexity.values[1] == pytest.approx(2.71828, rel=1e-4)
    assert perplexity.comparisons[1].interval.verdict == 1


def test_the_base_can_be_chosen(four):
    found = report.compare([four["base"], four["tuned"]], base=four["tuned"])
    assert found.contenders[found.base].name == "tuned"
    assert found.parts[0].leading.comparisons[1 - found.base].interval.verdict == -1


def test_without_a_word_the_base_is_what_the_others_were_trained_from(tmp_path, home):
    """Also where weights were trained whole, whatever stands first."""
    first, second = (str(tmp_path / name) for name in ("first", "second"))
    runs = {"second": (second, first), "first": (first, "org/base"), "base": ("org/base", None)}
    folders = []
    for name, (model, before) in runs.items():
        if before:
            (tmp_path / name).mkdir()
            (tmp_path / name / "job.yaml").write_text(json.dumps({"model_name_or_path": before, "dataset": ["own"]}))
        folders.append(evaluated(tmp_path / f"eval-{name}", [10.0, 60.0, 90.0]))
        (folders[-1] / "job.yaml").write_text(json.dumps({"model_name_or_path": model}))
    whole, two = report.compare(folders), report.compare(folders[:2])
    assert whole.contenders[whole.base].model == "org/base" and two.contenders[two.base].model == first
    job = {"model_name_or_path": "saves/mine"}  # as a file that was written by hand has it, wherever the studio runs
    (folders[0] / "job.yaml").write_text(json.dumps(job))
    mine = paths.home() / "saves" / "mine"
    mine.mkdir(parents=True)
    (mine / "job.yaml").write_text(json.dumps({"model_name_or_path": "org/base", "dataset": ["own"]}))
    assert report.compare([folders[0], folders[2]]).base == 1
    alone = report.compare(folders[:1])
    assert alone.base == 0 and alone.parts[0].kind == "own"


def test_as_a_file_in_both_languages(four):
    found = report.compare(list(four.values()))
    for language in ("en", "zh"):
        t = catalogue(language)
        html = found.to_html(t)
        assert "<script" not in html and "&lt;script&gt;" in html and not re.search(r"(src|href)=|https?:", html)
        assert t("scoring.report.title") in html and f'<html lang="{language}">' in html and "<svg" in html
        words = found.to_markdown(t)
        assert words.startswith(f"# {t('scoring.report.title')}") and "| ---" in words
        assert t("scoring.report.helped", name="tuned", parts="")[:7] in html
    assert "-63.2 %" in words  # perplexity fell by a factor of e
    assert "<style" not in found.body_html(t) and page.STYLE


def judged(folder, score, **keys):
    """Forty rows with a judge's scores about `score`."""
    evaluated(folder, [50.0 + n % 5 for n in range(40)])
    predictions.write_scores(folder, [{"judge": score + n % 3 / 2, "f1": 50.0} for n in range(40)])
    (folder / "job.yaml").write_text(json.dumps({"model_name_or_path": "org/base", "judge_model": "j"} | keys))
    return folder


def test_what_was_asked_or_judged_otherwise_is_told_and_another_judges_scores_are_not_compared(tmp_path):
    base = judged(tmp_path / "a", 4, n_shot=None, max_new_tokens=16)
    tuned = {"adapter_name_or_path": ["tuned"], "n_shot": 0}
    like = judged(tmp_path / "b", 7, max_new_tokens=16, **tuned)
    kind = judged(tmp_path / "c", 7, max_new_tokens=1024, judge_rubric="Be *kind*", judge_model="k", **tuned)
    plain, found = report.compare([base, like]), report.compare([base, kind])
    assert plain.parts[0].leading.key == "judge" and plain.parts[0].leading.comparisons[1].interval.verdict == 1
    measures = {measure.key: measure for measure in found.parts[0].measures}
    assert found.parts[0].leading.key == "f1" and measures["judge"].comparisons == (None, None)
    for language in ("en", "zh"):
        assert "max_new_tokens" not in plain.to_html(catalogue(language))
        html = found.to_html(catalogue(language))
        assert "max_new_tokens 16 / 1024" in html and "judge_model j / k" in html and "n_shot" not in html


def test_evaluations_that_only_judged_are_of_those_who_answered(tmp_path, home):
    answered = {name: judged(tmp_path / name, 4, **keys) for name, keys in
                (("base", {}), ("tuned", {"adapter_name_or_path": ["tuned"]}))}  # fmt: skip
    later = [judged(tmp_path / f"{name}-judged", 8 - 4 * (name == "base"), predictions_from=str(folder),
                    model_name_or_path=None) for name, folder in answered.items()]  # fmt: skip
    found = report.compare(later[::-1])
    assert found.contenders[found.base].model == "org/base" and not found.contenders[found.base].adapters
    assert found.parts[0].leading.comparisons[1 - found.base].interval.verdict == 1
    (answered["base"] / "job.yaml").write_text(json.dumps({"predictions_from": str(later[0])}))  # round and round
    assert not report.compare(later[:1]).contenders[0].model


def test_rows_with_other_labels_are_left_out(tmp_path):
    labels = [f"label {n}" for n in range(3)]
    base = evaluated(tmp_path / "a", [10, 20, 30], labels=labels)
    other = evaluated(tmp_path / "b", [20, 30, 40], labels=[*labels[:2], "changed"], adapter="other")
    found = report.compare([base, other]).parts[0]
    assert found.num_unequal == 1 and found.leading.comparisons[1].interval.num == 2
    assert "1 answers were left out" in report.compare([base, other]).to_markdown(catalogue("en"))


def test_folders_of_llamafactory_are_matched_by_their_labels(tmp_path):
    base = evaluated(tmp_path / "ours", [10, 20, 30])
    rows = [{"prompt": "p", "predict": "x", "label": f"label {n}"} for n in range(3)]
    write_lines(tmp_path / "theirs" / "generated_predictions.jsonl", rows)
    predictions.write_scores(tmp_path / "theirs", [{"f1": 15}, {"f1": 25}, {"f1": 35}])
    found = report.compare([base, tmp_path / "theirs"])
    assert [part.name for part in found.parts] == ["own"] and found.parts[0].leading.comparisons[1].wins == 3
    assert found.contenders[1].name == "theirs"


def test_benchmarks_stand_beside(tmp_path):
    for name, right in (("base", [True, False] * 20), ("tuned", [True] * 40)):
        folder = evaluated(tmp_path / name, [1.0], adapter=None if name == "base" else tmp_path / "adapter")
        (folder / "generated_predictions.jsonl").unlink()
        write_lines(folder / "benchmark_samples.jsonl", [
            {"task": "mini", "index": n, "prompt": EVIL, "answer": "A", "label": "B", "correct": one}
            for n, one in enumerate(right)])
    found = report.compare([tmp_path / "base", tmp_path / "tuned"])
    part = found.parts[0]
    assert (part.kind, part.leading.key, part.leading.values) == ("benchmark", "correct", (50.0, 100.0))
    assert part.leading.comparisons[1].wins == 20 and "&lt;script&gt;" in found.to_html(catalogue("en"))
    line = {"task": "ceval", "index": 0, "prompt": "p", "answer": "A", "label": None, "correct": None}
    write_lines(tmp_path / "base" / "benchmark_samples.jsonl", [line])  # its right answers are not published
    assert report.compare([tmp_path / "base", tmp_path / "tuned"]).parts[0].leading.values == (None, 100.0)


def test_one_alone_nothing_shared_and_nothing_at_all(tmp_path):
    one, other = evaluated(tmp_path / "a", [1.0]), evaluated(tmp_path / "b", [1.0], dataset="another", adapter="other")
    en = catalogue("en")
    assert en("scoring.report.one_alone") in report.compare([one]).to_markdown(en)
    assert en("scoring.report.nothing_shared") in report.compare([one, other]).to_markdown(en)
    assert len(report.compare([one, one]).contenders) == 1
    for folders, key in (([], "report_empty"), ([tmp_path], "predictions_missing")):
        with pytest.raises(StudioError) as caught:
            report.compare(folders)
        assert caught.value.key == key


def test_the_same_model_twice_on_one_set_is_two_contenders(tmp_path):
    first, second = evaluated(tmp_path / "greedy", [1.0]), evaluated(tmp_path / "drawn", [2.0])
    names = [contender.name for contender in report.compare([first, second]).contenders]
    assert names == ["base (greedy)", "base (drawn)"]


def test_a_set_that_was_trained_on_by_its_path_is_an_own_one(four, tmp_path):
    (tmp_path / "saves" / "tuned" / "job.yaml").write_text("dataset: [/data/own]\n")
    kinds = {part.name: part.kind for part in report.compare(list(four.values())).parts}
    assert kinds == {"own": "own", "general": "general"}


def test_rows_of_one_number_with_other_questions_or_twice_are_not_paired(tmp_path):
    def lines(name, questions, values):
        rows = [{"prompt": "p", "predict": "x", "label": "yes", "dataset": "d", "row": row, "question": question}
                for row, question in questions]
        write_lines(tmp_path / name / predictions.PREDICTIONS, rows)
        predictions.write_scores(tmp_path / name, [{"f1": value} for value in values])
        return tmp_path / name

    base = lines("base", [(1, "a"), (2, "b"), (3, "c")], [0, 0, 0])
    tuned = lines("tuned", [(1, "a"), (2, "another"), (3, "c"), (3, "c")], [10, 20, 30, 40])
    [part] = report.compare([base, tuned]).parts
    [measure] = part.measures
    assert part.num_unequal == 3 and measure.comparisons[1].interval.num == 1
    odd = write_lines(tmp_path / "odd" / predictions.PREDICTIONS, [{"predict": "x", "label": "yes", "row": {"a": 1}}])
    assert report.compare([odd.parent]).parts[0].num_rows == 1
