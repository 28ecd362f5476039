"""Benchmarks on a toy model: letters as a plain pass gives them, the files, going on, and lm-evaluation-harness."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toy
from acting import key_of

from studio.runs import folder as files
from studio.worker.evaluate import benchmark, benchmark_choice, benchmark_harness, recipe
from studio.worker.evaluate import speaker as speakers
from studio.worker.evaluate.benchmark_book import SAMPLES, Book
from studio.worker.evaluate.benchmark_choice import Asker
from studio.worker.evaluate.exams import Exam, Subject
from studio.worker.evaluate.exams_files import LETTERS, Question
from studio.worker.progress import Progress

COLOURS = """
task: colours
dataset_path: json
dataset_kwargs: {data_files: {test: PLACE/colours.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: gold
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
SPOKEN = """
task: spoken
dataset_path: json
dataset_kwargs: {data_files: {test: PLACE/colours.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "yes"
generation_kwargs: {until: ["\\n"], max_gen_toks: 4}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


def question(number, subject="s"):
    choices = (f"{number}", "two and more", "3" * (number + 1), "fo")
    return Question(subject, number, f"How many is {'very ' * number}{number}?", choices, LETTERS[number % 4])


def exam_of(num_questions, num_shots):
    shots, asked = ([question(number + start) for number in range(count)]
                    for start, count in ((20, num_shots), (0, num_questions)))  # fmt: skip
    return Exam("x", "test", "en", (Subject("s", "sums", "STEM", tuple(shots), tuple(asked)),), (Path("x"), ""))


@pytest.fixture(scope="module")
def another(tmp_path_factory):
    return toy.build(tmp_path_factory.mktemp("another") / "model", seed=1, max_position_embeddings=2048)


@pytest.fixture
def speaker(evaluate_job, another, tmp_path):
    """A toy with large weights, so that what it says hangs on what it is asked."""
    found = speakers.load(evaluate_job(model_name_or_path=str(another)), Progress(tmp_path))
    with torch.no_grad():
        for parameter in found.model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(12)
    return found


def letters(asker, prepared, size):
    return {one.question.index: letter for batch in asker.answers(prepared, size) for one, letter in batch}


@torch.inference_mode()
def test_letters_are_those_of_a_plain_pass(speaker, monkeypatch):
    """As LLaMA-Factory computes them: the whole prompt, its last logits at the letters."""
    exam, asker = exam_of(12, 2), Asker(speaker, None, chat=False)
    prepared = [asker.prepare(exam, exam.subjects[0], one) for one in exam.subjects[0].questions]
    assert asker.letters == [speaker.tokenizer.encode(letter)[-1] for letter in LETTERS]
    logits = torch.stack([speaker.model(torch.tensor([one.ids])).logits[0, -1] for one in prepared])
    asker.letters = logits.argmax(-1).unique()[:4].tolist()  # tokens that it says now and then
    wanted = {place: LETTERS[row[asker.letters].argmax()] for place, row in enumerate(logits)}
    assert len(set(wanted.values())) > 2, "a model that always says the same proves nothing"
    kept = []
    computed = Asker._computed
    monkeypatch.setattr(Asker, "_computed", lambda self, ids: kept.append(ids) or computed(self, ids))
    for size in (1, 5, 12):
        assert letters(asker, prepared, size) == wanted
    assert len(kept[0]) > benchmark_choice.WORTH_KEEPING_TOKENS
    monkeypatch.setattr(benchmark_choice, "WORTH_KEEPING_TOKENS", 10**9)
    monkeypatch.setattr(asker, "keeps", False)
    assert letters(asker, prepared, 5) == wanted and len(kept) == 3
    assert letters(asker, prepared[:1], 5) == {0: wanted[0]} and letters(asker, [], 5) == {}


def test_how_a_question_is_written(speaker):
    exam = exam_of(1, 1)
    subject, one = exam.subjects[0], exam.subjects[0].questions[0]
    bare = Asker(speaker, None, chat=False).prepare(exam, subject, one).text
    assert bare.startswith("The following are") and bare.endswith("\nAnswer:")
    assert "\nAnswer:A\n\nHow many is 0?\nA. 0\n" in bare
    chat = Asker(speaker, None, chat=True).prepare(exam, subject, one).text
    assert chat.startswith("<|im_start|>user\nThe following") and chat.endswith("<|im_start|>assistant\n")
    short = replace(speaker, context_length=150)
    asked = Asker(short, None, chat=False).prepare(exam, subject, one)
    assert (asked.num_dropped, asked.cut) == (1, False) and bare.endswith(asked.text[-40:])
    tiny = Asker(replace(speaker, context_length=20), None, chat=False).prepare(exam, subject, one)
    assert tiny.cut and len(tiny.ids) == 20


def test_mini_from_job_to_files(evaluate):
    code, folder = evaluate(task="mini", lang="zh", dataset="")
    assert code == 0
    found = json.loads((folder / benchmark.ANSWERS).read_text("utf-8"))
    assert list(found)[:2] == ["suanshu", "ziran"] and list(found["ziran"]) == list("01234")
    assert set(found["suanshu"].values()) <= set(LETTERS)
    results = files.read_json(folder / benchmark.RESULTS)
    lines = (folder / benchmark.TABLE).read_text("utf-8").splitlines()
    assert lines[0] == f"        Average: {results['categories']['mini']['Average']:.2f}" and len(lines) == 5
    rows = [json.loads(line) for line in (folder / SAMPLES).read_text("utf-8").splitlines()]
    right = sum(row["correct"] for row in rows)
    assert results["num_questions"] == results["num_scored"] == len(rows) == 25
    assert results["tasks"]["mini"]["acc"] == 100 * right / 25
    assert files.read_json(folder / files.RESULTS)["tasks"] == results["tasks"]
    assert files.read_json(folder / files.RESULT)["tasks"] == results["tasks"]
    log = json.loads((folder / files.METRICS).read_text("utf-8").splitlines()[-1])
    assert (log["current_steps"], log["total_steps"], log["percentage"]) == (25, 25, 100)


def test_a_stop_and_going_on(evaluate, monkeypatch):
    add, asked = benchmark.Pace.add, []

    def counting(self, num_answered):
        asked.append(num_answered)
        if sum(asked) >= 8:
            files.request_stop(self.folder)
            self.progress.written_s = 0.0  # it looks ten times a second, and a toy is done before
        add(self, num_answered)

    monkeypatch.setattr(benchmark.Pace, "add", counting)
    code, folder = evaluate(task="mini", dataset="")
    kept = (folder / SAMPLES).read_text("utf-8")
    assert code == 3 and 0 < kept.count("\n") < 25 and not (folder / benchmark.RESULTS).exists()
    monkeypatch.undo()
    (folder / files.STOP).unlink()
    (folder / SAMPLES).write_text(kept + '{"task": "mi', "utf-8")
    batches, answers = [], Asker.answers
    monkeypatch.setattr(Asker, "answers", lambda self, asked, size: batches.extend(asked) or answers(self, asked, size))
    assert evaluate(task="mini", dataset="")[0] == 0
    assert len(batches) == 25 - kept.count("\n") and (folder / SAMPLES).read_text("utf-8").count("\n") == 25
    evaluate(task="mini", dataset="", n_shot=1)
    assert len(batches) == 50 - kept.count("\n"), "with other examples it is another question"
    monkeypatch.setattr(benchmark, "weights", lambda *_: "trained again")
    evaluate(task="mini", dataset="", n_shot=1)
    assert len(batches) == 75 - kept.count("\n"), "and with other weights another model"


@pytest.fixture
def tasks(tmp_path):
    """A folder of task descriptions for lm-evaluation-harness, with local rows."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    rows = [{"question": f"Is {word} a colour?", "choices": ["yes", "no"], "gold": place % 2}
            for place, word in enumerate(["red", "dog", "blue", "cat"])]  # fmt: skip
    (folder / "colours.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "colours.yaml").write_text(COLOURS.replace("PLACE", str(folder)))
    (folder / "spoken.yaml").write_text(SPOKEN.replace("PLACE", str(folder)))
    return folder


def test_local_tasks_of_the_harness_beside_an_exam(evaluate, tasks, monkeypatch, capsys):
    managers = []
    from lm_eval.tasks import TaskManager

    init = TaskManager.__init__
    monkeypatch.setattr(TaskManager, "__init__", lambda self, *a, **k: managers.append(k) or init(self, *a, **k))
    code, folder = evaluate(task="mini, colours,spoken,colours", task_dir=str(tasks), dataset="", max_samples=3)
    assert code == 0 and [one["include_defaults"] for one in managers] == [False]
    results = files.read_json(folder / benchmark.RESULTS)
    assert list(results["tasks"]) == ["mini", "colours", "spoken"] and list(results["categories"]) == ["mini"]
    rows = [json.loads(line) for line in (folder / SAMPLES).read_text("utf-8").splitlines()]
    asked = [row for row in rows if row["task"] == "colours"]
    assert [row["index"] for row in asked] == [0, 1, 2] and asked[0]["prompt"] == "Is red a colour?"
    assert results["tasks"]["colours"]["acc"] == pytest.approx(100 * sum(row["correct"] for row in asked) / 3)
    assert all(row["correct"] == (row["answer"] == row["label"]) for row in asked)
    assert [row["label"] for row in asked] == ["yes", "no", "yes"]
    assert results["tasks"]["spoken"] == {"exact_match": 0.0}
    assert results["num_questions"] == len(rows) == 5 * 3 + 6
    assert "colours: acc" in capsys.readouterr().out


def test_the_harness_stops_between_two_batches(evaluate, tasks, monkeypatch):
    add = benchmark.Pace.add

    def stopping(self, num_answered):
        if num_answered:
            files.request_stop(self.folder)
        add(self, num_answered)

    monkeypatch.setattr(benchmark.Pace, "add", stopping)
    code, folder = evaluate(task="colours", task_dir=str(tasks), dataset="", per_device_eval_batch_size=1)
    assert code == 3 and not (folder / benchmark.RESULTS).exists()


def test_what_cannot_be_asked_is_said_before_a_model_is_loaded(evaluate_job, tasks, monkeypatch, tmp_path):
    from lm_eval.tasks import TaskManager

    def local(include_path, include_defaults):  # its own 15,000 take a quarter of a minute
        return TaskManager(include_path=include_path, include_defaults=False)

    monkeypatch.setattr(speakers, "load", None)
    monkeypatch.setattr("lm_eval.tasks.TaskManager", local)

    def key(**keys):
        job = evaluate_job(task_dir=str(tasks), dataset="", **keys)
        return key_of(recipe.run, tmp_path, job)

    assert key(task="colour") == "benchmark_unknown" and key(task="mmlu") == "exam_missing"
    (tasks / "colours.jsonl").unlink()
    assert key(task="spoken") == "benchmark_no_data"
    (tasks / "broken.yaml").write_text("task: broken\ndataset_path: json\noutput_type: nonsense\n")
    assert key(task="broken") in ("benchmark_broken", "benchmark_no_data")


def test_figures_of_the_harness_in_percent():
    found = benchmark_harness._figures({"acc,none": 0.25, "acc_stderr,none": "N/A", "word_perplexity,none": 12.5,
                                        "exact_match,strict": 1.0, "alias": "x", "sample_len": 4})  # fmt: skip
    assert found == {"acc": 25.0, "word_perplexity": 12.5, "exact_match (strict)": 100.0}


def test_lines_of_others_are_no_answers_of_ours(tmp_path):
    own = {"task": "t", "index": 0, "answer": "A", "digest": "d"}
    (tmp_path / SAMPLES).write_text('{"foreign": 1}\n[2]\nno json\n' + json.dumps(own) + "\n")
    assert list(Book(tmp_path, "m")._answers.values()) == ["A"]
