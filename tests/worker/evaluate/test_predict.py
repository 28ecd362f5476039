"""Whole predictions of the toy model: what they leave, whose they are, and that an interruption loses nothing."""

import json
import math
import shutil
from types import SimpleNamespace

import pytest
import torch

from studio.errors import StudioError
from studio.runs import folder as files
from studio.worker.evaluate import asking, ledger, parts, perplexity, predict, rows

TALK = {"formatting": "openai", "columns": {"messages": "messages"}}


def lines(folder, name="generated_predictions.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]


def figures(folder):
    return json.loads((folder / "predict_results.json").read_text("utf-8"))


def continued(model_folder, prompt, num_tokens=10):
    """What Transformers' own `generate` goes on with."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
    made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=num_tokens, do_sample=False)
    return tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)


def surprise(model_folder, prompt, label):
    """The summed surprise of a label and its end, and how many tokens that is, by one plain forward."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    asked, said = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, label + "<|im_end|>"))
    with torch.no_grad():
        logits = model(torch.tensor([asked + said])).logits[0, len(asked) - 1 : -1]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(said), reduction="sum").item(), len(said)


def test_answers_and_surprise_are_the_models_own_in_the_order_of_the_rows(evaluate, toy_model):
    code, folder = evaluate(metrics="bleu_rouge,exact_match")
    found, scores = lines(folder), lines(folder, "scores.jsonl")
    assert code == 0 and [line["row"] for line in found] == list(range(1, 10)) and len(scores) == 9
    assert found[4]["prompt"] == "<|im_start|>user\nWhat is 1 plus 1?<|im_end|>\n<|im_start|>assistant\n"
    assert found[4]["question"] == "What is 1 plus 1?"
    assert found[4]["label"] == "It is 2.It is 2." and found[4]["others"] == {"db": "d1"}
    for place in (0, 4, 8):
        assert found[place]["predict"] == continued(toy_model, found[place]["prompt"])
        nll, count = surprise(toy_model, found[place]["prompt"], found[place]["label"])
        assert scores[place]["nll"] == pytest.approx(nll, rel=1e-4) and scores[place]["num_label_tokens"] == count
    assert set(scores[0]) >= {"bleu-4", "rouge-l", "exact_match", "nll"} and "f1" not in scores[0]


def test_the_figures_have_llamafactorys_keys_and_ours(evaluate):
    _, folder = evaluate(metrics="bleu_rouge,exact_match")
    found, scores = figures(folder), lines(folder, "scores.jsonl")
    timing = ("predict_runtime", "predict_samples_per_second", "predict_steps_per_second")
    theirs = ("predict_bleu-4", "predict_rouge-1", "predict_rouge-2", "predict_rouge-l", *timing)
    assert set(theirs) <= set(found) and found["predict_model_preparation_time"] > 0
    mean = sum(row["nll"] for row in scores) / sum(row["num_label_tokens"] for row in scores)
    assert found["predict_perplexity"] == pytest.approx(math.exp(mean), rel=1e-4)
    assert found["predict_num_rows"] == 9 and json.loads((folder / "all_results.json").read_text()) == found
    log = lines(folder, files.METRICS)
    assert log[-1]["current_steps"] == log[-1]["total_steps"] == 9 and log[-1]["percentage"] == 100
    left = {path.name for path in folder.iterdir()}
    assert left >= {files.RESULT, files.ENVIRONMENT, files.DATA_REPORT} and files.ERROR not in left


@pytest.mark.parametrize("num_kept", [0, 3, 9])
def test_an_interrupted_run_goes_on_and_writes_what_the_straight_one_would(evaluate, tmp_path, num_kept, monkeypatch):
    _, straight = evaluate("straight")
    shutil.copytree(straight, tmp_path / "cut")
    whole = (straight / "generated_predictions.jsonl").read_text("utf-8").splitlines(keepends=True)
    torn = "".join(whole[:num_kept][::-1]) + (whole[num_kept][:40] if num_kept < 9 else "")
    (tmp_path / "cut" / "generated_predictions.jsonl").write_text(torn, "utf-8")
    asked = []
    take = ledger.Ledger.take
    monkeypatch.setattr(ledger.Ledger, "take", lambda self, one, *said: (asked.append(one), take(self, one, *said))[1])
    code, folder = evaluate("cut", per_device_eval_batch_size=2)
    assert code == 0 and len(asked) == 9 - num_kept
    assert lines(folder) == lines(straight) and figures(folder)["predict_num_rows"] == 9


