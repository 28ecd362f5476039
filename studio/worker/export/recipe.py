"""Exporting, in one order: check, load, write each form, prove it, describe and sum, rename into place.

Everything is written aside and renamed when it is whole (`drafts`), so that a folder which looks like an export is one.
`merged` and `pth` stand at its top; so does a form that is alone; others have a folder of their own.

A form is a module with `write(source, job, folder, progress) -> Written`, `prove(written, source, job, expected) ->
list[Verdict]` and, where there is something to refuse before hours of work, `check(source, job)`.
"""

import hashlib
import importlib
import json
import resource
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch

from studio import paths
from studio.config import ExportJob
from studio.config.exporting import PushSection
from studio.runs import folder as run_folder
from studio.worker import memory
from studio.worker.export import card, drafts, manifest, merge, push, verify
from studio.worker.export import source as sources
from studio.worker.export.manifest import Written
from studio.worker.export.source import Source
from studio.worker.export.verify import Verdict
from studio.worker.progress import Progress, StopRequested
from studio.worker.serve.loading import num_weight_bytes

FINISHED, STOPPED = 0, 3
WHOLE = ".whole"  # the whole model, where only forms made from it are asked for
AT_TOP, GGUF = ("merged", "pth"), ("gguf", "ollama")


def run(folder: Path, job: ExportJob) -> int:
    """Export what the job asks for; `result.json` tells of it. Returns the worker's exit code."""
    progress = Progress(folder)
    target = paths.output(job.export_dir).resolve() if job.export_dir else folder / "export"
    try:
        progress("checking")
        result = _unsent(folder, target, job, progress)
        if result is None:
            push.check(job)
            result = _export(folder, target, job, progress)
        run_folder.write_json_atomic(folder / run_folder.RESULT, result)  # it is true, whatever a hub says
        if job.push_to_hub:
            run_folder.write_json_atomic(folder / run_folder.UNSENT, {"asked": _asked(job), "result": result})
            result["pushed"] = push.send(target, job, progress)
            run_folder.write_json_atomic(folder / run_folder.RESULT, result)
            (folder / run_folder.UNSENT).unlink()
    except StopRequested:
        return STOPPED
    return FINISHED


def _export(folder: Path, target: Path, job: ExportJob, progress: Progress) -> dict:
    """Check, write, prove, rename; what `result.json` says of it. `folder` is that of the run."""
    begun_s = time.monotonic()
    drafts.check(target, job, folder)
    progress("model")
    source = sources.find(job, progress)
    drafts.keep_apart(target, source)
    for form in forms_of(job):
        if refuse := getattr(_module(form), "check", None):
            refuse(source, job)
    with drafts.draft(target, job.overwrite_export_dir) as draft:
        result = _make(source, job, draft, target, progress)
        drafts.put(draft, target)
    seconds = round(time.monotonic() - begun_s, 2)
    return result | {"pushed": None, "seconds": seconds, "peak_gib": round(_peak_gib(source), 3)}


def _unsent(folder: Path, target: Path, job: ExportJob, progress: Progress) -> dict | None:
    """The result of an earlier start of the run that wrote what this one asks for and did not get it to its hub, where
    every file is still as it was written: there is only the sending left to do. Else None."""
    kept = run_folder.read_json(folder / run_folder.UNSENT) or {}
    if not job.push_to_hub or kept.get("asked") != _asked(job):
        return None
    found = kept["result"]
    total, done = sum(one["bytes"] for one in found["files"]), 0
    for one in found["files"]:
        progress("summing", done, total, "bytes")
        path, done = target / one["path"], done + one["bytes"]
        if not path.is_file() or manifest.sum_of(path) != one["sha256"]:
            return None
    print(f"{target} holds it already, as its sums say: it is only sent", flush=True)
    return found


def _asked(job: ExportJob) -> str:
    """A sum over the keys that what is written follows from; 5 is 5.0, as a job's file has it when it is read."""
    apart = {"output_dir", "overwrite_export_dir", *PushSection.model_fields}
    asked = {key: value for key, value in job.to_mapping().items() if key not in apart}
    kept = {key: float(value) if type(value) is int else value for key, value in asked.items()}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()


def forms_of(job: ExportJob) -> list[str]:
    """The forms to write, by their modules: GGUF before the Modelfile that names it."""
    asked = set(job.export_formats)
    forms = {
        "merged": "merged" in asked and job.output_type == "huggingface",
        "pth": "merged" in asked and job.output_type == "pth",
        "adapter": "adapter" in asked,
        "gguf": bool(asked & {*GGUF}),
        "ollama": "ollama" in asked,
        "quantized": "quantized" in asked,
    }
    return [form for form, wanted in forms.items() if wanted]


