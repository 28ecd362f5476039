"""From a job to its rows: everything counted, nothing in silence, the same for the same seed."""

import datetime
import json
from types import SimpleNamespace

import numpy as np
import pytest

from studio import data, paths
from studio.data import intake, jinja
from studio.data.encode import IGNORE
from studio.errors import StudioError


def pairs(count, answer="answer {}"):
    """Alpaca rows that differ."""
    return [{"instruction": f"question {n}", "input": "", "output": answer.format(n)} for n in range(count)]


def contents(rows):
    return [row["input_ids"].tolist() for row in rows]


def refused(job, tokenizer_dir):
    with pytest.raises(StudioError) as error:
        data.load(job, tokenizer_dir)
    return error.value


def test_rows_and_report(put, make_job, tokenizer_dir):
    rows = [*pairs(3), {"instruction": "no answer", "output": ""}, {"instruction": "x"}, *pairs(1, "{{{{name}}}} {}")]
    file = put("a.json", rows)
    dataset = data.load(make_job(dataset=[str(file)], cutoff_len=26), tokenizer_dir)
    assert len(dataset.train) == 4 and dataset.eval is None
    report = dataset.report
    assert (report.rows, report.num_dropped) == (4, 2)
    assert report.reasons == {(str(file), "empty_answer"): 1, (str(file), "missing_column"): 1}
    assert [(row.row_number, row.code) for row in report.dropped] == [(4, "empty_answer"), (5, "missing_column")]
    assert report.tokens == sum(row["length"] for row in dataset.train)
    assert report.label_tokens == sum(int((row["labels"] != IGNORE).sum()) for row in dataset.train)
    assert {notice.code for notice in report.notices} == {"data_unfilled", "data_truncated"}
    assert list(report.files.values()) == [intake.digest(file)]
    lines = "\n".join(report.lines())
    assert "row 4" in lines and "{{name}}" in lines
    assert json.loads(json.dumps(report.to_mapping()))["reasons"][0]["count"] == 1


def test_what_is_not_read_is_told(put, make_job, tokenizer_dir):
    rows = [row | {"reasoning": "R", "source": "x"} for row in pairs(2)] + pairs(1, "b")
    (notice,) = data.load(make_job(dataset=[str(put("a.json", rows))]), tokenizer_dir).report.notices
    assert (notice.code, notice.values["keys"], notice.values["count"]) == ("data_unread", "reasoning", 2)


def test_placeholders_are_filled_and_those_that_stand_nowhere_told(put, make_job, tokenizer_dir):
    file = put("a.json", pairs(1, "I am {{{{name}}}}"))
    job = make_job(dataset=[str(file)], placeholders={"name": "Ada", "author": "Eve"})
    dataset = data.load(job, tokenizer_dir)
    (notice,) = dataset.report.notices
    assert (notice.code, notice.values["placeholders"]) == ("data_placeholders_unused", "{{author}}")
    tokenizer = data.chat_template(job, tokenizer_dir).tokens.tokenizer
    assert "I am Ada<|im_end|>" in tokenizer.decode(contents(dataset.train)[0], skip_special_tokens=False)


def test_several_sets_and_a_part_held_back(put, make_job, tokenizer_dir):
    files = [str(put("a.jsonl", pairs(30))), str(put("b.csv", "question,answer\n" + "q,b\n" * 10))]
    job = make_job(dataset=files, val_size=0.25, max_samples=20)
    dataset = data.load(job, tokenizer_dir)
    assert (len(dataset.train), len(dataset.eval)) == (22, 8)
    again = data.load(job, tokenizer_dir)
    assert contents(again.train) == contents(dataset.train) and contents(again.eval) == contents(dataset.eval)
    other = data.load(job.model_copy(update={"seed": 7}), tokenizer_dir)
    assert contents(other.eval) != contents(dataset.eval)
    everything = contents(data.load(make_job(dataset=files, max_samples=20), tokenizer_dir).train)
    assert sorted(contents(dataset.train) + contents(dataset.eval)) == sorted(everything)


def test_interleaving(put, make_job, tokenizer_dir):
    files = [str(put("a.jsonl", pairs(6))), str(put("b.jsonl", pairs(2, "other {}")))]
    first, second = (contents(data.load(make_job(dataset=[file]), tokenizer_dir).train) for file in files)
    mixed = data.load(make_job(dataset=files, mix_strategy="interleave_under"), tokenizer_dir)
    assert contents(mixed.train) == [first[0], second[0], first[1], second[1]]


