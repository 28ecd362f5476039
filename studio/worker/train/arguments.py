"""A train job as Transformers' `TrainingArguments`, with the fast defaults where the user left the choice to us."""

import dataclasses
import os
from pathlib import Path

from transformers import TrainingArguments

from studio.worker.place import Place

NAMES = frozenset(field.name for field in dataclasses.fields(TrainingArguments))
#: Keys that mean to a job what they do not mean to the Trainer; `build` translates each.
OURS = frozenset({"output_dir", "bf16", "fp16", "gradient_checkpointing", "resume_from_checkpoint", "warmup_steps"})


def build(job, folder: Path, place: Place, checkpointing: bool) -> TrainingArguments:
    """The arguments of a run in `folder`; `checkpointing` trades time for the memory of activations."""
    shared = {name: getattr(job, name) for name in NAMES - OURS if hasattr(job, name)}
    values = {name: value for name, value in shared.items() if value is not None} | job.extra
    values |= {
        "output_dir": str(folder),
        "bf16": place.autocast == "bf16" and not job.pure_bf16,
        "fp16": place.autocast == "fp16",
        "use_cpu": place.device.type == "cpu",
        "dataloader_pin_memory": place.device.type != "cpu",
        "activation_checkpointing": checkpointing,
        "warmup_steps": job.warmup_steps or job.warmup_ratio or 0,
        "remove_unused_columns": False,
        "prediction_loss_only": True,
        "label_names": ["labels"],
        "disable_tqdm": True,
        # A loss that is not a number must be seen, not replaced by the mean of the others.
        "logging_nan_inf_filter": False,
    }
    if checkpointing:
        values["activation_checkpointing_kwargs"] = {"use_reentrant": job.use_reentrant_gc}
    if (job.load_best_model_at_end or job.early_stopping_steps) and not values.get("metric_for_best_model"):
        values["metric_for_best_model"] = "loss"
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        values["ddp_find_unused_parameters"] = False
    return TrainingArguments(**values)
