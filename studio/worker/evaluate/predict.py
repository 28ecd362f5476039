"""Predicting: the rows answered and their labels measured, or texts measured, into the files that scoring reads.

    answered = predict_rows(speaker, found, job, Pace(folder, progress, PHASE, "rows"))

`generated_predictions.jsonl` is written while answers come; the surprise of each label goes into `scores.jsonl`, line
for line with it. Whatever was written before an interruption is kept.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio import text
from studio.config import EvaluateJob
from studio.errors import StudioError
from studio.runs import folder as files
from studio.scoring import predictions, scored
from studio.worker import environment
from studio.worker import place as places
from studio.worker.evaluate import perplexity, rows, shots, turns, writing
from studio.worker.evaluate import speaker as speakers
from studio.worker.evaluate.asking import Asker
from studio.worker.evaluate.benchmark_pace import Pace, speed
from studio.worker.evaluate.ledger import Answer
from studio.worker.evaluate.rows import Asked, Found
from studio.worker.evaluate.speaker import Speaker
from studio.worker.evaluate.turns import Question
from studio.worker.progress import Progress

PHASE = "predicting"


@dataclass
class Answered:
    """What was answered at this start, in `runtime_s`; what could not be asked, and the first of that.

    `num_cut`: answers that ended at the longest that is allowed, those of earlier starts included.
    """

    runtime_s: float = 0.0
    num_answers: int = 0
    batch: int = 1
    num_cut: int = 0
    num_questions_cut: int = 0
    num_left_out: int = 0
    first_left_out: Answer | None = None

    def take(self, answer: Answer) -> None:
        """Count an answer."""
        if answer.problem is not None:
            self.num_left_out += 1
            self.first_left_out = self.first_left_out or answer
            return
        self.num_answers += 1
        self.num_questions_cut += answer.question_cut

    @property
    def odd(self) -> dict[str, int]:
        """What was not as it should be, as keys of `predict_results.json`."""
        odd = {"left_out": self.num_left_out, "cut": self.num_cut, "questions_cut": self.num_questions_cut}
        return {f"predict_num_{name}": count for name, count in odd.items() if count}

    def figures(self) -> dict:
        """LLaMA-Factory's keys of `predict_results.json`, and what was not as it should be."""
        if not self.num_answers:  # all were there: the figures of the earlier start stand
            return self.odd
        return self.odd | speed(self.num_answers, self.batch, self.runtime_s)

    def tell(self, job: EvaluateJob) -> None:
        """Say what was not as it should be."""
        t = text.catalogue(text.preferred_language())
        if self.first_left_out is not None:
            print(t("notices.evaluate_left_out", count=self.num_left_out, first=self.why(t)), flush=True)
        if self.num_questions_cut:
            print(t("notices.evaluate_cut_questions", count=self.num_questions_cut), flush=True)
        if self.num_cut:
            print(t("notices.evaluate_cut_answers", count=self.num_cut, limit=job.max_new_tokens), flush=True)

    def why(self, t: text.Catalogue) -> str:
        """Why the first was left out that was."""
        asked, problem = self.first_left_out.question.asked, self.first_left_out.problem
        return t("errors.row_dropped", source=asked.dataset, row=asked.number, why=problem.text(t))


def run(folder: Path, job: EvaluateJob, progress: Progress) -> dict:
    """Have the job's model answer its rows; the figures of that. Raises StudioError and StopRequested as below."""
    began_s = time.monotonic()
    if job.infer_backend != "huggingface":
        from studio.worker.evaluate import remote

        with remote.started(folder, job, progress) as (speaker, asker):
            return _run(speaker, asker, job, Pace(folder, progress, PHASE, "rows"), began_s)
    speaker = speakers.load(job, progress)
    return _run(speaker, None, job, Pace(folder, progress, PHASE, "rows"), began_s)


def run_part(folder: Path, job: EvaluateJob, progress: Progress, index: int, count: int) -> tuple[list, Answered]:
    """As `run`, for each `count`-th row, from the row `index` on; (data set, number) of these rows in their order, and
    what was answered."""
    speaker = speakers.load(job, progress)
    found = _found(speaker, job, folder, progress)
    chosen, answered = Found(found.rows[index::count], found.report), Answered()
    try:
        if chosen.rows:
            answered = predict_rows(speaker, chosen, job, Pace(folder, progress, PHASE, "rows"))
    except StudioError as error:
        if error.key != "evaluate_no_rows":  # of a part, that is for the whole to say
            raise
    (folder / predictions.PREDICTIONS).touch()
    return [(asked.dataset, asked.number) for asked in chosen.rows], answered


def _found(speaker: Speaker, job: EvaluateJob, folder: Path, progress: Progress) -> Found:
    """The rows, with what is to be known about them and the model written down."""
    found = rows.find(job, speaker.folder, progress)
    _report(found, folder)
    if speaker.model is not None:
        where = places.Place(speaker.device, None, speaker.model.dtype)
        environment.record(folder, job, where, speaker.path, found.report.files)
    return found


