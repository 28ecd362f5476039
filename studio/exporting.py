"""The commands `export` and `convert`: a job from their words; in the end what was written, if it is the same, what is
next."""

import re
from collections.abc import Mapping
from typing import Any

from studio import runs
from studio.runs import folder as files
from studio.text import Catalogue

_TARGET = re.compile(r"^(?:(--)output_dir(?==|$)|output_dir(?==))")  # the word, not a value that begins so


def converting(words: list[str]) -> list[str]:
    """`convert`'s words as those of a build job: its `output_dir` is where the model goes, not the run."""
    return ["what=convert", *(_TARGET.sub(r"\1local_dir", word) for word in words)]


def show(run: runs.Run, t: Catalogue) -> None:
    """Print where a build has put a model, and what an export has left, also one that only its hub refused; nothing
    where a run wrote no result."""
    found = files.read_json(run.folder / files.RESULT) or {}
    if run.kind == "build" and found.get("path"):
        print(t("terminal.built", path=found["path"]))
    if run.kind == "export" and found.get("export_dir"):
        unsent = [] if run.state == "finished" else [t("terminal.export_unsent", run=run.id)]
        print("\n".join([*lines(found, t), *unsent]))


def lines(found: Mapping[str, Any], t: Catalogue) -> list[str]:
    """A `result.json` of an export in words: the folder, a line for each verdict, the sum, the next commands."""
    size = sum(one["bytes"] for one in found["files"])
    told = [t("terminal.export_folder", num=len(found["files"]), size=_size(size), folder=found["export_dir"])]
    told += [_verdict(one, t) for one in found["verdicts"]]
    if compared := found.get("sha256"):
        told.append(t(f"terminal.export_sum_{'equal' if compared['equal'] else 'differs'}", **compared))
    if found.get("pushed"):
        told.append(t("terminal.export_pushed", address=found["pushed"]))
    if found.get("next"):
        told += [t("terminal.export_next"), *(f"  {command}" for command in found["next"])]
    return told


def _verdict(one: Mapping[str, Any], t: Catalogue) -> str:
    difference, why = one.get("max_logit_difference"), f"export.notes.{one.get('note') or '-'}"
    if one["ok"] is None:
        name = "unproven"
    elif difference is None and one["ok"]:
        name = "alike"
    else:
        name = "differs" if not one["ok"] else "same" if one["greedy_equal"] else "near"
    told = t(
        f"terminal.export_{name}", form=one["format"], num=one.get("num_prompts"), tokens=one.get("num_tokens", 0),
        equal=one.get("num_equal_tokens", 0), difference="?" if difference is None else f"{difference:.3g}",
    )  # fmt: skip
    return f"{told} ({t(why)})" if why in t and one["note"] != "near_ties" else told


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.2f} MB"
