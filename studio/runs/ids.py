"""A run's id is its path below `saves/`. A folder elsewhere has a pointer (a link) below `saves/.elsewhere/`."""

import hashlib
import os
import re
from pathlib import Path, PurePosixPath

from studio import paths
from studio.errors import StudioError

ELSEWHERE = ".elsewhere"


def id_of(folder: Path) -> str:
    """The id of a folder, wherever it is; no file is asked."""
    folder = Path(os.path.abspath(folder))
    for path, root in ((folder, paths.saves()), (folder.resolve(), paths.saves().resolve())):
        if path.is_relative_to(root) and path != root:
            return path.relative_to(root).as_posix()
    mark = hashlib.sha1(str(folder.resolve()).encode(), usedforsecurity=False).hexdigest()[:8]
    name = re.sub(r"[^\w.\-]+", "-", folder.name).lstrip(".") or "run"
    return f"{ELSEWHERE}/{name}-{mark}"


def folder_of(run_id: str) -> Path:
    """The folder of an id, whether or not it is there. Raises StudioError for what cannot be an id."""
    folder = paths.saves() / checked(run_id)
    return folder.resolve() if is_elsewhere(run_id) else folder


def is_elsewhere(run_id: str) -> bool:
    """Whether the id is a pointer's."""
    return run_id.startswith(f"{ELSEWHERE}/")


def checked(run_id: str) -> str:
    """The id, if it stays below `saves/` and is not hidden."""
    pure = PurePosixPath(run_id)
    inner = pure.parts[1:] if is_elsewhere(run_id) else pure.parts
    bad = not inner or pure.is_absolute() or "\0" in run_id or "\\" in run_id
    if bad or any(part.startswith(".") or part != part.strip() for part in inner):
        raise StudioError("run_id_refused", run=run_id)
    return pure.as_posix()


def point(folder: Path) -> str:
    """Make sure that the folder is found by its id, and return it."""
    run_id = id_of(folder)
    link = paths.saves() / run_id
    if is_elsewhere(run_id) and not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder.resolve(), target_is_directory=True)
    return run_id


def unpoint(run_id: str) -> None:
    """Remove the pointer of a folder elsewhere."""
    if is_elsewhere(run_id):
        (paths.saves() / run_id).unlink(missing_ok=True)