def test_evaluation_sets(put, make_job, tokenizer_dir):
    files = [str(put(f"{name}.jsonl", pairs(size))) for name, size in (("a", 5), ("b", 3), ("c", 2))]
    dataset = data.load(make_job(dataset=files[:1], eval_dataset=files[1:]), tokenizer_dir)
    assert (len(dataset.train), len(dataset.eval), dataset.report.eval_rows) == (5, 5, 5)
    job = make_job(dataset=files[:1], eval_dataset=files[1:], eval_on_each_dataset=True)
    dataset = data.load(job, tokenizer_dir)
    assert {name: len(rows) for name, rows in dataset.eval.items()} == {files[1]: 3, files[2]: 2}


def test_num_samples_of_the_registry(put, make_job, tokenizer_dir):
    put("a.json", pairs(10))
    entries = {"few": 4, "many": 25}
    put("dataset_info.json", {name: {"file_name": "a.json", "num_samples": count} for name, count in entries.items()})
    few = data.load(make_job(dataset=["few"]), tokenizer_dir).train
    assert len({tuple(row) for row in contents(few)}) == len(few) == 4
    many = data.load(make_job(dataset=["many"]), tokenizer_dir).train
    assert len({tuple(row) for row in contents(many)}) == 10 and len(many) == 25
    assert len(data.load(make_job(dataset=["many"], max_samples=12), tokenizer_dir).train) == 12


def test_streaming_reads_what_is_needed(put, make_job, tokenizer_dir):
    file = put("a.jsonl", [{"instruction": "x"}, *pairs(3_000)])
    keys = {"streaming": True, "max_steps": 2, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 3}
    dataset = data.load(make_job(dataset=[str(file)], **keys, buffer_size=4, val_size=5), tokenizer_dir)
    assert (len(dataset.train), len(dataset.eval), dataset.report.num_dropped) == (16, 5, 1)
    assert [(one.code, one.values["row"]) for one in dataset.report.notices] == [("data_streamed", 22)]
    whole = data.load(make_job(dataset=[str(file)], **keys), tokenizer_dir)
    assert len(whole.train) == 3_000 and not whole.report.notices
    packed = make_job(dataset=[str(put("t.txt", "words " * 50 + "\n"))] * 1, stage="pt", cutoff_len=8, **keys)
    assert len(data.load(packed, tokenizer_dir).train)


def test_cache_is_by_content(put, make_job, tokenizer_dir, monkeypatch):
    file = put("a.json", pairs(4))
    job, text = make_job(dataset=[str(file)]), make_job(dataset=[str(file)], stage="pt")
    before = contents(data.load(job, tokenizer_dir).train)
    data.load(text, tokenizer_dir)
    counted = []
    encode = intake.Encoder.encode
    monkeypatch.setattr(intake.Encoder, "encode", lambda self, rows: counted.append(len(rows)) or encode(self, rows))
    assert contents(data.load(job, tokenizer_dir).train) == before and not counted
    for changed in ({"template": "llama3"}, {"cutoff_len": 20}, {"mask_history": True}, {"max_samples": 3},
                    {"default_system": "s"}, {"placeholders": {"a": "b"}}, {"split_special_tokens": True}):  # fmt: skip
        data.load(job.model_copy(update=changed), tokenizer_dir)
        assert counted, changed
        counted.clear()
    data.load(text.model_copy(update={"split_special_tokens": True}), tokenizer_dir)
    assert counted
    counted.clear()
    data.load(job.model_copy(update={"seed": 3, "val_size": 1}), tokenizer_dir)
    assert not counted
    put("a.json", pairs(4, "new {}"))
    assert contents(data.load(job, tokenizer_dir).train) != before and counted == [4]
    assert all(len(folder.name) == 24 for folder in (paths.cache() / "encoded").iterdir())


def test_progress_is_told(put, make_job, tokenizer_dir):
    told = []
    file = put("a.jsonl", pairs(2_500))
    data.load(make_job(dataset=[str(file)]), tokenizer_dir, lambda *step: told.append(step))
    assert [step[1] for step in told] == [1000, 2000, 2500] and told[0][0] == "tokenizing"


def test_text_is_packed_for_pretraining(put, make_job, tokenizer_dir):
    file = put("a.txt", "one river\ntwo rivers\n\nthree\n")
    job = make_job(dataset=[str(file)], stage="pt", template=None, cutoff_len=8)
    packed = data.load(job, tokenizer_dir).train
    assert set(packed.lengths[:-1]) == {8} and all((row["labels"] == row["input_ids"]).all() for row in packed)
    assert np.concatenate(contents(packed)).tolist().count(1) == 3  # one end for each text


def test_chat_as_text_for_pretraining(put, make_job, tokenizer_dir):
    file = put("a.json", pairs(3))
    dataset = data.load(make_job(dataset=[str(file)], stage="pt"), tokenizer_dir)
    assert [notice.code for notice in dataset.report.notices] == ["data_chat_as_text"] and len(dataset.train) == 1


