"""Benchmarks: exams in LLaMA-Factory's form, and the tasks of lm-evaluation-harness, on one model.

    results.json            LLaMA-Factory's: {subject: {index: letter}}; of several exams {exam: {subject: …}}
    results.log             its printed table; of several exams each under its name
    benchmark_results.json  {"tasks": {name: {metric: value}}, "categories": {exam: {"Average": …, "STEM": …}},
                            "num_questions": n, "num_scored": n, "left_out": {exam: why}, "seconds": s}
    benchmark_samples.jsonl {"task", "subject", "index", "prompt", "answer", "label", "correct"} a question

Accuracies are percent. An exam's questions are written down as they are answered, and a start after a stop asks only
the others; what the harness asks, it asks anew.
"""

import time
from pathlib import Path
from typing import Any

from studio import text
from studio.config import EvaluateJob
from studio.runs import folder as run_folder
from studio.worker import environment
from studio.worker import place as places
from studio.worker.evaluate import benchmark_harness, exams, exams_hub
from studio.worker.evaluate import speaker as speakers
from studio.worker.evaluate.benchmark_book import Book
from studio.worker.evaluate.benchmark_choice import Asker
from studio.worker.evaluate.benchmark_pace import PHASE, Pace
from studio.worker.evaluate.exams import Exam
from studio.worker.evaluate.writing import weights
from studio.worker.progress import Progress, StopRequested

FINISHED, STOPPED = 0, 3
ANSWERS, TABLE, RESULTS = "results.json", "results.log", "benchmark_results.json"
Answers = dict[tuple[str, int], str]  # by subject and index: a letter


def run(folder: Path, job: EvaluateJob, progress: Progress) -> int:
    """Ask what `job.task` names and write the results. Returns the worker's exit code.

    Raises StudioError for a benchmark that is unknown, or whose files are neither here nor at the hub; all are looked
    for before a model is loaded.
    """
    began_s = time.monotonic()
    try:
        progress(PHASE)
        asked, others = _plan(job)
        speaker = speakers.load(_here(job), progress)
        where = places.Place(speaker.device, None, speaker.model.dtype)
        sums = {str(place): sha256 for place, sha256 in (exam.source for exam in asked)}
        environment.record(folder, job, where, speaker.path, sums)
        pace = Pace(folder, progress)
        model = (speaker.path, job.adapter_name_or_path, where.weights, job.quantization_bit)
        book = Book(folder, f"{model} {weights(job, speaker.path)}")
        asker = Asker(speaker, job.template, job.apply_chat_template)
        pace.expect(sum(exam.num_questions for exam in asked))
        sat = [(exam, *_sit(exam, asker, job.batch_size, pace, book)) for exam in asked]
        harness = others.run(speaker, pace) if others else None
    except StopRequested:
        return STOPPED
    book.replace([line for _, _, lines in sat for line in lines] + (harness.samples if harness else []))
    _write_letters(folder, [(exam, answers) for exam, answers, _ in sat])
    figures = _figures([(exam, answers) for exam, answers, _ in sat], harness)
    figures["seconds"] = round(time.monotonic() - began_s, 3)
    run_folder.write_json_atomic(folder / RESULTS, figures)
    everything = (run_folder.read_json(folder / run_folder.RESULTS) or {}) | figures
    run_folder.write_json_atomic(folder / run_folder.RESULTS, everything)
    run_folder.write_json_atomic(folder / run_folder.RESULT, figures)
    return FINISHED


def names(job: EvaluateJob) -> list[str]:
    """The benchmarks that a job names, each once."""
    return list(dict.fromkeys(name.strip() for name in (job.task or "").split(",") if name.strip()))


def _here(job: EvaluateJob) -> EvaluateJob:
    """The job, asked by the studio's own engine, which alone tells the logits."""
    if job.infer_backend == "huggingface":
        return job
    _say("benchmark_backend", backend=job.infer_backend)
    return job.model_copy(update={"infer_backend": "huggingface"})


