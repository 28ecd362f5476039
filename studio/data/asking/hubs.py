"""Searching Hugging Face and ModelScope for data sets and models, through their own clients.

`HF_ENDPOINT` and `MODELSCOPE_ENDPOINT` name other addresses. Nothing is asked until somebody searches.
"""

import os
import socket
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import getproxies

from studio.errors import StudioError

HUGGINGFACE, MODELSCOPE = "huggingface", "modelscope"
NAMES = {HUGGINGFACE: "Hugging Face", MODELSCOPE: "ModelScope"}
VARIABLES = {HUGGINGFACE: "HF_ENDPOINT", MODELSCOPE: "MODELSCOPE_ENDPOINT"}
KNOCK_S = 5.0


@dataclass(frozen=True)
class Found:
    """One entry of a hub. `updated` is a day (2026-05-31) or empty; `url` its page."""

    id: str
    hub: str
    downloads: int = 0
    likes: int = 0
    updated: str = ""
    about: str = ""
    url: str = ""
    gated: bool = False


def search(
    query: str, hub: str = HUGGINGFACE, what: Literal["dataset", "model"] = "dataset", limit: int = 20
) -> tuple[Found, ...]:
    """What a hub finds for some words, in its own order. Raises StudioError where the hub cannot be asked."""
    return (_search_modelscope if hub == MODELSCOPE else _search_huggingface)(query.strip(), what, limit)


def _search_huggingface(query: str, what: str, limit: int) -> tuple[Found, ...]:
    from huggingface_hub import HfApi, errors

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT") or None)
    ask = api.list_datasets if what == "dataset" else api.list_models
    try:
        knock(api.endpoint)
        found = list(ask(search=query or None, sort="downloads", limit=limit))
    except (errors.HTTPError, OSError) as error:  # its own client's, and being told to stay offline
        raise _unreachable(HUGGINGFACE, error) from error
    folder = "datasets/" if what == "dataset" else ""
    return tuple(Found(
        id=one.id, hub=HUGGINGFACE, downloads=one.downloads or 0, likes=one.likes or 0,
        updated=_day(getattr(one, "last_modified", None) or one.created_at),
        about=" ".join(str(getattr(one, "description", None) or "").split())[:300],
        url=f"{api.endpoint}/{folder}{one.id}", gated=bool(getattr(one, "gated", False)),
    ) for one in found)  # fmt: skip


def _search_modelscope(query: str, what: str, limit: int) -> tuple[Found, ...]:
    try:
        from modelscope_hub import HubApi
        from modelscope_hub.config import HubConfig
        from modelscope_hub.errors import HubError
    except ImportError as error:
        raise StudioError("hub_search_client") from error
    # A token is always named, if an empty one: otherwise the client unpickles the cookies of an earlier login.
    config = HubConfig(token=os.environ.get("MODELSCOPE_API_TOKEN", ""))
    try:
        knock(config.endpoint)
        found = HubApi(config).list_repos(what, search=query or None, page_size=limit).items
    except (HubError, OSError) as error:
        raise _unreachable(MODELSCOPE, error) from error
    return tuple(Found(
        id=one.repo_id, hub=MODELSCOPE, downloads=one.downloads or 0, likes=one.likes or 0,
        updated=_day(one.last_modified or one.created_at),
        about=" ".join((one.description or one.display_name or "").split())[:300],
        url=f"{config.endpoint}/{what}s/{one.repo_id}", gated=bool(one.gated),
    ) for one in found)  # fmt: skip


def knock(url: str) -> None:
    """OSError at once where nobody is there: the hubs' clients try for a quarter of a minute or more before that."""
    parts = urlsplit(url)
    if not getproxies().get(parts.scheme):  # else only the proxy may be in reach
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), KNOCK_S).close()


def _day(time: object) -> str:
    """A date and time, as the hubs' clients give it, as a day."""
    return str(time)[:10] if time else ""


def _unreachable(hub: str, error: Exception) -> StudioError:
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return StudioError("hub_search_unreachable", hub=NAMES[hub], reason=reason, variable=VARIABLES[hub])