def test_tokenized_path(put, make_job, tokenizer_dir, tmp_path):
    file = put("a.json", [*pairs(6), {"instruction": "x", "output": ""}])
    kept = tmp_path / "kept"
    job = make_job(dataset=[str(file)], tokenized_path=str(kept), val_size=2)
    first = data.load(job, tokenizer_dir)
    file.unlink()
    second = data.load(job, tokenizer_dir)
    assert contents(second.train) == contents(first.train) and contents(second.eval) == contents(first.eval)
    assert second.report == first.report
    put("other/readme.txt", "mine")
    job = make_job(dataset=[str(file)], tokenized_path=str(tmp_path / "other"))
    assert refused(job, tokenizer_dir).key == "data_tokenized_foreign"


def test_tokens_that_training_adds_are_said_unless_the_job_asks_for_them(put, make_job, tokenizer_dir):
    file = put("a.json", pairs(1))
    pieces = tokenizer_dir.parent / "pieces"
    job = make_job(dataset=[str(file)])
    report = data.load(job, pieces).report
    added = data.load(job, pieces, extra_tokens=("<|im_end|>", "<|im_start|>")).report
    assert added.tokens < report.tokens and "<|im_end|>, <|im_start|>" in added.lines()[1]
    asked = make_job(dataset=[str(file)], add_special_tokens=["<|im_end|>", "<|im_start|>"])
    assert not data.load(asked, pieces, extra_tokens=asked.add_special_tokens).report.notices


@pytest.mark.parametrize(
    ("keys", "rows", "key"),
    [
        ({}, [{"text": "a"}], "data_text_for_sft"),
        ({}, [{"instruction": "a", "output": ""}] * 3, "data_no_rows"),
        ({"cutoff_len": 1}, pairs(2), "data_no_rows"),
        ({"val_size": 2}, pairs(2), "data_val_size"),
        ({"template": None}, pairs(2), "data_template_missing"),
        ({}, [], "data_empty"),
    ],
)
def test_what_cannot_be_loaded(put, make_job, tokenizer_dir, keys, rows, key):
    error = refused(make_job(dataset=[str(put("a.json", rows))], **keys), tokenizer_dir)
    assert error.key == key and "{" not in str(error)


def test_preferences_are_refused(put, make_job, tokenizer_dir):
    put("dataset_info.json", {"pairs": {"file_name": "a.json", "ranking": True}})
    put("a.json", pairs(1))
    assert refused(make_job(dataset=["pairs"]), tokenizer_dir).key == "data_ranking"


def test_half_written_file_leaves_nothing_behind(put, make_job, tokenizer_dir):
    file = put("a.jsonl", "".join(json.dumps(row) + "\n" for row in pairs(1_500)) + '{"instruction": "cu')
    error = refused(make_job(dataset=[str(file)]), tokenizer_dir)
    assert (error.key, error.values["line"]) == ("data_json_cut", 1501)
    assert not list((paths.cache() / "encoded").iterdir())


def test_shipped_demo_sets_have_no_bad_row(make_job, tokenizer_dir):
    chats = ["alpaca_en_demo", "alpaca_zh_demo", "chat_demo", "openai_demo"]
    job = make_job(dataset=chats, dataset_dir="data")
    report = data.load(job, tokenizer_dir).report
    assert report.rows > 100 and not report.num_dropped and not report.notices
    job = make_job(dataset=["text_demo"], dataset_dir="data", stage="pt", cutoff_len=128)
    report = data.load(job, tokenizer_dir).report
    assert report.rows > 10 and not report.num_dropped


def test_only_rows_with_tools_are_encoded_anew_the_next_day(put, make_job, tokenizer_dir, monkeypatch):
    """Llama 3's tool prompt tells the day."""
    put("dataset_info.json", {"plain": {"file_name": "a.json"}, "tools": {"file_name": "a.json", "columns": {
        "prompt": "instruction", "response": "output", "tools": "tools"}}})  # fmt: skip
    put("a.json", [{**row, "tools": json.dumps([{"name": "f"}])} for row in pairs(3)])
    jobs = [make_job(dataset=[name], template="llama3") for name in ("plain", "tools")]
    before = [contents(data.load(job, tokenizer_dir).train) for job in jobs]

    class Later(datetime.datetime):
        @classmethod
        def now(cls):
            return cls(2031, 1, 2)

    class LaterDay(datetime.date):
        @classmethod
        def today(cls):
            return cls(2031, 1, 2)

    for module in (jinja, intake):
        later = SimpleNamespace(datetime=Later, date=LaterDay)
        monkeypatch.setattr(module, "datetime", later)
    after = [contents(data.load(job, tokenizer_dir).train) for job in jobs]
    assert after[0] == before[0] and after[1] != before[1]
    assert len(list((paths.cache() / "encoded").iterdir())) == 3
