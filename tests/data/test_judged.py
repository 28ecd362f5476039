"""Judged rows, pairs and marked answers: from every format to ids and labels, and each set to its stage alone."""

import numpy as np
import pytest

from studio import data, paths
from studio.data import detect, formats, registry, template
from studio.data.encode import IGNORE, Encoded, Encoder
from studio.data.formats import Row
from studio.data.problem import Problem
from studio.data.rows import EncodedRows, write
from studio.data.source import Columns, Source, Tags
from studio.data.tokens import ModelTokens
from studio.errors import StudioError

JUDGED = {"chosen": "chosen", "rejected": "rejected"}
PAIRS = Source("p", ranking=True, columns=Columns.none(prompt="instruction", query="input", system="system", **JUDGED))
CHATS = Source("c", formatting="sharegpt", ranking=True, columns=Columns.none(messages="conversations", **JUDGED))
OPENAI = Source(
    "o", formatting="openai", ranking=True, columns=Columns.none(messages="messages", **JUDGED), tags=Tags.of_openai()
)
MARKED = Source("k", columns=Columns.none(prompt="instruction", response="output", kto_tag="fine"))
ASKED = ({"role": "user", "content": "q"},)


def said(row):
    return [message["content"] for message in row.messages], row.rejected["content"]


def test_pairs_of_every_format():
    raw = {"instruction": "q", "input": "more", "system": "s", "chosen": "yes", "rejected": "no"}
    assert said(formats.to_row(PAIRS, raw)) == (["s", "q\nmore", "yes"], "no")
    turns = [("human", "a"), ("gpt", "b"), ("human", "q")]
    raw = {"conversations": [{"from": role, "value": text} for role, text in turns]}
    answers = {"chosen": {"from": "gpt", "value": "yes"}, "rejected": {"from": "gpt", "value": "no"}}
    assert said(formats.to_row(CHATS, raw | answers)) == (["a", "b", "q", "yes"], "no")
    call = {"role": "assistant", "tool_calls": [{"function": {"name": "now", "arguments": "{}"}}]}
    raw = {"messages": list(ASKED), "chosen": call, "rejected": [{"role": "assistant", "content": "no"}]}
    row = formats.to_row(OPENAI, raw)
    assert row.messages[-1]["tool_calls"][0]["function"]["name"] == "now" and row.rejected["content"] == "no"


@pytest.mark.parametrize(
    "source, raw, code",
    [
        (PAIRS, {"instruction": "q", "chosen": "yes"}, "missing_column"),
        (PAIRS, {"instruction": "q", "chosen": "yes", "rejected": " "}, "empty_answer"),
        (PAIRS, {"instruction": "q", "chosen": {"from": "gpt"}, "rejected": "no"}, "pair_answer"),
        (OPENAI, {"messages": list(ASKED), "chosen": {"role": "user", "content": "y"}, "rejected": "n"}, "pair_answer"),
        (
            OPENAI,
            {"messages": [*ASKED, {"role": "assistant", "content": "a"}], "chosen": "y", "rejected": "n"},
            "no_question",
        ),
        (MARKED, {"instruction": "q", "output": "a"}, "missing_column"),
        (MARKED, {"instruction": "q", "output": "a", "fine": "perhaps"}, "no_verdict"),
        (MARKED, {"instruction": "q", "output": "a", "fine": None}, "no_verdict"),
    ],
)
def test_a_row_that_judges_nothing_says_why(source, raw, code):
    problem = formats.to_row(source, raw)
    assert isinstance(problem, Problem) and problem.code == code


def test_marks_as_files_hold_them():
    for written, good in ((True, True), (False, False), ("True", True), ("false", False), (1, True), ("0", False)):
        assert formats.to_row(MARKED, {"instruction": "q", "output": "a", "fine": written}).good is good


def test_both_answers_of_a_pair_are_cut_alike(tokenizer_dir):
    tokens = ModelTokens(tokenizer_dir)
    row = Row((*ASKED, {"role": "assistant", "content": "a" * 40}), rejected={"role": "assistant", "content": "b" * 10})
    encoder = Encoder(tokens, template.load("chatml", tokens), cutoff_len=24, stage="dpo")
    [pair] = encoder.encode([row])
    learned = [[label for label in side.labels if label != IGNORE] for side in (pair, pair.rejected)]
    prompts = [side.input_ids[: -len(kept)] for side, kept in zip((pair, pair.rejected), learned, strict=True)]
    assert prompts[0] == prompts[1] and len(pair.input_ids) == 24 and pair.truncated
    assert tokens.tokenizer.decode(learned[1], skip_special_tokens=False) == "b" * 10 + "<|im_end|>\n"
    assert encoder.trace(row).encoded == pair


