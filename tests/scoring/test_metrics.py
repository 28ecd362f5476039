"""Which scores apply, what they are, and their totals."""

import math

import pytest

from studio.scoring import metrics, standard


@pytest.mark.parametrize("predict, label, match, f1", [
    ("The cat.", "cat", 100, 100), ("a cat sat", "the cat lay", 0, 50), ("好的！", "好的", 100, 100),
    ("ＡＢＣ", "abc", 100, 100), ("", "", 100, 100), ("", "x", 0, 0), ("！", "！", 100, 100), ("！", "？", 0, 0),
    ("A.", "A", 100, 100), ("（Ａ）", "a", 100, 100), ("B", "A", 0, 0), ("The", "A", 0, 0), ("", "A", 0, 0),
    ("42", "42.0", 0, 0), ("今天很好", "今天不好", 0, 75),
])  # fmt: skip
def test_exact_match_and_f1(predict, label, match, f1):
    assert standard.exact_match(predict, label) == match
    assert standard.f1(predict, label) == pytest.approx(f1)


@pytest.mark.parametrize("text, is_json", [
    ('{"a": 1}', True), ("[]", True), ('```json\n{"a": 1}\n```', True), ("12", False), ('{"a": NaN}', False),
    ("{a: 1}", False), ("", False), ('{"a": 1} and more', False), ("[" * 100_000, False),
])  # fmt: skip
def test_json(text, is_json):
    assert standard.is_json(text) == is_json


def test_rouge_is_that_of_rouge_score_on_english():
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rouge2", "rougeL"])
    pairs = [("The cat sat on the mat, the cat!", "the cat is on the mat"), ("a b", "c d"), ("one", "one two two"),
             ("", "words"), ("It's 3.5 km", "its 3 km")]
    for predict, label in pairs:
        theirs, ours = scorer.score(label, predict), standard.rouge(predict, label)
        for key, name in (("rouge1", "1"), ("rouge2", "2"), ("rougeL", "l")):
            assert ours[f"std_rouge-{name}"] == pytest.approx(100 * theirs[key].fmeasure)


def test_rouge_knows_chinese():
    assert standard.rouge("今天天气很好", "今天天气很好")["std_rouge-l"] == 100
    assert 0 < standard.rouge("今天天气很好", "昨天天气不好")["std_rouge-1"] < 100


def test_sacrebleu_is_the_librarys():
    from sacrebleu.metrics import BLEU

    predict, label = "The cat sat on the mat, quietly.", "The cat sat on a mat, quietly."
    assert standard.sacrebleu(predict, label) == pytest.approx(BLEU(effective_order=True).sentence_score(
        predict, [label]).score)
    pairs = [(predict, label), ("Hello there, world", "Hello there, my world")]
    theirs = BLEU().corpus_score([pair[0] for pair in pairs], [[pair[1] for pair in pairs]]).score
    assert standard.corpus_sacrebleu(pairs) == pytest.approx(theirs)
    chinese = [("今天天气真的很好。", "今天天气很好。")]
    theirs = BLEU(tokenize="zh").corpus_score([chinese[0][0]], [[chinese[0][1]]]).score
    assert standard.corpus_sacrebleu(chinese) == pytest.approx(theirs)


def test_what_applies_and_why_the_rest_does_not():
    assert metrics.applies(["a", None]).left_out == {"json": "not_json", "sql": "no_databases"}
    none = metrics.applies([None, None])
    assert none.metrics == () and set(none.left_out.values()) == {"no_labels"}
    assert "json" in metrics.applies(['{"a": 1}', "[1]"]).metrics
    asked = metrics.applies(["a"], ["f1", "json"])
    assert asked.metrics == ("f1", "json") and asked.left_out["rouge"] == "not_asked"
    assert "sql" in metrics.applies(["select 1"], databases=True).metrics
    assert metrics.applies([]).metrics == ()


def test_a_row_without_a_label_has_only_what_needs_none(home):
    assert metrics.score("{}", None, metrics.METRICS) == {"json": 100}
    assert metrics.score("x", "", ["exact_match", "bleu_rouge"]) == {
        "exact_match": 0, "rouge-1": 0, "rouge-2": 0, "rouge-l": 0, "bleu-4": 0}


def test_progress_may_call_it_off():
    def stop(done, total):
        raise InterruptedError(f"{done}/{total}")

    with pytest.raises(InterruptedError, match="1/2"):
        metrics.score_all([("a", "b")] * 2, ["f1"], stop)


def test_totals():
    pairs = [("yes", "yes"), ("no", "yes"), ("maybe", None)]
    rows = metrics.score_all(pairs, ["exact_match", "sacrebleu"])
    rows[0] |= {"nll": 2.0, "num_label_tokens": 2, "judge": 7}
    rows[1] |= {"nll": 4.0, "num_label_tokens": 1}
    found = metrics.totals(rows, pairs)
    assert found["predict_exact_match"] == 50 and found["predict_judge"] == 7
    assert found["predict_perplexity"] == pytest.approx(math.exp(2), abs=1e-4)
    assert (found["predict_num_rows"], found["predict_num_scored"]) == (3, 2)
    assert metrics.totals([], []) == {"predict_num_rows": 0, "predict_num_scored": 0}
    assert math.isfinite(metrics.totals([{"nll": 1e9, "num_label_tokens": 1}], [("", "")])["predict_perplexity"])


def test_a_surprise_that_is_no_number_does_not_count():
    rows = [{"nll": 2.0, "num_label_tokens": 2}, {"nll": math.nan, "num_label_tokens": 3},
            {"nll": None, "num_label_tokens": 3}]  # fmt: skip
    assert metrics.perplexity_of(rows) == pytest.approx(math.e) and metrics.perplexity_of(rows[1:]) is None
