"""What the Export tab tells before Start: the size of each form, the room on the disk, and what cannot be made here.

Nothing is loaded for it: sizes follow from the headers of the weights (`studio.config.exporting_size`), the rest from
what is installed (exporting_means.py).
"""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from studio import paths
from studio.config import ConfigError, ExportJob, Problem, exporting_size, fields
from studio.config.exporting import Format
from studio.config.hub import SECRET_VARIABLES
from studio.config.reading import sift
from studio.errors import StudioError
from studio.runs import ids
from studio.text import Catalogue
from studio.ui.parts import contestants, serving
from studio.ui.parts import exporting_means as means

FORMATS = get_args(Format)
TOKENS = {"huggingface": "hf_hub_token", "modelscope": "ms_hub_token"}  # the key that a token is typed under


def cards(t: Catalogue) -> list[dict[str, Any]]:
    """The forms as cards: what each is for, what it needs, and what is chosen on it."""
    choices = {"gguf": "gguf_types", "quantized": "export_quantization_method"}
    knobs = fields(ExportJob)
    return [
        {
            "format": name,
            "title": t(f"export.form_{name}"),
            "text": t(f"export.for_{name}"),
            "needs": t(f"export.needs_{name}"),
            "key": choices.get(name, ""),
            "many": choices.get(name) == "gguf_types",
            "choices": [[one, word(t, choices[name], one)] for one in knobs[choices[name]].choices]
            if name in choices
            else [],
        }
        for name in FORMATS
    ]


def word(t: Catalogue, key: str, value: str) -> str:
    """What a value of a knob is called on the page."""
    name = f"choices.{key}.{value}"
    return t(name) if name in t else value


def lenient(mapping: Mapping[str, Any]) -> ExportJob:
    """A form that is not whole yet, as a job: its keys that are right, the rest as usual. It is not to be started."""
    return ExportJob.model_construct(**sift("export", mapping, "form").values)


def plan(t: Catalogue, job: ExportJob, problems: Mapping[str, str]) -> dict[str, Any]:
    """Everything the board shows of a job, in words. `problems`: what is wrong with it, by key."""
    sizes = sizes_of(job)
    needed, free = sum(sizes.values()), free_bytes(job)
    reasons = means.refusals(t, job)
    return {
        "sizes": {name: gigabytes(size) for name, size in each_size(job).items()},
        "room": room(t, job, sizes, free) if job.model_name_or_path else "",
        "fits": needed < free,
        "why": reasons,
        "adapters": [{"path": path, "label": label} for label, path in adapters()],
        "others": other_bases(t, job),
        "problems": dict(problems),
        "ready": not problems,
    }


def room(t: Catalogue, job: ExportJob, sizes: Mapping[str, int], free: int) -> str:
    """What all forms take together, and what is free where they go."""
    needed, meanwhile = sum(sizes.values()), sizes.get(exporting_size.WORKSPACE, 0)
    key = "export.room_unknown" if not needed else "export.room_meanwhile" if meanwhile else "export.room"
    told = {"needed": gigabytes(needed), "meanwhile": gigabytes(meanwhile), "free": gigabytes(free)}
    return t(key, **told, folder=folder_of(job))


def check(t: Catalogue, job: ExportJob) -> None:
    """Raise StudioError where the folder is taken, a form cannot be made here, a token is missing, or the disk is too
    small."""
    folder = folder_of(job)
    if job.export_dir and not job.overwrite_export_dir and folder.is_dir() and any(folder.iterdir()):
        raise ConfigError([Problem("export_dir", "folder_there", {"path": folder})])
    reasons = means.refusals(t, job)
    for name in job.export_formats:
        wanted = {"gguf": job.gguf_types, "ollama": job.gguf_types, "quantized": [job.export_quantization_method]}
        if why := next((reasons[one] for one in (name, *wanted.get(name, ())) if one in reasons), ""):
            raise StudioError("export_not_here", form=t(f"export.form_{name}"), why=why)
    if job.push_to_hub and not (getattr(job, TOKENS[job.push_hub]) or has_token(job.push_hub)):
        variable = SECRET_VARIABLES[TOKENS[job.push_hub]]
        raise StudioError("export_push_no_token", hub=t(f"export.hub_{job.push_hub}"), variable=variable)
    needed, free = sum(sizes_of(job).values()), free_bytes(job)
    if needed > free:
        raise StudioError("export_no_room", needed=gigabytes(needed), free=gigabytes(free), path=folder)


# ---- room ------------------------------------------------------------------------------------------------------------


def sizes_of(job: ExportJob) -> dict[str, int]:
    """Bytes of each form that was ticked, as far as they can be told; none where the model is not here yet."""
    try:
        return {name: int(size) for name, size in exporting_size.estimate(job).items() if size}
    except (StudioError, OSError):
        return {}


def each_size(job: ExportJob) -> dict[str, int]:
    """Bytes of every form by itself, ticked or not. A GGUF file is as large for Ollama as it is alone."""
    found = sizes_of(job.model_copy(update={"export_formats": [name for name in FORMATS if name != "ollama"]}))
    found |= {"ollama": found["gguf"]} if "gguf" in found else {}
    return {name: found[name] for name in FORMATS if name in found}


def folder_of(job: ExportJob) -> Path:
    """The folder of the export; that of all runs where it is made inside the run's own."""
    return paths.output(job.export_dir) if job.export_dir else paths.saves()


def placed(job: ExportJob) -> ExportJob:
    """The job with its folder as it was checked, whatever folder the worker starts in."""
    return job.model_copy(update={"export_dir": str(folder_of(job))}) if job.export_dir else job


def free_bytes(job: ExportJob) -> int:
    """What is free on the disk of the export."""
    folder = folder_of(job)
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def gigabytes(size: float) -> str:
    """1234567890 → "1.2 GB", in MB, kB or B where it is less."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= 0.95 * unit:
            return f"{size / unit:.1f} {name}" if size < 10 * unit else f"{size / unit:.0f} {name}"
    return f"{size} B"


# ---- what there is ---------------------------------------------------------------------------------------------------


def adapters() -> list[tuple[str, str]]:
    """The adapters that runs have left, their checkpoints too: (label, folder)."""
    found = []
    for label, key in serving.sources():
        with suppress(StudioError):  # the catalogue's models stand among them, and are no runs
            folder = ids.folder_of(key)
            if (folder / serving.ADAPTER).is_file():
                found.append((label, str(folder)))
    return found


def other_bases(t: Catalogue, job: ExportJob) -> dict[str, str]:
    """Adapters by their folders that were trained on a model of another name, in words."""
    base, found = contestants.title_of(job.model_name_or_path or "", t), {}
    for path in job.adapter_name_or_path:
        own = contestants.base_of(Path(path)) if (Path(path) / serving.ADAPTER).is_file() else ""
        name = contestants.title_of(own, t) if own else base
        if base and name != base:
            found[path] = t("export.other_base", base=name)
    return found


def tokens(t: Catalogue) -> list[str]:
    """Where the token of each hub stands, and whether it is there."""
    return [
        t("export.token_there" if has_token(hub) else "export.token_missing", hub=t(f"export.hub_{hub}"),
          variable=SECRET_VARIABLES[key], fold=t("sections.hub"))
        for hub, key in TOKENS.items()
    ]  # fmt: skip


def has_token(hub: str) -> bool:
    """Whether the environment holds the token of a hub."""
    return bool(os.environ.get(SECRET_VARIABLES[TOKENS[hub]]))