def folder_of(form: str, forms: Sequence[str], draft: Path) -> Path:
    """Where a form stands: at the top if it is the model itself or alone, else in a folder of its name."""
    names = {"gguf" if one in GGUF else "" if one in AT_TOP else one for one in forms}
    name = "gguf" if form in GGUF else form
    return draft if form in AT_TOP or names == {name} else draft / name


def _make(source: Source, job: ExportJob, draft: Path, target: Path, progress: Progress) -> dict:
    """Write and prove every form; returns what `result.json` says of them."""
    forms, written = forms_of(job), []
    whole = draft if "merged" in forms else draft / WHOLE
    if forms != ["adapter"]:
        whole.mkdir(exist_ok=True)
        first = merge.write(source, job, whole, progress)
        source = source.with_merged(whole)
        written += [first] if "merged" in forms else []
    for form in forms:
        if form != "merged":
            place = folder_of(form, forms, draft)
            place.mkdir(exist_ok=True)
            written.append(_module(form).write(source, job, place, progress))
    verdicts = _prove(written, source, job, progress)
    if whole != draft:
        shutil.rmtree(whole, ignore_errors=True)
    card.write(source, job, draft, verdicts, _commands(written, forms, draft, Path()))
    files = manifest.record(draft, written, lambda done, total: progress("summing", done, total, "bytes"))
    compared = manifest.compare(job.expected_sha256, files, draft)
    _tell(verdicts, compared)
    return {
        "export_dir": str(target),
        "files": files,
        "verdicts": [verdict.to_mapping() for verdict in verdicts],
        "next": _commands(written, forms, draft, target),
        "facts": {one.format: {key: fact for key, fact in one.facts.items() if key != "next"} for one in written},
        "sha256": compared,
    }


def _prove(written: Sequence[Written], source: Source, job: ExportJob, progress: Progress) -> list[Verdict]:
    """A verdict on each form, or why there is none."""
    if not job.verify_export:
        return [Verdict(one.format, None, note="not_asked") for one in written]
    if source.device.type == "cpu" and num_weight_bytes(source.base) > 0.9 * memory.free_bytes(source.device):
        return [Verdict(one.format, None, note="no_memory") for one in written]
    progress("verifying")
    expected = verify.expect(source, progress)
    whole, verdicts = None, []
    for one in written:
        progress("verifying", len(verdicts), len(written))
        if one.format == "merged":
            [whole] = found = merge.prove(one, source, job, expected)
        elif one.format == "adapter":
            found = _module(one.format).prove(one, source, job, expected)
        else:
            whole = whole or merge.prove(None, source, job, expected)[0]
            found = [verify.no_better(it, whole) for it in _module(one.format).prove(one, source, job, expected)]
        verdicts += found
    return verdicts


def _commands(written: Sequence[Written], forms: Sequence[str], draft: Path, target: Path) -> list[str]:
    """What to do next, with the folders that the forms have in the end."""
    found = []
    for one in written:
        place = target / folder_of(one.format, forms, draft).relative_to(draft)
        found += [str(command).replace("{dir}", shlex.quote(str(place))) for command in one.facts.get("next", ())]
    return list(dict.fromkeys(found))


def _tell(verdicts: Sequence[Verdict], compared: dict | None) -> None:
    for one in verdicts:
        state = {None: "not compared", True: "the same", False: "DIFFERS"}[one.ok]
        shown = "" if one.max_logit_difference is None else f", logits within {one.max_logit_difference:.3g}"
        tokens = f", {one.num_equal_tokens} of {one.num_tokens} tokens equal" if one.num_tokens else ""
        print(f"{one.format}: {state}{shown}{tokens} {one.note}".rstrip(), flush=True)
    if compared:
        print(f"SHA-256 of {compared['path']}: {'as expected' if compared['equal'] else 'NOT the expected one'}")


def _module(form: str) -> ModuleType:
    """The module of a form; a package that only one form needs is imported with it."""
    return importlib.import_module(f"studio.worker.export.{'merge' if form == 'merged' else form}")


def _peak_gib(source: Source) -> float:
    """The most memory that was taken at once: this process's, or on a card its own."""
    if source.device.type != "cpu":
        return torch.get_device_module(source.device.type).max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
