"""A training job read for serving, evaluating or exporting: its `output_dir` names the run that is meant.

Keys of training have no meaning to these. Where a person wrote them they are told of, counted; in the complete
`job.yaml` of a run they are defaults for the most part and stay unsaid.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from studio import paths
from studio.config.draft import RUN, TRAINED, Draft
from studio.config.job import JOBS
from studio.config.knobs import fields
from studio.config.problems import Notice
from studio.config.values import prepare

ADAPTER, MODEL, OUTPUT, SPLIT = "adapter_name_or_path", "model_name_or_path", "output_dir", "held_back_of"
EXPORT = "export_dir"
RUNS = (MODEL, ADAPTER, "ref_model", "ref_model_adapters", "predictions_from", "judge_against",
        "resume_from_checkpoint")  # fmt: skip
# In a training job these are about the training, though a server has keys of the same names.
_OF_TRAINING = ("sample_prompts", "max_new_tokens", "do_sample", "stop_grace_s", "auto_resume", "seed",
                "per_device_eval_batch_size")  # fmt: skip
_DRAWING = ("temperature", "top_p", "top_k", "repetition_penalty")


READERS = ("serve", "evaluate", "export")


def kept_keys(kind: str, trained: Mapping[str, object]) -> dict[str, object]:
    """What the whole `job.yaml` of a training run says to a job of this kind.

    The adapters it began from stay those below its own: all of them where it made a new one, all but the last, which it
    went on with, otherwise.
    """
    passed_over = {*_OF_TRAINING, *_DRAWING} - ({"seed"} if kind == "evaluate" else set())  # the same rows held back
    kept = {key: value for key, value in trained.items() if key in fields(JOBS[kind]) and key not in passed_over}
    began = list(trained.get(ADAPTER) or [])
    below = began if trained.get("create_new_adapter") else began[:-1]
    result = trained_result(paths.output(str(trained[OUTPUT]))) if trained.get(OUTPUT) else None
    if result and result[0] == ADAPTER:
        kept[ADAPTER] = [*below, str(result[1])]
    return kept


def split(kind: str, file: Path, trained: Mapping[str, object]) -> dict[str, object]:
    """Where an evaluation finds which rows the training of this file holds back: in its run, else in the file."""
    if kind != "evaluate" or not trained.get("val_size") or trained.get("eval_dataset") or SPLIT in trained:
        return {}
    run = paths.output(str(trained[OUTPUT])) if trained.get(OUTPUT) else file.parent
    return {SPLIT: str(run if (run / "job.yaml").is_file() else Path(os.path.abspath(file)))}


def asked_as_conversations(draft: Draft) -> tuple[Notice, ...]:
    """The stage of a training file is about its training: judged rows are asked as the conversations they are."""
    stage, layer = draft.values.get("stage"), draft.sources.get("stage")
    trained = fields(JOBS["train"])["stage"].annotation
    if draft.kind != "evaluate" or layer not in (TRAINED, "file") or stage not in get_args(trained):
        return ()
    if stage in get_args(fields(JOBS["evaluate"])["stage"].annotation):
        return ()
    draft.values["stage"] = "sft"
    return (Notice("asked_as_conversations", {"stage": stage}),)


def take(draft: Draft, trains: bool) -> tuple[Notice, ...]:
    """Put what `output_dir` names in the place of the model or its adapter, and say so.

    On the command line of an export a folder that no training has left anything in is the one to write to.
    `trains`: a training is asked for. An evaluation whose file asks for none has its own results there instead.
    """
    layer = draft.sources.get(OUTPUT)
    if draft.kind not in READERS or layer in (None, RUN, "form"):
        return ()
    if draft.kind == "evaluate" and not (layer == TRAINED or (layer == "file" and trains)):
        return ()
    value, source = draft.values.pop(OUTPUT), draft.sources.pop(OUTPUT)
    if not value:
        return ()
    path = paths.output(str(value))
    found = trained_result(path)
    if draft.kind == "export" and layer == "command_line" and found is None and not draft.values.get(EXPORT):
        draft.values[EXPORT], draft.sources[EXPORT] = str(path), source
        return (Notice("source_export_dir", {"path": path}),)
    if prepare(draft.values.get(ADAPTER), fields(JOBS[draft.kind])[ADAPTER].annotation):
        own = found and draft.sources[ADAPTER] == TRAINED  # `served_keys` has put it there
        return (Notice("source_adapter", {"path": found[1]}) if own else Notice("source_passed_over", {"path": path}),)
    if found is None:
        return (Notice("source_nothing", {"path": path}),)
    key, result = found
    draft.values[key] = str(result) if key == MODEL else [str(result)]
    draft.sources[key] = source
    return (Notice("source_adapter" if key == ADAPTER else "source_model", {"path": result}),)


def find_runs(draft: Draft) -> None:
    """What names a run as `saves/…` finds it where `output_dir: saves/…` has put it, unless it is in this folder."""
    for key in RUNS:
        if isinstance(draft.values.get(key), str | list):
            value = prepare(draft.values[key], fields(JOBS[draft.kind])[key].annotation)
            draft.values[key] = [_found(one) for one in value] if isinstance(value, list) else _found(value)


def _found(written: object) -> object:
    if not isinstance(written, str) or Path(written).parts[:1] != ("saves",) or Path(written).exists():
        return written
    return str(there) if (there := paths.output(written)).exists() else written


def trained_result(run: Path) -> tuple[str, Path] | None:
    """(key it stands for, where) of what a run has made: its own adapter or model, else its newest checkpoint's."""
    checkpoints = [path for path in run.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    newest_first = sorted(checkpoints, key=lambda path: int(path.name.partition("-")[2]), reverse=True)
    for path in (run, *newest_first):
        if (path / "adapter_config.json").is_file():
            return ADAPTER, path
        if (path / "config.json").is_file() and _holds_weights(path):
            return MODEL, path
    return None


def _holds_weights(path: Path) -> bool:
    return any(next(path.glob(pattern), None) for pattern in ("*.safetensors", "pytorch_model*.bin"))
