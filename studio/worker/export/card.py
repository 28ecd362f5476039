"""The model card: `README.md` as the hubs read it: base, data, their licences, settings and scores.

All of it is read from the files of the run that trained the model and from the base's own card; what they do not tell
is not made up.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from studio import paths, runs
from studio.config import STARTER, TrainJob, exporting_size, read_run
from studio.config.files import parse
from studio.config.job import Job
from studio.data import registry
from studio.errors import StudioError
from studio.runs import folder as run_folder
from studio.worker.export.source import Source, name_of
from studio.worker.export.verify import Verdict

CARD, UNKNOWN = "README.md", "not stated"
SETTINGS = (
    "stage", "finetuning_type", "template", "lora_rank", "lora_alpha", "lora_dropout", "lora_target", "use_rslora",
    "use_dora", "pissa_init", "additional_target", "quantization_bit", "learning_rate", "lr_scheduler_type",
    "warmup_ratio", "num_train_epochs", "max_steps", "per_device_train_batch_size", "gradient_accumulation_steps",
    "cutoff_len", "packing", "optim", "bf16", "fp16", "seed",
)  # fmt: skip
OF_THE_MACHINE = re.compile("runtime|per_second|preparation_time|flos")  # and hour; says nothing of the model


def write(source: Source, job, draft: Path, verdicts: Sequence[Verdict], commands: Sequence[str]) -> Path:
    """Write the card of an export into `draft`; returns its path. `commands` use it from inside its folder."""
    trained = trained_by(source)
    head = metadata(source, job, trained)
    name = Path(job.export_hub_model_id or job.export_dir or job.model_name_or_path).name
    parts = [f"# {name}", _base(source, job, trained), *_training(source, trained), *_scores(source),
             *_checked(verdicts), _use(job, commands)]  # fmt: skip
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    path = draft / CARD
    path.write_text(f"---\n{front}---\n\n" + "\n\n".join(parts) + "\n", "utf-8")
    return path


def metadata(source: Source, job, trained: TrainJob | None) -> dict:
    """What stands in the head of the card, by the names of the hubs."""
    alone = job.export_formats == ["adapter"]
    base, folder = base_of(source, job, trained)
    named = hub_id(base.model_name_or_path)
    sets = [name for name in (trained.dataset if trained else ()) if "/" in name and not Path(name).exists()]
    found = {
        "license": job.license_name or base_licence(folder),
        "base_model": named,
        "base_model_relation": named and ("adapter" if alone else "finetune"),
        "datasets": sets,
        "library_name": "peft" if alone else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["finetune-studio", *([trained.stage, trained.finetuning_type] if trained else [])],
    }
    return {key: value for key, value in found.items() if value}


def trained_by(source: Source) -> TrainJob | None:
    """The job of the run that made the model, where it is known and still reads."""
    if source.run is None:
        return None
    try:
        job = read_run(source.run)
    except StudioError as error:
        print(error, flush=True)
        return None
    return job if isinstance(job, TrainJob) else None


def base_of(source: Source, job, trained: TrainJob | None) -> tuple[Job, Path | None]:
    """The job that names the model which the training began with, and that model's folder, None where it is not here:
    a model that was trained whole is not its own base."""
    if source.adapters or trained is None:
        return job, source.base
    return trained, exporting_size.location(trained)


def base_licence(base: Path | None) -> str | None:
    """The licence that the base's own card states."""
    found = _front(base / CARD) if base else {}
    named = found.get("license")
    return str(found.get("license_name") or named) if named == "other" else str(named) if named else None


def hub_id(name: str | None) -> str | None:
    """The id of a model on a hub; None for a folder of this machine."""
    plain = name and "/" in name and name != STARTER and not Path(name).expanduser().is_dir()
    return name if plain and not name.startswith((".", "/", "~")) else None


