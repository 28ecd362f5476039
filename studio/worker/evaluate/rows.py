"""The rows that are asked: those of `eval_dataset`, else the part that training holds back, else all of `dataset`.

Rows whose answer is missing are asked too; only what cannot be a question is left out, counted with its reason.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from studio import data, text
from studio.config import EvaluateJob, TrainJob, read_arguments
from studio.config.knobs import fields
from studio.data import dataset, detect, formats, intake, mixing, reading, registry, report
from studio.data.browse import views
from studio.data.problem import Problem
from studio.data.source import Columns, Source
from studio.errors import StudioError
from studio.runs import folder as run_folder

ANSWER = "-"  # stands for the answer that a row lacks, until the row is read
EMPTY = ("", None, [])


@dataclass(frozen=True)
class Asked:
    """A row of a data set, `number` counted from 1 there. `row.messages` end with the answer if `labelled`.

    `others`: the columns that are no part of the conversation.
    """

    dataset: str
    number: int
    row: formats.Row
    labelled: bool
    others: dict


@dataclass(frozen=True)
class Found:
    """The rows in the order they are asked in, and what became of the others."""

    rows: list[Asked]
    report: report.Report


def find(job: EvaluateJob, tokenizer_dir, progress, as_trained: TrainJob | None = None) -> Found:
    """The rows of a job. `as_trained`: the training job whose held back rows are meant, if it is at hand.

    Raises StudioError for data that is missing, unreadable, or empty.
    """
    names = job.eval_dataset or job.dataset
    sources = _named({name: _source(name, job) for name in dict.fromkeys(names)})
    held_back = None
    if job.val_size and not job.eval_dataset:
        held_back = _held_back(as_trained or _trained(job, sources), tokenizer_dir, progress)[: job.max_samples]
    tallies = {name: report.Tally() for name in sources}
    by_place = {}  # by the job's names: that of a source which was named by its path is another
    for name, source in sources.items():
        wanted = None if held_back is None else {number for found, number in held_back if found == name}
        read = _read(source, job, wanted, tallies[name], progress)
        by_place |= {(name, asked.number): asked for asked in read}
    rows = [by_place[place] for place in held_back or by_place if place in by_place]
    found = Found(rows, _report(rows, tallies, sources))
    if not rows:
        raise StudioError("evaluate_no_rows", names=", ".join(sources), why=_why(found.report))
    return found


def shots(job: EvaluateJob, progress) -> list[Asked]:
    """All rows of `shots_dataset` that can be an example: with an answer, without tools and pictures."""
    source = _source(job.shots_dataset, job)
    all_rows = job.model_copy(update={"max_samples": None})
    found = _read(source, all_rows, None, report.Tally(), progress)
    plain = [asked for asked in found if asked.labelled and not asked.row.tools and not asked.row.media]
    return [asked for asked in plain if all(message["role"] != "tool" for message in asked.row.messages)]


def _source(name: str, job: EvaluateJob) -> Source:
    """The data set of a name; a file of questions alone is one too."""
    try:
        source = registry.find(name, job.dataset_dir, job.media_dir)
    except StudioError as error:
        if error.key != "data_columns_unknown":
            raise
        source = _of_questions(name, error)
    if job.stage == "pt":
        dataset.check_stage(source, "pt")
    return source


def _named(sources: dict[str, Source]) -> dict[str, Source]:
    """Two files of one name in different folders go by the names in the job, or their rows would be the same ones."""
    known = Counter(source.name for source in sources.values())
    return {name: source if known[source.name] == 1 else replace(source, name=name) for name, source in sources.items()}


def _of_questions(name: str, error: StudioError) -> Source:
    path = error.values["file"]
    source = Source(name=name, path=path, media_dir=path.parent)
    first = next((raw for _, raw in reading.read_rows(source) if isinstance(raw, dict)), {})
    question = next((column for column in detect.QUESTIONS if column in first), None)
    if question is None:
        raise error
    optional = {key: key for key in ("system", "history", "tools") if key in first}
    query = "input" if "input" in first and question != "input" else None
    return replace(source, columns=Columns.none(prompt=question, query=query, **optional))


def _read(source: Source, job: EvaluateJob, wanted: set[int] | None, tally: report.Tally, progress) -> list[Asked]:
    """The usable rows of a set, at most `max_samples` (the first, or those that the registry has drawn)."""
    order = None
    if source.num_samples is not None and wanted is None:
        num_rows = sum(1 for _ in reading.read_rows(source))
        order = (mixing.sample(num_rows, source.num_samples, job.seed)[: job.max_samples] + 1).tolist()
        wanted = set(order)
    limit = job.max_samples if wanted is None else max(wanted, default=0)
    found = {}
    for number, raw in islice(reading.read_rows(source), limit):
        if wanted is not None and number not in wanted:
            continue
        tally.facts["read"] += 1
        asked = _asked(source, number, raw, job)
        if isinstance(asked, Problem):
            tally.drop(number, asked)
        else:
            tally.unfilled(asked.row.unfilled)
            found[number] = asked
        if tally.facts["read"] % intake.NUM_CHUNK_ROWS == 0:
            progress("tokenizing", tally.facts["read"], 0, "rows")
    return [found[number] for number in order or found if number in found]


def _asked(source: Source, number: int, raw: object, job: EvaluateJob) -> Asked | Problem:
    row = formats.to_row(source, raw, job.placeholders)
    labelled = True
    if isinstance(row, Problem) and isinstance(raw, dict) and (completed := _completed(source, raw)):
        row, labelled = formats.to_row(source, completed, job.placeholders), False
    if isinstance(row, Problem):
        return row
    if row.text is not None and job.stage == "sft":  # questions alone
        row, labelled = replace(row, text=None, messages=({"role": "user", "content": row.text},)), False
    elif not labelled:
        row = replace(row, messages=row.messages[:-1])
    labelled = labelled and row.good is not False  # an answer marked bad is no label
    if row.good is False:
        row = replace(row, messages=row.messages[:-1])
    used = {column for column in vars(source.columns).values() if column}
    others = {key: value for key, value in raw.items() if key not in used}
    others = json.loads(json.dumps(others, default=str), parse_constant=lambda _: None)  # NaN is no JSON
    return Asked(source.name, number, row, labelled, others)


def _completed(source: Source, raw: dict) -> dict | None:
    """The row with an answer where it has none; None where that is not what it lacks."""
    columns, tags = source.columns, source.tags
    if source.formatting == "alpaca":
        column = columns.response
        lacks = column and (raw.get(column) in EMPTY or not str(raw[column]).strip())
        return raw | {column: ANSWER} if lacks else None
    turns = raw.get(columns.messages)
    turns = formats.unpacked("messages", turns) if isinstance(turns, str) else turns
    if not isinstance(turns, list) or not turns or not isinstance(turns[-1], dict):
        return None
    last = turns[-1]
    if last.get(tags.role_tag) == tags.assistant_tag and last.get(tags.content_tag) in EMPTY:
        turns = turns[:-1]
    elif last.get(tags.role_tag) not in (tags.user_tag, tags.observation_tag):
        return None
    return raw | {columns.messages: [*turns, {tags.role_tag: tags.assistant_tag, tags.content_tag: ANSWER}]}


def _trained(job: EvaluateJob, sources: Mapping[str, Source]) -> TrainJob:
    """The training whose held back rows are asked: the one that is named, if it is of these sets, else one of the same
    keys. How the sets are mixed, which only a training knows, decides about the rows."""
    if job.held_back_of:
        path = Path(job.held_back_of)
        trained = read_arguments("train", [str(path / run_folder.JOB if path.is_dir() else path)]).job
        if isinstance(trained, TrainJob) and (trained.dataset, trained.val_size) == (job.dataset, job.val_size):
            return trained
    shared = fields(TrainJob).keys() & fields(EvaluateJob).keys()
    kept = {key: getattr(job, key) for key in shared if key not in ("output_dir", "per_device_eval_batch_size")}
    judged = {views.stage_of(source) for source in sources.values()} & set(data.JUDGED)
    stage = {"stage": judged.pop()} if len(judged) == 1 else {}
    return TrainJob(**(kept | {"adapter_name_or_path": [], "quantization_bit": None} | stage))


def _held_back(job: TrainJob, tokenizer_dir, progress) -> list[tuple[str, int]]:
    """(name, number) of each row that the training job evaluates on, in its order."""
    loose = {"tokenized_path": None, "packing": False, "neat_packing": False, "eval_on_each_dataset": False}
    kept = data.load(job.model_copy(update=loose), tokenizer_dir, progress).eval
    places = []
    for index in range(len(kept)):
        store, row = kept.locate(index)
        places.append((_name_of(kept, store, job.dataset), int(store.numbers[row])))
    return places


def _name_of(kept, store, names: Sequence[str]) -> str:
    return next(name for name, found in zip(names, kept.stores, strict=True) if found is store)


def _report(rows: list[Asked], tallies: dict[str, report.Tally], sources: dict[str, Source]) -> report.Report:
    facts = {name: tally.facts for name, tally in tallies.items()}
    found = report.gather((_Counted()), [_Counted(rows)], facts)
    notices = [notice for source in sources.values() for notice in (*source.notices, *reading.notices(source))]
    files = [file for source in sources.values() for file in reading.files_of(source)]
    return report.complete(found, notices, {str(file.resolve()): intake.digest(file) for file in files})


class _Counted(list):
    """Rows that nobody has counted the tokens of."""

    num_tokens = num_label_tokens = 0


def _why(found: report.Report) -> str:
    t = text.catalogue(text.preferred_language())
    return next(_reasons(found, t), "–")


def _reasons(found: report.Report, t: text.Catalogue) -> Iterator[str]:
    for dropped in found.dropped:
        yield dropped.text(t)
