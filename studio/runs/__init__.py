"""Run folders, their states and figures, the queue and its supervisors.

    run = runs.submit(job)          what the page and the terminal call: with the starter model built first if needed
    runs.start(job, needs=(), name=None)      the bare start
    runs.find("qwen/lora/x"); runs.listing(); run.state; run.progress(); run.job()
    runs.stop(run, now=False); runs.resume(run, num_train_epochs=20); runs.rename(run, "new"); runs.delete(run)
    runs.hold(run); runs.release(run); runs.move(run, 0); runs.advance()

Light: neither the schema nor a model library is imported until a job is read.
"""

from studio.runs import folder, metrics
from studio.runs.control import delete, hold, move, release, rename, stop
from studio.runs.metrics import Progress
from studio.runs.queue import advance
from studio.runs.records import Run, Summary, find, listing
from studio.runs.starting import resume, start, submit
from studio.runs.states import ALIVE, ENDED, LIVE, WAITING, Status

__all__ = [
    "ALIVE",
    "ENDED",
    "LIVE",
    "WAITING",
    "Progress",
    "Run",
    "Status",
    "Summary",
    "advance",
    "delete",
    "find",
    "folder",
    "hold",
    "listing",
    "metrics",
    "move",
    "release",
    "rename",
    "resume",
    "start",
    "stop",
    "submit",
]
