"""What can be done with a run that is there: stop, hold, release, move, rename, delete."""

import shutil
import time
from dataclasses import replace
from pathlib import Path

from studio import paths
from studio.errors import StudioError
from studio.runs import claim, ids, jobfile, queue, states
from studio.runs import folder as files
from studio.runs.records import Run


def stop(run: Run, now: bool = False) -> None:
    """Ask the run for its end: it saves a checkpoint and leaves, or leaves at once (`now`).

    A waiting run leaves the queue. Asking twice does no harm. Raises StudioError where nothing runs.
    """
    with claim.writing(run.folder), queue.locked():
        state = run.state
        if state in states.WAITING:
            states.change(run.folder, "stopped", ended=time.time(), error=None)
            _stop_unneeded(run.status.needs)
        elif state in states.ALIVE:
            files.request_stop(run.folder, now)
        else:
            raise StudioError("run_not_running", run=run.id, state=state)
    if state in states.WAITING:
        queue.advance()


def hold(run: Run) -> None:
    """Keep a queued run from starting."""
    _change_waiting(run, "queued", "held")


def release(run: Run) -> None:
    """Let a held run start when its turn comes."""
    _change_waiting(run, "held", "queued")
    queue.advance()


def move(run: Run, position: int) -> None:
    """Put a waiting run at a place among the waiting ones; 0 is next."""
    with claim.writing(paths.cache()), queue.locked():
        if run.state not in states.WAITING:
            raise StudioError("run_not_waiting", run=run.id, state=run.state)
        others = [run_id for run_id in queue.order() if run_id != run.id]
        waiting = [run_id for run_id in others if states.state_of(ids.folder_of(run_id)) in states.WAITING]
        waiting.insert(max(0, position), run.id)
        queue.write_order([run_id for run_id in others if run_id not in waiting] + waiting)


def rename(run: Run, new: str) -> Run:
    """Give the run another name in its place, or, below `saves/`, another id (`model/method/name`).

    Raises StudioError while it runs, and for a name that is taken or no name.
    """
    old_id, folder = run.id, run.folder
    if ids.is_elsewhere(old_id):
        if "/" in new:
            raise StudioError("run_id_refused", run=new)
        target = folder.parent / ids.checked(new)
    else:
        target = paths.saves() / ids.checked(new if "/" in new else f"{Path(old_id).parent}/{new}")
    with claim.writing(target), queue.locked():
        _refuse_alive(run)
        inside = any(files.is_run(parent) for parent in target.parents)
        if inside or target.exists():
            raise StudioError("run_name_taken", run=new, path=target)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(target)
        ids.unpoint(old_id)
        _follow(folder, target)
        _replace_id(old_id, ids.point(target))
    _prune(folder.parent)
    return Run(target)


def delete(run: Run) -> None:
    """Delete the run with its checkpoints. Outside `saves/` only what runs leave behind, never other files.

    Raises StudioError while it runs.
    """
    run_id = run.id
    with claim.writing(run.folder), queue.locked():
        _refuse_alive(run)
        if run_id in queue.order():
            queue.write_order([one for one in queue.order() if one != run_id])
        if ids.is_elsewhere(run_id):
            _delete_belongings(run.folder)
            ids.unpoint(run_id)
        else:
            shutil.rmtree(run.folder)
    _prune(run.folder.parent)
    queue.advance()


def _stop_unneeded(needs: tuple[str, ...]) -> None:
    """Stop a build or a download that nobody waits for any more; what a download has brought is kept."""
    waiting = [states.read(ids.folder_of(run_id)) for run_id in queue.order()]
    wanted = {need for status in waiting if status and status.state in states.WAITING for need in status.needs}
    for need in set(needs) - wanted:
        folder = ids.folder_of(need)
        state = states.state_of(folder)
        if jobfile.value(folder, "what") and state in states.LIVE:
            if state in states.WAITING:
                states.change(folder, "stopped", ended=time.time(), error=None)
            else:
                files.request_stop(folder)


def _refuse_alive(run: Run) -> None:
    if run.state in states.ALIVE:
        raise StudioError("run_is_live", run=run.id)


def _change_waiting(run: Run, before: str, after: str) -> None:
    with claim.writing(run.folder), queue.locked():
        if run.state != before:
            raise StudioError("run_not_waiting", run=run.id, state=run.state)
        states.change(run.folder, after, error=None)


def _follow(old: Path, new: Path) -> None:
    """Set right what names the folder inside it."""
    if (new / files.JOB).exists():
        changed = {"output_dir": str(new)}
        checkpoint = jobfile.value(new, "resume_from_checkpoint")
        if checkpoint and Path(checkpoint).is_relative_to(old):
            changed["resume_from_checkpoint"] = str(new / Path(checkpoint).relative_to(old))
        jobfile.edit(new, **changed)
    info = files.read_json(new / files.LAUNCH)
    if info:
        info["argv"] = [str(new) if word == str(old) else word for word in info["argv"]]
        files.write_json_atomic(new / files.LAUNCH, info)


def _replace_id(old: str, new: str) -> None:
    """In the queue, and where another run waits for this one."""
    order = queue.order()
    for run_id in order:
        folder = ids.folder_of(new if run_id == old else run_id)
        status = states.read(folder)
        if status and status.state in states.WAITING and old in status.needs:
            needs = tuple(new if need == old else need for need in status.needs)
            states.write(folder, replace(status, needs=needs))
    if old in order:
        queue.write_order([new if run_id == old else run_id for run_id in order])
    if old in queue.typed_secrets:
        queue.typed_secrets[new] = queue.typed_secrets.pop(old)


def _delete_belongings(folder: Path) -> None:
    for path in (*claim.belongings(folder), *folder.glob(claim.PREVIOUS)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def _prune(folder: Path) -> None:
    """Remove the folders that a run leaves empty below `saves/`."""
    while folder != paths.saves() and folder.is_relative_to(paths.saves()):
        try:
            folder.rmdir()
        except OSError:
            return  # not empty
        folder = folder.parent