def _run(speaker: Speaker, asker, job: EvaluateJob, pace: Pace, began_s: float) -> dict:
    found = _found(speaker, job, pace.folder, pace.progress)
    prepared_s = time.monotonic() - began_s
    answered = predict_rows(speaker, found, job, pace, asker)
    preparation = {"predict_model_preparation_time": round(prepared_s, 4)}
    return preparation | answered.figures()


def predict_rows(speaker: Speaker, found: Found, job: EvaluateJob, pace: Pace, asker=None) -> Answered:
    """Answer the rows of `found` and measure their labels, in the folder of `pace`. Raises StopRequested where the run
    is to end. `asker`: who answers, if not the speaker's model.

    Raises StudioError for a model without a chat template, or a memory that is too small for one row.
    """
    folder = pace.folder
    if job.stage == "pt":
        return _measure_texts(speaker, found.rows, job, pace)
    examples = shots.load(job, pace.progress)
    questions = turns.questions(found.rows, job, examples)
    words = [speaker.template and speaker.template.key, examples and examples.talks]
    known = writing.begin(folder, writing.fingerprint(job, found.report.files, speaker.path, words), questions)
    began_s = time.monotonic()
    asker = asker or Asker(speaker, job)
    batch, answered = asker.batch, _answer(asker, questions, known, pace)
    answered.runtime_s, answered.batch = time.monotonic() - began_s, batch
    asked = writing.finish(folder, questions)
    answered.num_cut = sum(bool(line.get("cut")) for line in predictions.read(folder).lines()) if asked else 0
    answered.tell(job)
    if not asked:
        t = text.catalogue(text.preferred_language())
        names = ", ".join(dict.fromkeys(question.asked.dataset for question in questions))
        raise StudioError("evaluate_no_rows", names=names, why=answered.why(t))
    if job.compute_perplexity and speaker.model is not None:
        _measure(speaker, [perplexity.labelled(question) for question in asked], job, pace)
    return answered


def _answer(asker, questions: Sequence[Question], known: set[int], pace: Pace) -> Answered:
    """Write the answers to all questions but the `known`, as they come."""
    answered, t = Answered(), text.catalogue(text.preferred_language())
    if known:
        print(t("notices.evaluate_resumed", count=len(known), total=len(questions)), flush=True)
    if unlabelled := sum(question.label is None for question in questions):
        print(t("notices.evaluate_unlabelled", count=unlabelled, total=len(questions)), flush=True)
    pace.expect(len(questions))
    pace.keep(len(known))

    def tell(done: int) -> None:
        pace.add(len(known) + done - pace.done)

    path = pace.folder / predictions.PREDICTIONS
    with open(path, "a", encoding="utf-8", errors="replace") as file:  # half a character in a column, in an answer
        for answer in asker.answers(questions, known, tell):
            answered.take(answer)
            if answer.problem is None:
                file.write(json.dumps(answer.to_mapping(), ensure_ascii=False) + "\n")
                file.flush()
    return answered


def _measure(speaker: Speaker, learned: Sequence, job: EvaluateJob, pace: Pace) -> None:
    """The surprise of each line's label, into `scores.jsonl`, some at a time; what was measured before is kept."""
    known = predictions.scores_of(predictions.read(pace.folder))
    left = [place for place, row in enumerate(learned) if row is not None and "nll" not in known[place]]
    if not left:
        return
    meter, done = perplexity.Meter(speaker, job), len(learned) - len(left)
    for begin in range(0, len(left), perplexity.CHUNK_ROWS):
        chunk = left[begin : begin + perplexity.CHUNK_ROWS]

        def tell(num_measured: int, before: int = done + begin) -> None:
            pace.progress("measuring", before + num_measured, len(learned), "rows")

        found = meter.measure([learned[place] for place in chunk], tell)
        measured = {place: one.to_mapping() for place, one in zip(chunk, found, strict=True) if one}
        scored.add_scores(pace.folder, measured)


def _report(found: Found, folder: Path) -> None:
    """Say what became of the rows; the page shows the same file."""
    files.write_json_atomic(folder / files.DATA_REPORT, found.report.to_mapping())
    for line in found.report.lines()[1:]:  # the first counts rows to learn from
        print(line, flush=True)


def _measure_texts(speaker: Speaker, found: Sequence[Asked], job: EvaluateJob, pace: Pace) -> Answered:
    """Plain texts: nothing is answered; a line holds the text, so that rows of two runs can be compared."""
    began_s = time.monotonic()
    (pace.folder / predictions.SCORES).unlink(missing_ok=True)
    with open(pace.folder / predictions.PREDICTIONS, "w", encoding="utf-8", errors="replace") as file:
        for asked in found:
            said = asked.row.text
            if said is None:  # a conversation, read as a text
                said = "\n".join(message.get("content") or "" for message in asked.row.messages)
            facts = turns.Question(asked, (), None).facts
            file.write(json.dumps({"prompt": said, "predict": "", "label": None, **facts}, ensure_ascii=False) + "\n")
    _measure(speaker, [asked.row for asked in found], job, pace)
    return Answered(time.monotonic() - began_s, len(found), job.batch_size)