def _front(path: Path) -> Mapping:
    """The head of a card; empty where there is none that reads."""
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError):
        return {}
    if not text.startswith("---"):
        return {}
    try:
        found = parse(text.split("---", 2)[1])
    except (yaml.YAMLError, IndexError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _base(source: Source, job, trained: TrainJob | None) -> str:
    base, folder = base_of(source, job, trained)
    lines = ["## Base", "", f"- model: `{hub_id(base.model_name_or_path) or name_of(base)}`"]
    if folder and folder.parent.name == "snapshots":
        lines.append(f"- revision: `{folder.name}`")
    lines.append(f"- licence: {base_licence(folder) or UNKNOWN}")
    lines += [f"- adapter {number}: `{path.name}`" for number, path in enumerate(source.adapters, 1)]
    return "\n".join(lines)


def _training(source: Source, trained: TrainJob | None) -> Iterator[str]:
    if trained is None:
        return
    lines = ["## Data", ""]
    entries = _entries(trained)
    for name in trained.dataset:
        entry = entries.get(name)
        licence = entry.get("license") if isinstance(entry, Mapping) else None
        lines.append(f"- `{_public(name)}`, licence: {licence or UNKNOWN}")
    yield "\n".join(lines)
    defaults = TrainJob.model_construct()
    asked = {key: getattr(trained, key) for key in SETTINGS}
    shown = {key: value for key, value in asked.items() if value not in (None, [], False) and (
        key in SETTINGS[:3] or value != getattr(defaults, key, None) or key in ("learning_rate", "num_train_epochs"))}
    table = [f"| {key} | {', '.join(map(str, value)) if isinstance(value, list) else value} |"
             for key, value in shown.items()]  # fmt: skip
    yield "\n".join(["## Training", "", "| setting | value |", "|---|---|", *table])


def _entries(trained: TrainJob) -> Mapping[str, object]:
    try:
        return {name: entry for name, (entry, _) in registry.listed(trained.dataset_dir).items()}
    except StudioError:  # the registry has moved since
        return {}


def _scores(source: Source) -> Iterator[str]:
    """The figures of the run, then those of every finished evaluation of the same model."""
    found = [] if source.run is None else [("training", run_folder.read_json(source.run / run_folder.RESULTS) or {})]
    found += evaluations(source)
    named = [(where, key, value) for where, figures in found for key, value in figures.items()
             if isinstance(value, int | float) and not isinstance(value, bool)]  # fmt: skip
    rows = [f"| {where} | {key} | {value:.4g} |" for where, key, value in named if not OF_THE_MACHINE.search(key)]
    if rows:
        yield "\n".join(["## Scores", "", "| from | measure | value |", "|---|---|---:|", *rows])


def evaluations(source: Source) -> list[tuple[str, Mapping]]:
    """(set or benchmark, figures) of each finished evaluation of these adapters, or of this model without any."""
    wanted, found = [str(path) for path in source.adapters] or [str(source.base)], []
    for summary in runs.listing():
        if summary.kind != "evaluate" or summary.state != "finished":
            continue
        try:
            job = runs.find(summary.id).job()
        except StudioError:
            continue
        asked = job.adapter_name_or_path or [job.model_name_or_path or ""]
        if [str(_resolved(name)) for name in asked] == wanted:
            name = job.task or ", ".join(map(_public, job.eval_dataset or job.dataset)) or summary.id
            figures = run_folder.read_json(Path(summary.folder) / run_folder.RESULTS) or {}
            found.append((name.replace("|", "\\|"), figures))
    return found


def _public(name: str) -> str:
    """A data set's name for others: of a file or folder of this machine the last part."""
    return Path(name).name if name.startswith(("/", "~", ".")) or Path(name).exists() else name


def _resolved(name: str) -> Path:
    own = paths.saves() / name
    return (own if own.is_dir() else Path(name).expanduser()).resolve()


def _checked(verdicts: Sequence[Verdict]) -> Iterator[str]:
    rows = [f"| {one.format} | {'same' if one.ok else 'differs'} | {one.max_logit_difference:.3g} | "
            f"{one.num_equal_tokens} of {one.num_tokens} |" for one in verdicts
            if one.ok is not None and one.max_logit_difference is not None]  # fmt: skip
    if rows:
        yield "\n".join(["## Checked", "", "Each file was loaded and compared with the base and its adapters on the "
                         "same prompts.", "", "| form | answers | largest difference of logits | equal tokens |",
                         "|---|---|---:|---:|", *rows])  # fmt: skip


def _use(job, commands: Sequence[str]) -> str:
    base = str(job.model_name_or_path)  # a path of this machine says nothing to others
    lines = commands if base == "." else [line.replace(base, hub_id(base) or name_of(job)) for line in commands]
    return "\n".join(["## Use", "", "```bash", *lines, "```"])
