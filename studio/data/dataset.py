"""A job's data: its sets read, encoded, mixed and split, as the trainer takes them.

    dataset = load(job, tokenizer_dir)
    dataset.train[0]["input_ids"], dataset.eval, dataset.report.lines()

Everything depends on the job and the files alone: the same seed gives the same rows in the same order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.config import Notice, TrainJob
from studio.data import intake, mixing, reading, registry, remote, report, saved, template
from studio.data.encode import JUDGED, Encoder
from studio.data.mixing import PackedRows
from studio.data.packing import PackedChats
from studio.data.report import Report
from studio.data.rows import EncodedRows
from studio.data.source import Source
from studio.data.template import ChatTemplate
from studio.data.tokens import ModelTokens
from studio.errors import StudioError

Rows = EncodedRows | PackedRows


@dataclass(frozen=True)
class DataSet:
    """`eval` is None where nothing is held back, a dict by name under `eval_on_each_dataset`."""

    train: Rows | PackedChats
    eval: Rows | dict[str, Rows] | None
    report: Report


def load(
    job: TrainJob,
    tokenizer_dir: Path | str,
    progress: intake.Progress | None = None,
    extra_tokens: Sequence[str] = (),
) -> DataSet:
    """The rows of `job`, for the tokenizer in `tokenizer_dir`, to which training adds `extra_tokens` in this order.

    Raises StudioError for data that is missing, unreadable, of the wrong kind for the stage, or empty.
    """
    kept = job.tokenized_path and Path(job.tokenized_path).expanduser()
    if kept and saved.holds(kept):
        train, held_back, found = saved.read(kept)
        if any(store.stage != _judged(job) for store in train.stores):
            raise StudioError("data_tokenized_stage", folder=kept, stage=job.stage)
        return DataSet(_packed(job, train), held_back, found)
    tokens = ModelTokens(Path(tokenizer_dir), tuple(extra_tokens), job.split_special_tokens)
    chosen = chat_template(job, tokens)
    names = dict.fromkeys((*job.dataset, *job.eval_dataset))
    sources = {name: registry.find(name, job.dataset_dir, job.media_dir) for name in names}
    for source in sources.values():
        check_stage(source, job.stage)
    taker = intake.Intake(encoder_of(job, chosen, tokens), job.placeholders, job.max_samples, job.seed, progress)
    taken = {name: taker.take(source, _need(job) if name in job.dataset else None) for name, source in sources.items()}
    train, held_back = _parts(job, {name: rows for name, (rows, _) in taken.items()})
    if _packs(job):
        train = PackedRows(train, job.cutoff_len)
        held_back = {name: PackedRows(rows, job.cutoff_len) for name, rows in held_back.items()}
    facts = {name: fact for name, (_, fact) in taken.items()}
    found = report.gather(train, held_back.values(), facts)
    notices = [*_notices(job, chosen, sources, extra_tokens), *report.unused(job.placeholders, facts)]
    found = report.complete(found, notices, _digests(sources))
    if kept:
        saved.write(kept, train, held_back, found)
    return DataSet(_packed(job, train), saved.single(held_back), found)


def chat_template(job: TrainJob, tokenizer_dir: Path | str | ModelTokens) -> ChatTemplate | None:
    """The template of a job; None where there is none and plain text needs none."""
    tokens = tokenizer_dir if isinstance(tokenizer_dir, ModelTokens) else ModelTokens(Path(tokenizer_dir))
    if job.stage == "pt" and job.template is None and tokens.chat_template is None:
        return None
    return template.load(
        job.template,
        tokens,
        default_system=job.default_system,
        enable_thinking=job.enable_thinking,
        tool_format=job.tool_format,
        every_turn=_judged(job) == "sft" and (job.preserve_thinking or not job.mask_history),
        keep_thoughts=job.preserve_thinking,
    )


def encoder_of(job: TrainJob, chosen: ChatTemplate | None, tokens: ModelTokens) -> Encoder:
    return Encoder(
        tokens,
        chosen,
        cutoff_len=None if _packs(job) else job.cutoff_len,
        stage=job.stage,
        train_on_prompt=job.train_on_prompt,
        mask_history=job.mask_history,
    )


def _judged(job: TrainJob) -> str:
    """The stage as a store tells it: all that judge nothing are `sft`."""
    return job.stage if job.stage in JUDGED else "sft"


def check_stage(source: Source, stage: str) -> None:
    """Judged rows are for the stage that weighs them, and that stage is for them."""
    marked = source.columns.kto_tag is not None
    fitting = {"stage_for_it": "dpo" if source.ranking else "kto" if marked else "pt" if source.is_text else "sft"}
    if stage == "dpo" and not source.ranking:
        raise StudioError("data_no_ranking", name=source.name, **fitting)
    if stage == "kto" and (source.ranking or not marked):
        raise StudioError("data_no_feedback", name=source.name, **fitting)
    if source.ranking and stage != "dpo":
        raise StudioError("data_ranking", name=source.name, stage=stage)
    if marked and stage not in JUDGED:
        raise StudioError("data_feedback", name=source.name, stage=stage)
    if source.is_text and stage == "sft":
        raise StudioError("data_text_for_sft", name=source.name)


def _parts(job: TrainJob, found: dict[str, EncodedRows]) -> tuple[EncodedRows, dict[str, EncodedRows]]:
    """What is learned from, and by name what is evaluated on; the name is empty where there is but one."""
    learned = [found[name] for name in job.dataset]
    train = _joined(learned)
    order = mixing.mix([len(rows) for rows in learned], job.mix_strategy, job.interleave_probs or None, job.seed)
    train = train.select(order)
    if job.eval_on_each_dataset:
        return train, {name: found[name] for name in job.eval_dataset}
    if job.eval_dataset:
        return train, {"": _joined([found[name] for name in job.eval_dataset])}
    if not job.val_size:
        return train, {}
    kept, held_back = mixing.split(len(train), job.val_size, job.seed)
    if not len(kept) or not len(held_back):
        raise StudioError("data_val_size", val_size=job.val_size, count=len(train))
    return train.select(kept), {"": train.select(held_back)}


def _joined(parts: list[EncodedRows]) -> EncodedRows:
    firsts = np.cumsum([0, *(rows.bounds[-1] for rows in parts)])[:-1]
    order = np.concatenate([first + rows.order for first, rows in zip(firsts, parts, strict=True)])
    return EncodedRows([store for rows in parts for store in rows.stores], order)


def _need(job: TrainJob) -> intake.Need | None:
    """With `streaming`: the rows that `max_steps` can use, those held back, and some to choose from."""
    if not job.streaming:
        return None
    per_step = job.per_device_train_batch_size * job.gradient_accumulation_steps * max(1, len(job.devices))
    num_rows = job.max_steps * per_step + int(job.val_size) + job.buffer_size
    return intake.Need(tokens=num_rows * job.cutoff_len) if _packs(job) else intake.Need(rows=num_rows)


def _packed(job: TrainJob, rows: Rows) -> Rows | PackedChats:
    """Conversations are packed where the job asks for it, after all that is done with single rows."""
    return PackedChats(rows, job.cutoff_len) if job.stage == "sft" and (job.packing or job.neat_packing) else rows


def _packs(job: TrainJob) -> bool:
    """Plain text is packed unless the job says otherwise, as in LLaMA-Factory."""
    return job.stage == "pt" and job.packing is not False


def _notices(
    job: TrainJob, chosen: ChatTemplate | None, sources: dict[str, Source], extra_tokens: Sequence[str]
) -> list[Notice]:
    notices = [Notice(code, values) for code, values in (chosen.notices if chosen else ())]
    if added := [token for token in extra_tokens if token not in (*job.add_tokens, *job.add_special_tokens)]:
        notices.append(Notice("data_tokens_added", {"template": chosen.name, "tokens": ", ".join(added)}))
    for source in sources.values():
        notices += [*source.notices, *reading.notices(source), *_origin(source)]
        if job.streaming and source.num_samples and source.name in job.dataset:
            notices.append(Notice("data_samples_streaming", {"name": source.name}))
    if job.stage == "pt":
        chats = [name for name, source in sources.items() if not source.is_text]
        notices += [Notice("data_chat_as_text", {"name": name}) for name in chats]
    return notices


def _origin(source: Source) -> list[Notice]:
    """Of a set from elsewhere, which state of it this is."""
    found = remote.origin(source.path)
    if found is None:
        return []
    where = f"{found['place']}: {found['id']}"
    return [Notice("data_from_hub", {"name": source.name, "where": where, "revision": found["revision"] or "–"})]


def _digests(sources: dict[str, Source]) -> dict[str, str]:
    files = [file for source in sources.values() for file in reading.files_of(source)]
    return {str(file.resolve()): intake.digest(file) for file in files}
