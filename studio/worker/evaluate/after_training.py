"""`do_predict` of a training run: its evaluation rows answered by the model as it lies in memory, and scored."""

from pathlib import Path

from studio.config import EvaluateJob, TrainJob, source
from studio.data.tokens import ModelTokens
from studio.worker.evaluate import predict, recipe, rows, writing
from studio.worker.evaluate import speaker as speakers
from studio.worker.evaluate.benchmark_pace import Pace
from studio.worker.progress import Progress


class Unlogged(Pace):
    """Progress without lines in `trainer_log.jsonl`, which holds the steps of the training."""

    def _log(self, now_s: float) -> None:
        self.told_s = now_s


def run(model, tokenizer, job: TrainJob, folder: Path, progress: Progress) -> dict:
    """Answer and score what the run evaluates on (all it learned from, where that is nothing), with the model in
    memory; returns what `predict_results.json` holds. Raises StudioError, and StopRequested where the run is to end.
    """
    wanted = evaluate_job(job)
    tokens = ModelTokens(folder)
    plain = wanted.stage == "pt" and wanted.template is None and tokens.chat_template is None
    template = None if plain else speakers.chat_template(wanted, tokens)
    speaker = speakers.of_training(model, tokenizer, template, folder)
    writing.forget(folder)  # answers of an earlier attempt: the model is another one by now
    found = rows.find(wanted, folder, progress, as_trained=job)
    pace = Unlogged(folder, progress, predict.PHASE, "rows")
    answered = predict.predict_rows(speaker, found, wanted, pace)
    figures = answered.figures()
    return recipe.score(folder, wanted, figures, progress)


def evaluate_job(job: TrainJob) -> EvaluateJob:
    """The evaluation that a training job asks for at its end: as one of its own would be read from its file."""
    kept = source.kept_keys("evaluate", job.to_mapping())
    kept |= {"stage": "pt" if job.stage == "pt" else "sft", "output_dir": None}
    return EvaluateJob(**kept)

