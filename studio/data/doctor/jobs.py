"""The doctor's round over a training job."""

from collections.abc import Iterator

import numpy as np

from studio.config import TrainJob
from studio.data import dataset, registry
from studio.data.browse.lens import Lens, tokenizer_dir
from studio.data.doctor import repeats
from studio.data.doctor.examination import examine, rows_of
from studio.data.doctor.finding import NUM_KEPT, Finding, worst_first
from studio.data.doctor.mending import Values
from studio.data.making.spool import Progress
from studio.data.problem import Problem
from studio.data.rows import EncodedRows
from studio.data.source import Source
from studio.errors import StudioError


def check_job(job: TrainJob, progress: Progress | None = None) -> tuple[Finding, ...]:
    """What is wrong with each set of the job, with its template, and between what is learned and evaluated on."""
    found: list[Finding] = []
    sources: dict[str, Source] = {}
    for name in dict.fromkeys((*job.dataset, *job.eval_dataset)):
        try:
            sources[name] = registry.find(name, job.dataset_dir)
        except StudioError as error:
            found.append(Finding("missing", name, values={"why": error}))
    held_out = [sources[name] for name in job.eval_dataset if name in sources and sources[name].path]
    for name, source in sources.items():
        try:
            dataset.check_stage(source, job.stage)
        except StudioError as error:
            found.append(Finding("stage", name, values={"why": error}))
        lens = Lens.of(job) if job.model_name_or_path else None
        against = held_out if name in job.dataset else ()
        found += examine(source, lens=lens, against=against, progress=progress)
    if job.val_size and not job.eval_dataset and len(sources) == len({*job.dataset}):
        found += _between_parts(job, sources)
    return worst_first(found)


def values_of(job: TrainJob) -> Values:
    """What a fix needs so that it mends what `check_job` found in the sets of `dataset`."""
    held_out = [registry.find(name, job.dataset_dir) for name in job.eval_dataset]
    return Values(Lens.of(job) if job.model_name_or_path else None, held_out, dict(job.placeholders))


def _between_parts(job: TrainJob, sources: dict[str, Source]) -> Iterator[Finding]:
    """Questions that stand on both sides of `val_size`: the parts are those of training itself. Nothing is said where
    the model is not here, or no training could begin; what is wrong then stands in another finding."""
    loose = {"tokenized_path": None, "packing": False, "neat_packing": False}
    try:
        found = dataset.load(job.model_copy(update=loose), tokenizer_dir(Lens.of(job)))
    except StudioError:
        return
    asked = [_questions(sources[name], job.placeholders) for name in job.dataset]
    kept, held_back = (_places(rows, asked) for rows in (found.train, found.eval))
    both = np.isin(held_back[:, 0], kept[:, 0])
    if both.any():
        rows = tuple(sorted(held_back[both, 1].tolist())[:NUM_KEPT]) if len(asked) == 1 else ()
        yield Finding("val_leak", ", ".join(job.dataset), int(both.sum()), rows, {"total": len(held_back)})


def _questions(source: Source, placeholders: dict[str, str]) -> dict[int, int]:
    """A number for the question of each row that can be used."""
    usable = (seen for seen in rows_of(source, None, placeholders) if not isinstance(seen.row, Problem))
    return {seen.number: repeats.key_of(seen) for seen in usable}


def _places(rows: EncodedRows, asked: list[dict[int, int]]) -> np.ndarray:
    """(rows, 2) uint64: the number of each row's question, and the row it is asked in."""
    places = (rows.locate(index) for index in range(len(rows)))
    found = [(asked[rows.stores.index(store)], int(store.numbers[row])) for store, row in places]
    return np.array([(numbers[row], row) for numbers, row in found], np.uint64).reshape(-1, 2)
