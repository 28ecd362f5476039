"""An export sent to a hub: only where the job ticks it, with the token that stands in the environment."""

import importlib.util
import os
from pathlib import Path

from huggingface_hub import HfApi, errors

from studio.errors import StudioError
from studio.worker.build import huggingface
from studio.worker.export import drafts

VARIABLES = {"huggingface": ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"), "modelscope": ("MODELSCOPE_API_TOKEN",)}
KEYS = {"huggingface": "hf_hub_token", "modelscope": "ms_hub_token"}


def check(job) -> None:
    """Raise StudioError, before hours of work, for a push that has no token or whose package is missing."""
    if not job.push_to_hub:
        return
    token(job)
    if job.push_hub == "modelscope" and importlib.util.find_spec("modelscope_hub") is None:
        raise StudioError("export_push_no_client")


def token(job) -> str:
    """The hub's token. Raises StudioError where none is set."""
    typed = getattr(job, KEYS[job.push_hub])
    names = VARIABLES[job.push_hub]
    found = typed.get_secret_value() if typed else next(filter(None, map(os.environ.get, names)), "")
    if not found:
        raise StudioError("export_push_no_token", hub=job.push_hub, variable=names[0])
    return found


def send(folder: Path, job, progress) -> str:
    """Upload what is in `folder`; returns the address of the model there. Raises StudioError where the hub refuses."""
    check(job)
    progress("pushing")
    name = job.export_hub_model_id
    return _to_modelscope(folder, name, job) if job.push_hub == "modelscope" else _to_huggingface(folder, name, job)


def _to_huggingface(folder: Path, name: str, job) -> str:
    api = HfApi(endpoint=huggingface.address(), token=token(job))
    try:
        made = api.create_repo(name, private=job.push_private, exist_ok=True)
        if job.push_private and not api.model_info(made.repo_id).private:  # one that was there before
            raise StudioError("export_push_public", hub="Hugging Face", name=name)
        api.upload_folder(folder_path=folder, repo_id=made.repo_id, commit_message="Export of Finetune Studio",
                          ignore_patterns=[drafts.DONE])  # fmt: skip
    except (errors.HTTPError, OSError, ValueError) as error:  # a name that is none is a ValueError there
        raise StudioError("export_push_failed", hub="Hugging Face", name=name, reason=_first_line(error)) from error
    return str(made)


def _to_modelscope(folder: Path, name: str, job) -> str:
    from modelscope_hub import HubApi
    from modelscope_hub.config import HubConfig
    from modelscope_hub.errors import HubError

    # A token is always named: otherwise the client unpickles the cookies of an earlier login.
    api = HubApi(HubConfig(token=token(job)))
    try:
        if not api.repo_exists(name, "model"):
            api.create_repo(name, "model", visibility="private" if job.push_private else "public")
        elif job.push_private and not _is_private(api.get_repo(name, "model")):
            raise StudioError("export_push_public", hub="ModelScope", name=name)
        api.upload_folder(name, "model", folder, commit_message="Export of Finetune Studio", disable_tqdm=True,
                          use_cache=False, ignore_patterns=[drafts.DONE])  # fmt: skip
    except (HubError, OSError, ValueError) as error:
        raise StudioError("export_push_failed", hub="ModelScope", name=name, reason=_first_line(error)) from error
    return f"https://www.modelscope.cn/models/{name}"


def _is_private(found) -> bool:
    """Whether ModelScope says of a repository that it is private, in either of its two ways."""
    return bool(found.private) or getattr(found.visibility, "label", "") == "private"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
