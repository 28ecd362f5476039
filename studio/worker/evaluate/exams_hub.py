"""Exams that are not on this machine, from Hugging Face: the files in which their publishers keep all tables.

MMLU, C-Eval and CMMLU are small, some megabytes each. They lie in the hub's own cache afterwards.
"""

from pathlib import Path

from studio.data.asking.hubs import knock
from studio.errors import StudioError

PARTS = ("dev", "validation", "test")
# (data set, files) of each; their licences: MIT, CC BY-NC-SA 4.0, CC BY-NC-SA 4.0.
PUBLISHED = {
    "mmlu": ("cais/mmlu", tuple(f"all/{part}-00000-of-00001.parquet" for part in PARTS)),
    "ceval": ("ceval/ceval-exam", ("ceval-exam.zip",)),
    "cmmlu": ("haonan-li/cmmlu", ("cmmlu_v1_0_1.zip",)),
}


def bring(name: str, job, folders: list[Path]) -> Path:
    """Where the exam's files lie, fetched if they are not in the hub's cache.

    Raises StudioError, which says where they can be put by hand, where that cannot be done.
    """
    from huggingface_hub import hf_hub_download

    away = _away()
    repo, files = PUBLISHED[name]
    token = job.hf_hub_token.get_secret_value() if job.hf_hub_token else None
    options = {"repo_type": "dataset", "cache_dir": job.cache_dir, "token": token, "local_files_only": away is not None}
    try:
        found = [Path(hf_hub_download(repo, file, **options)) for file in files]
    except OSError as error:  # what the hub's client raises is of this kind, offline too
        told = {"task": name, "path": folders[0] / name, "hub": repo, "file": ", ".join(files)}
        raise StudioError("exam_missing", **told, reason=_first(away or error)) from error
    return found[0] if len(found) == 1 else found[0].parent


def _away() -> OSError | None:
    """Why the hub cannot be reached; its client would try for most of a minute before it looked into its cache."""
    from huggingface_hub import constants

    try:
        if not constants.HF_HUB_OFFLINE:
            knock(constants.ENDPOINT)
    except OSError as error:
        return error
    return None


def _first(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
