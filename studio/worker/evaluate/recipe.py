"""Evaluating, in one order: answer (or take answers that are there), score, split into fields, judge; or a benchmark.

Only what a job asks for is imported: scoring predictions that are there needs no model library.
"""

import time
from pathlib import Path

from studio import text
from studio.config import EvaluateJob
from studio.data.sql import databases
from studio.runs import folder as files
from studio.scoring import grammar, predictions, scored
from studio.worker.evaluate import parts
from studio.worker.progress import Progress, StopRequested

FINISHED, STOPPED = 0, 3


def run(folder: Path, job: EvaluateJob) -> int:
    """Evaluate as `job` says and leave the results in `folder`. Returns the worker's exit code."""
    progress = Progress(folder)
    if job.task:
        from studio.worker.evaluate import benchmark

        return benchmark.run(folder, job, progress)
    began_s = time.monotonic()
    try:
        split = _check(job)
        facts = _adopt(folder, job, progress) if job.predictions_from else _predict(folder, job, progress)
        results = score(folder, job, facts, progress)
        if split is not None:
            _say("postprocessed", **vars(grammar.postprocess(folder, split)))
        if job.judge_api_base or job.judge_server:
            from studio.worker.evaluate import judging

            judging.judge(folder, job, progress)
            results = files.read_json(folder / scored.RESULTS) or results
    except StopRequested:
        return STOPPED
    seconds = round(time.monotonic() - began_s, 3)
    files.write_json_atomic(folder / files.RESULT, {"metrics": results, "seconds": seconds})
    parts.clear(folder)
    return FINISHED


def score(folder: Path, job: EvaluateJob, facts: dict, progress: Progress) -> dict:
    """Score the folder's predictions as the job wants; returns what `predict_results.json` holds."""
    wanted = scored.Wanted(tuple(job.metrics), job.sql_databases, job.sql_timeout_s)
    return scored.score_folder(folder, wanted, facts, lambda done, total: progress("scoring", done, total, "rows"))


def _adopt(folder: Path, job: EvaluateJob, progress: Progress) -> dict:
    """Predictions that are there: of a run, a folder or a file."""
    progress("scoring")
    scored.adopt(predictions.place_of(job.predictions_from), folder)
    return {}


def _predict(folder: Path, job: EvaluateJob, progress: Progress) -> dict:
    """Answer the rows with the job's model; the figures of that."""
    taken = parts.devices_of(folder)
    if len(taken) > 1 and job.infer_backend == "huggingface":
        return parts.run(folder, job, progress, taken)
    from studio.worker.evaluate import predict

    return predict.run(folder, job, progress)


def _say(key: str, **values: object) -> None:
    print(text.catalogue(text.preferred_language())(f"notices.{key}", **values), flush=True)


def _check(job: EvaluateJob) -> grammar.Grammar | None:
    """The grammar of the answers. What is wrong with it, or with the databases, is said before the work."""
    if job.sql_databases:
        databases.find(Path(job.sql_databases))
    return grammar.load(job.postprocess) if job.postprocess else None