def test_another_job_in_the_same_folder_begins_anew_and_the_same_one_keeps_its_figures(evaluate):
    _, folder = evaluate(system_prompts=["a", "b"])
    before = figures(folder)
    evaluate(system_prompts=["a", "b"])
    changing = "predict_model_preparation_time"
    assert figures(folder) | {changing: 0} == before | {changing: 0}
    evaluate(max_new_tokens=4)
    assert len(lines(folder)) == 9 and "by_system" in before and "by_system" not in figures(folder)


def test_a_stop_is_heeded_between_two_tokens_and_no_answer_is_lost(evaluate, tmp_path, monkeypatch):
    """Whatever order they came in; and the rest is drawn as it would have been."""
    drawn = {"do_sample": True, "temperature": 1.0, "per_device_eval_batch_size": 2}
    _, straight = evaluate("straight", **drawn)
    steps, taken = [], []
    step, take = asking.Asker._step, ledger.Ledger.take

    def stop_after_some(self, *more):
        steps.append(step(self, *more))
        if len(steps) == 16:
            files.request_stop(tmp_path / "halted")

    monkeypatch.setattr(asking.Asker, "_step", stop_after_some)
    monkeypatch.setattr(ledger.Ledger, "take", lambda *told: (taken.append(told), take(*told))[1])
    clock = SimpleNamespace(monotonic=iter(range(10**6)).__next__)  # of this module alone: servers of other tests run
    monkeypatch.setattr("studio.worker.progress.time", clock)
    code, folder = evaluate("halted", **drawn)
    assert code == 3 and len(steps) == 16 and not (folder / files.RESULT).exists()
    monkeypatch.undo()
    kept = lines(folder)
    assert 0 < len(kept) == len(taken) < 9 and all(line in lines(straight) for line in kept)
    (folder / files.STOP).unlink()
    assert evaluate("halted", **drawn)[0] == 0 and lines(folder) == lines(straight)


def test_rows_without_labels_are_answered_and_not_scored(evaluate, add, data_dir, capsys):
    add("mixed", [{"instruction": "a", "output": "b"}, {"instruction": "c", "output": ""}, {"instruction": "d"}, "no"])
    _, folder = evaluate(dataset="mixed")
    assert [line["label"] for line in lines(folder)] == ["b", None, None]
    assert "2 of 3 questions have no label" in capsys.readouterr().out
    assert figures(folder)["predict_num_rows"] == 3 and figures(folder)["predict_num_scored"] == 1
    assert json.loads((folder / files.DATA_REPORT).read_text())["num_dropped"] == 1
    (data_dir / "asked.jsonl").write_text('{"question": "who?"}\n', "utf-8")
    _, folder = evaluate("bare", dataset=str(data_dir / "asked.jsonl"))
    assert [line["label"] for line in lines(folder)] == [None]
    assert figures(folder)["predict_left_out"]["exact_match"] in ("no_labels", "not_asked")
    assert "predict_perplexity" not in figures(folder)


def test_no_row_that_can_be_asked_is_an_error(evaluate, add):
    add("odd", [{"instruction": 3, "output": "b"}])
    with pytest.raises(StudioError, match="can be asked"):
        evaluate(dataset="odd")


def test_the_rows_held_back_are_those_of_the_training(evaluate, job, data_dir, toy_model):
    from studio import data

    trained = job(dataset="sums", dataset_dir=str(data_dir), val_size=0.4, max_samples=8)
    kept = data.load(trained, toy_model).eval
    numbers = [int(store.numbers[row]) for store, row in map(kept.locate, range(len(kept)))]
    _, folder = evaluate(val_size=0.4, max_samples=8)
    assert [line["row"] for line in lines(folder)] == numbers and len(numbers) == 4