def test_there_and_back_through_a_store(tmp_path):
    worse = Encoded([1, 2, 8], [IGNORE, IGNORE, 8])
    pair = Encoded([1, 2, 3, 4], [IGNORE, IGNORE, 3, 4], rejected=worse)
    pairs = EncodedRows([write(tmp_path / "p", [(1, pair)], None, {})])
    row = {key: value if key == "length" else value.tolist() for key, value in pairs[0].items()}
    assert row == {
        "input_ids": [1, 2, 3, 4],
        "labels": [IGNORE, IGNORE, 3, 4],
        "rejected_input_ids": [1, 2, 8],
        "rejected_labels": [IGNORE, IGNORE, 8],
        "length": 7,
    }
    assert (pairs.num_tokens, pairs.num_label_tokens) == (7, 3)
    sides = [(n, Encoded([1, 2], [IGNORE, 2], good=good)) for n, good in enumerate((True, False, True))]
    marked = EncodedRows([write(tmp_path / "m", sides, None, {})])
    assert [row["good"] for row in marked.select(np.array([1, 2]))] == [False, True]
    assert marked.label_lengths.tolist() == [1, 1, 1]


def test_each_set_has_its_stage(make_job, tokenizer_dir):
    told = {
        ("dpo_demo", "sft"): "data_ranking",
        ("dpo_demo", "pt"): "data_ranking",
        ("dpo_demo", "kto"): "data_no_feedback",
        ("kto_demo", "sft"): "data_feedback",
        ("kto_demo", "dpo"): "data_no_ranking",
        ("identity", "dpo"): "data_no_ranking",
        ("identity", "kto"): "data_no_feedback",
        ("text_demo", "dpo"): "data_no_ranking",
    }
    for (name, stage), key in told.items():
        with pytest.raises(StudioError) as caught:
            data.load(make_job(dataset=[name], dataset_dir="data", stage=stage), tokenizer_dir)
        assert caught.value.key == key and name in str(caught.value)


def test_the_shipped_sets_are_whole_and_counted(make_job, tokenizer_dir):
    report = data.load(make_job(dataset=["dpo_demo"], dataset_dir="data", stage="dpo"), tokenizer_dir).report
    assert report.rows == 40 and not report.num_dropped and not report.notices
    report = data.load(make_job(dataset=["kto_demo"], dataset_dir="data", stage="kto"), tokenizer_dir).report
    assert report.rows == 40 and not report.num_dropped
    assert [notice.code for notice in report.notices] == ["data_verdicts"]
    for name in ("dpo_demo", "kto_demo"):
        source = registry.find(name, "data")
        bare = detect.source_of(paths.resource("data") / f"{name}.json")
        assert (bare.ranking, bare.columns.kto_tag) == (source.ranking, source.columns.kto_tag)


def test_marks_that_are_all_alike_are_told(put, make_job, tokenizer_dir):
    file = put("a.json", [{"prompt": f"q{n}", "completion": "a", "label": True} for n in range(3)])
    report = data.load(make_job(dataset=[str(file)], stage="kto"), tokenizer_dir).report
    assert [notice.code for notice in report.notices] == ["data_verdicts", "data_one_verdict"]
    assert "3" in "\n".join(report.lines())


def test_encoded_rows_are_kept_for_their_stage(make_job, tokenizer_dir, tmp_path):
    keys = {"dataset": ["dpo_demo"], "dataset_dir": "data", "tokenized_path": str(tmp_path / "kept"), "val_size": 4}
    first = data.load(make_job(stage="dpo", **keys), tokenizer_dir)
    second = data.load(make_job(stage="dpo", **keys), tokenizer_dir)
    assert (len(second.train), len(second.eval)) == (36, 4)
    for key, value in first.train[5].items():
        assert np.array_equal(second.train[5][key], value)
    with pytest.raises(StudioError) as caught:
        data.load(make_job(stage="sft", **keys), tokenizer_dir)
    assert caught.value.key == "data_tokenized_stage"


def test_earlier_thoughts_are_kept_if_asked_and_none_are_made(make_job, tokenizer_dir):
    thought = "<think>\nhm\n</think>\n\n"
    turns = [*ASKED, {"role": "assistant", "content": "plain"}, *ASKED, {"role": "assistant", "content": f"{thought}b"}]
    chat = [*turns, *ASKED, {"role": "assistant", "content": "last"}]
    for preserve, stage in ((False, "dpo"), (True, "dpo"), (True, "kto")):
        job = make_job(dataset=["x"], stage=stage, template="qwen3", preserve_thinking=preserve)
        text = data.chat_template(job, tokenizer_dir).render(chat).text
        assert text.count(thought) == preserve and "assistant\nplain" in text
        assert text.endswith("<think>\n\n</think>\n\nlast<|im_end|>\n")