def _plan(job: EvaluateJob) -> tuple[list[Exam], "benchmark_harness.Harness | None"]:
    """The exams, read; and what is left to the harness."""
    asked, others = [], []
    for name in names(job):
        place, (known, part) = exams.find(name, job), exams.split_name(name, job.split)
        if place is None and known in exams_hub.PUBLISHED:
            place = exams_hub.bring(known, job, exams.folders(job))
        if place is None:
            others.append(name)
        else:
            asked.append(exams.load(name, place, job))
            if asked[-1].part != part:
                _say("exam_other_part", task=name, part=part, asked=asked[-1].part)
    return asked, benchmark_harness.prepare(others, job, exams.folders(job)) if others else None


def _sit(exam: Exam, asker: Asker, size: int, pace: Pace, book: Book) -> tuple[Answers, list[dict[str, Any]]]:
    """Ask an exam, subject by subject; the letters, and the lines of all questions in order."""
    answers: Answers = {}
    lines, short = [], []
    for subject in exam.subjects:
        prepared = [asker.prepare(exam, subject, question) for question in subject.questions]
        if not lines and prepared:
            _say("exam_first", task=exam.task)
            print(prepared[0].text, flush=True)
        known = {one.question.index: letter for one in prepared if (letter := book.answer(exam.task, one))}
        found = {(subject.key, index): letter for index, letter in known.items()}
        pace.keep(len(known))
        for batch in asker.answers([one for one in prepared if one.question.index not in known], size):
            found |= {(subject.key, one.question.index): letter for one, letter in batch}
            book.add(book.line(exam.task, exam.written(one.question), one, letter) for one, letter in batch)
            pace.add(len(batch))
        answers |= found
        for one in prepared:
            letter = found[subject.key, one.question.index]
            lines.append(book.line(exam.task, exam.written(one.question), one, letter))
        short += [one for one in prepared if one.num_dropped]
    if short:  # since it lowers the score
        num_cut, num_tokens = sum(one.cut for one in short), asker.speaker.context_length
        _say("exam_shortened", task=exam.task, count=len(short), cut=num_cut, tokens=num_tokens)
    return answers, lines


def _say(key: str, **values: object) -> None:
    """A notice in the log."""
    print(text.catalogue(text.preferred_language())(f"notices.{key}", **values), flush=True)


def _write_letters(folder: Path, sat: list[tuple[Exam, Answers]]) -> None:
    """LLaMA-Factory's two files."""
    if not sat:
        return
    letters = {exam.task: exams.letters(exam, answers) for exam, answers in sat}
    tables = {exam.task: exams.table(exams.marks(exam, answers)) for exam, answers in sat}
    for exam, answers in sat:
        if not exams.marks(exam, answers):
            _say("exam_no_answers", task=exam.task)
    alone = len(sat) == 1
    run_folder.write_json_atomic(folder / ANSWERS, next(iter(letters.values())) if alone else letters)
    words = "\n\n".join(table if alone else f"{task}\n{table}" for task, table in tables.items())
    run_folder.write_text_atomic(folder / TABLE, words + "\n")
    print(words, flush=True)


def _figures(sat: list[tuple[Exam, Answers]], harness: "benchmark_harness.Found | None") -> dict[str, Any]:
    """`benchmark_results.json` without the time."""
    marks = {exam.task: exams.marks(exam, answers) for exam, answers in sat}
    num_scored = sum(question.answer is not None for exam, _ in sat for _, question in exams.each(exam))
    tasks = {task: {"acc": found[exams.CATEGORIES[0]]} for task, found in marks.items() if found}
    return {
        "tasks": tasks | (harness.tasks if harness else {}),
        "categories": {task: found for task, found in marks.items() if found},
        "num_questions": sum(exam.num_questions for exam, _ in sat) + (harness.num_questions if harness else 0),
        "num_scored": num_scored + (harness.num_questions if harness else 0),
        "left_out": {task: "no_labels" for task, found in marks.items() if not found},
    } | ({"lm_eval": harness.version} if harness else {})