def test_the_rows_held_back_of_a_file_that_is_named_by_its_path(evaluate_job, data_dir, monkeypatch):
    path = str(data_dir / "sums.json")
    monkeypatch.setattr(rows, "_held_back", lambda *_: [(path, 5), (path, 2)])
    found = rows.find(evaluate_job(dataset=path, val_size=2), None, lambda *_: None)
    assert [(asked.dataset, asked.number) for asked in found.rows] == [("sums.json", 5), ("sums.json", 2)]


def test_two_files_of_one_name_are_two_sets_and_no_number_is_null(evaluate_job, tmp_path):
    paths = [tmp_path / folder / "test.json" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text('[{"instruction": "a", "output": "b", "score": NaN}]')
    found = rows.find(evaluate_job(dataset=",".join(map(str, paths))), None, lambda *_: None)
    assert [asked.dataset for asked in found.rows] == [str(path) for path in paths]
    assert found.rows[0].others == {"score": None}


def test_a_text_of_one_token_has_nothing_to_measure_and_no_number_is_null():
    learned = SimpleNamespace(input_ids=[1], labels=[1])
    meter = SimpleNamespace(_encoder=SimpleNamespace(encode=lambda rows: [learned]), _longest=8)
    assert perplexity.Meter._encoded(meter, [None]) == []
    assert perplexity.Measured(math.nan, 3).to_mapping() == {"nll": None, "num_label_tokens": 3}


def test_memory_that_is_too_small_makes_batches_smaller_and_then_an_error(evaluate, monkeypatch, capsys):
    _, straight = evaluate("straight")
    limit = [2]
    step = asking.Decoder._logits

    def narrow(self):
        if len(self.rows) > limit[0]:
            raise MemoryError("no room")
        return step(self)

    monkeypatch.setattr(asking.Decoder, "_logits", narrow)
    code, folder = evaluate("narrow")
    assert code == 0 and lines(folder) == lines(straight) and "2 rows at once" in capsys.readouterr().out
    limit[0] = 0
    with pytest.raises(StudioError) as error:
        evaluate("none")
    assert error.value.key == "out_of_memory"


def test_drawn_answers_are_the_same_for_a_seed_whatever_the_batch(evaluate):
    drawn = {"do_sample": True, "temperature": 1.0, "top_p": 1.0, "compute_perplexity": False}
    _, wide = evaluate("wide", **drawn)
    _, narrow = evaluate("narrow", **drawn, per_device_eval_batch_size=1)
    _, other = evaluate("other", **drawn, seed=7)
    assert lines(wide) == lines(narrow) != lines(other)


def test_questions_longer_than_cutoff_len_are_cut_as_in_training(evaluate, add):
    half = "a\ud83d"  # half a character, in a column that nobody reads: it could not be written
    add("long", [{"instruction": "x" * 200, "output": "y" * 20, "id": half, half: 1}])
    _, folder = evaluate(dataset="long", cutoff_len=100)
    assert lines(folder)[0]["prompt"].count("x") < 100 and figures(folder)["predict_num_rows"] == 1
    assert lines(folder)[0]["others"] == {"id": "a?", "a?": 1}


def test_predictions_that_are_there_are_scored_without_a_model(evaluate, tmp_path, monkeypatch):
    _, first = evaluate("first", metrics="exact_match")
    monkeypatch.setattr("studio.worker.evaluate.speaker.load", None)
    more = {"metrics": "f1", "predictions_from": str(first), "postprocess": "actions", "model_name_or_path": None}
    (tmp_path / "second" / "part-1-of-2").mkdir(parents=True)
    code, folder = evaluate("second", **more)
    assert not list(folder.glob("part-*"))
    assert code == 0 and lines(folder)[0]["predict"] == lines(first)[0]["predict"]
    assert "predict_f1" in figures(folder) and figures(folder)["predict_perplexity"] > 1
    assert (folder / "predict_postprocessed.json").is_file()


def test_texts_are_measured_alone(evaluate, add):
    add("texts", [{"text": "one two three"}, {"text": "four", "id": "\ud83d"}], columns={"prompt": "text"})
    code, folder = evaluate(dataset="texts", stage="pt")
    scores = lines(folder, "scores.jsonl")
    assert code == 0 and [row["num_label_tokens"] for row in scores] == [13, 4]  # the first is never guessed, an end is
    assert [line["prompt"] for line in lines(folder)] == ["one two three", "four"]
    assert figures(folder)["predict_perplexity"] > 1


def test_a_measure_that_was_interrupted_goes_on(evaluate, monkeypatch):
    _, folder = evaluate()
    before = lines(folder, "scores.jsonl")
    kept = [row if place < 4 else {} for place, row in enumerate(before)]
    (folder / "scores.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept), "utf-8")
    measured = []
    encode = perplexity.Encoder.encode

    def counted(self, rows):
        measured.append(len(rows))
        return encode(self, rows)

    monkeypatch.setattr(perplexity.Encoder, "encode", counted)
    evaluate()
    after = lines(folder, "scores.jsonl")
    assert measured == [5] and [row["nll"] for row in after] == pytest.approx([row["nll"] for row in before], rel=1e-5)


def test_parts_of_several_devices_are_joined_in_the_order_of_the_rows(evaluate, evaluate_job, tmp_path, monkeypatch):
    _, straight = evaluate("straight", val_size=0.8)
    folder = tmp_path / "whole"
    folder.mkdir()
    job = evaluate_job(val_size=0.8)
    assert [parts.answer(folder, job, index, 3) for index in range(3)] == [0, 0, 0]
    part = parts.part_folder(folder, 1, 3)
    kept = lines(part)
    (part / "generated_predictions.jsonl").write_text(json.dumps(kept[0]) + "\n", "utf-8")  # cut off, and gone on with
    assert parts.answer(folder, job, 1, 3) == 0 and lines(part) == kept
    assert parts.join(folder, 3) == 8 and lines(folder) == lines(straight)
    scores = [row["nll"] for row in lines(folder, "scores.jsonl")]
    assert scores == pytest.approx([row["nll"] for row in lines(straight, "scores.jsonl")], rel=1e-5)
    assert (folder / files.DATA_REPORT).is_file()
    # the parts stay: a run that was stopped while it scored asks nobody again
    monkeypatch.setattr(predict, "_answer", lambda _asker, questions, known, _pace:
                        predict.Answered() if len(known) == len(questions) else None)  # fmt: skip
    assert parts.answer(folder, job, 1, 3) == 0 and parts.join(folder, 3) == 8 and lines(folder) == lines(straight)


def test_what_was_left_out_in_parts_is_added_up(evaluate_job, tmp_path, monkeypatch):
    told = iter((predict.Answered(1.0, 6, 4, num_left_out=2), predict.Answered(1.0, 4, 4, num_left_out=1, num_cut=4),
                 predict.Answered(), predict.Answered(num_cut=4)))  # fmt: skip
    monkeypatch.setattr(predict, "run_part", lambda *_: ([("d", 1)], next(told)))
    assert [parts.answer(tmp_path, evaluate_job(), index, 2) for index in (0, 1)] == [0, 0]
    odd = {"predict_num_left_out": 3, "predict_num_cut": 4}
    speed = {"predict_runtime": 2.0, "predict_samples_per_second": 5.0, "predict_steps_per_second": 1.0}
    assert parts.figures(tmp_path, 2, 2.0) == odd | speed
    assert [parts.answer(tmp_path, evaluate_job(), index, 2) for index in (0, 1)] == [0, 0]
    assert parts.figures(tmp_path, 2, 2.0) == odd  # all were there


def test_a_part_heeds_the_stop_of_the_run_and_tells_its_error(evaluate_job, tmp_path, add):
    files.request_stop(tmp_path)
    assert parts.answer(tmp_path, evaluate_job(), 0, 2) == 3
    (tmp_path / files.STOP).unlink()
    assert parts.answer(tmp_path, evaluate_job(dataset="nowhere"), 0, 2) == 4
    with pytest.raises(StudioError, match="nowhere"):
        parts._check(tmp_path, [4, None])
