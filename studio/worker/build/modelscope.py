"""Models and data sets from ModelScope (MODELSCOPE_ENDPOINT names another address), by its light client, which resumes
by itself."""

import contextlib
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from studio.data.asking.hubs import knock
from studio.errors import FULL_DISK
from studio.worker.build.order import HubFile, Meter, Order, size_of

BRANCH = "master"


def address() -> str:
    """The hub's address, without a slash at its end."""
    return _config("").endpoint


def list_files(order: Order) -> list[HubFile]:
    """All files of the repository at that revision. Raises StudioError, before any transfer, if it may not be read."""
    with _explained(order):
        api = _api(order)
        try:
            knock(address())  # the client tries for ten seconds, and tells each of them
        except OSError as error:
            raise order.error("download_unreachable", url=address(), reason=error) from error
        found = api.list_repo_files(order.repo, order.kind, revision=order.revision)
    return [HubFile(file.path, file.size or 0, file.sha256) for file in found if file.type != "tree"]


def commit(order: Order) -> str | None:
    """ModelScope does not tell the commit of a branch; the SHA-256 of each file stands for it."""
    return order.revision or BRANCH


def folder(order: Order) -> Path:
    """The folder the files go to (a cache of the older client, where there is one, is used instead)."""
    repositories = (order.cache_dir or _config("").cache_dir) / f"{order.kind}s"
    return order.folder or repositories / order.repo.replace("/", "--") / "snapshots" / (order.revision or BRANCH)


def held(order: Order, file: HubFile) -> int:
    """Bytes of the file that are whole already; the client itself counts those of a partial file when it goes on."""
    return file.size if size_of(folder(order) / file.path) == file.size else 0


def fetch(order: Order, files: list[HubFile], last: list[HubFile], meter: Meter) -> Path:
    """Bring the files, `last` ones after all others; returns the folder that holds them."""
    where = {"cache_dir": order.cache_dir, "local_dir": order.folder, "revision": order.revision}
    with _explained(order):
        api = _api(order)
        # Its bars would fill the log of a run, which is no terminal.
        with open(os.devnull, "w") as nothing, contextlib.redirect_stderr(nothing):
            for group in filter(None, (files, last)):
                rows = [{"Path": file.path, "Size": file.size, "Sha256": file.sha256} for file in group]
                bars = [functools.partial(_Bar, meter)]
                place = api.download_repo(order.repo, order.kind, file_list=rows, progress_callbacks=bars, **where)
    return Path(place)


def cached(order: Order) -> Path | None:
    """The snapshot in the cache, without asking the hub."""
    try:
        from modelscope_hub.errors import CacheError
    except ImportError:
        return None
    if not (order.cache_dir or _config("").cache_dir).is_dir():
        return None  # the client would begin a folder of its own in the home of one who never used it
    where = {"cache_dir": order.cache_dir, "revision": order.revision}
    with contextlib.suppress(CacheError):
        return _api(order).download_repo(order.repo, order.kind, local_files_only=True, **where)
    return None


def _config(token: str):
    from modelscope_hub.config import HubConfig

    # A token is always named, if an empty one: otherwise the client unpickles the cookies of an earlier login.
    return HubConfig(token=token)


def _api(order: Order):
    from modelscope_hub import HubApi

    return HubApi(_config(order.token or ""))


class _Bar:
    """The client's progress callback, one a file: hands the bytes on to the meter."""

    def __init__(self, meter: Meter, _name: str, _size: int) -> None:
        self.meter = meter

    def update(self, num_bytes: int) -> None:
        self.meter.add(num_bytes)

    def end(self) -> None:
        """Nothing is drawn, so nothing is closed."""


@contextlib.contextmanager
def _explained(order: Order) -> Iterator[None]:
    """What the client raises, as errors with a next step."""
    try:
        from modelscope_hub import errors
    except ImportError as error:
        raise order.error("download_no_client") from error
    try:
        yield
    except errors.FileDownloadError as error:
        raise _explain(order, next(iter(error.failed_files.values()))) from error
    except errors.HubError as error:
        raise _explain(order, error) from error


def _explain(order: Order, error: BaseException) -> BaseException:
    """The error in our words; what is not the hub's (a full disk) stays as it is."""
    from modelscope_hub import errors

    if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL_DISK:
        return error.__cause__  # the client tries again even then, and calls it a fault of the network

    if isinstance(error, errors.PermissionDeniedError):
        return order.error("download_gated", url=f"{address()}/{order.kind}s/{order.repo}")
    if isinstance(error, errors.AuthenticationError):
        return order.error("download_refused")
    if isinstance(error, errors.FileIntegrityError):
        return order.error("download_damaged", file=_file_in(error))
    if isinstance(error, errors.NotExistError | errors.InvalidParameter):
        known = _revisions(order)
        if known is None:
            return order.error("download_unknown")
        return order.error("download_no_revision", revision=order.revision or BRANCH, known=known)
    if isinstance(error, errors.HubError):
        return order.error("download_unreachable", url=address(), reason=str(error).splitlines()[0])
    return error


def _revisions(order: Order) -> str | None:
    """Branches and tags of the model; None if there is no such model."""
    from modelscope_hub import errors

    try:
        rows = _api(order).list_repo_revisions(order.repo, order.kind)
    except errors.HubError:
        return None
    return ", ".join(str(row.get("Revision") or row.get("name")) for row in rows[:20]) or BRANCH


def _file_in(error: Exception) -> str:
    """The file that an integrity error speaks of."""
    found = re.search(r"for (\S+?):? ", f"{error} ")
    return found[1] if found else "?"
