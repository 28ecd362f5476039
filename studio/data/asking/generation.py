"""What a generate run does: units of work to the endpoint, several at a time; what passes the criteria joins the set.

One event loop does it all: an end that is asked for, or an endpoint that refuses, drops what is under way and leaves
the journal and the set as they are, so that the next start goes on from there.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from studio import text
from studio.config import GenerateJob
from studio.config.generation import NUM_ROWS
from studio.data.asking.candidates import Ask, Harvest, Refusal
from studio.data.asking.criteria import Criteria
from studio.data.asking.endpoint import Asker, Counts, Line, Messages, Reply, Unanswered, line_to
from studio.data.asking.journal import UNANSWERED, Journal
from studio.data.asking.questions import Questions
from studio.data.asking.rewriting import Rewrite
from studio.data.asking.self_instruct import SelfInstruct
from studio.errors import StudioError

WAYS = {"self_instruct": SelfInstruct, "questions": Questions, "rewrite": Rewrite}
LOOK_S = 0.2  # between two looks at whether to stop
PUBLISH_S = 15.0  # between two versions of the set; longer where writing it takes long
LOG_S = 10.0
FRUITLESS = 20  # units in a row without a new row: it will not get better
REFUSED_AT_START = 5  # units refused by the endpoint before any was answered: so will be the rest

Tell = Callable[[str, int, int, str], None]


def produce(job: GenerateJob, folder: Path, askers: tuple[Asker, Asker | None], tell: Tell) -> dict:
    """Make rows until there are enough, or no work is left; returns the figures. `askers`: who writes, who else judges.

    `tell("asking", rows, target, "rows")` may raise to end it; what is made stays. Raises StudioError where the
    endpoint refuses or is gone, where nothing can be made of the job, and where no row joins any more.
    """
    work = _Work(job, folder, tell)
    try:
        asyncio.run(work.run(askers))
    finally:
        work.publish()
    if not work.journal.num_rows:
        raise StudioError("asking_no_rows", reasons=work.reasons() or "–", folder=folder)
    return work.figures()


class _Work:
    """One start of a run."""

    def __init__(self, job: GenerateJob, folder: Path, tell: Tell) -> None:
        self.job, self.tell, self.name = job, tell, job.new_dataset
        self.t = text.catalogue(text.preferred_language())
        self.way = WAYS[job.way](job)
        self.journal = Journal(folder, job, self.way.plan, ordered=self.way.total is not None)
        self.criteria = Criteria(job, self.way.known)
        for row in self.journal.rows:
            self.criteria.let_in(self.way.question_of(row))
        self.made = list(self.journal.rows) if self.way.total is None else []  # shown as examples
        self.target = job.num_rows or (NUM_ROWS if self.way.total is None else None)
        self.began_s, self.num_before = time.monotonic(), self.journal.num_rows
        self.published_s = self.logged_s = self.began_s
        self.pause_s, self.barren, self.num_settled = PUBLISH_S, 0, 0
        self.lines: list[Line] = []

    async def run(self, askers: tuple[Asker, Asker | None]) -> None:
        """Until the end."""
        writer, judge = askers
        async with AsyncExitStack() as stack:
            self.lines = [await stack.enter_async_context(line_to(asker)) for asker in (writer, judge) if asker]
            units = (unit for unit in self.way.units() if unit not in self.journal.done)
            pending: set[asyncio.Task] = set()
            try:
                while not self._enough():
                    while len(pending) < self._wanted() and (unit := next(units, None)) is not None:
                        pending.add(asyncio.create_task(self._one(unit)))
                    if not pending:
                        return
                    done, pending = await asyncio.wait(pending, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                    failed = [error for task in done if (error := task.exception())]
                    for task in done:
                        if not task.exception():
                            self._settle(*task.result())
                    if failed:
                        raise failed[0]
                    self._report()
            finally:
                for task in pending:
                    task.cancel()
                await asyncio.gather(*pending, return_exceptions=True)

    async def _one(self, unit: int) -> tuple[int, Harvest, Counts]:
        """A unit, its candidates past all criteria but their likeness to those that join meanwhile."""
        spent = Counts()
        ask = _counting(self.lines[0], spent, max_tokens=self.job.max_new_tokens, temperature=self.job.temperature)
        judge = _counting(self.lines[-1], spent)
        try:
            harvest = await self.way.work(unit, ask, self.made)
        except Unanswered as refused:
            return unit, Harvest(refused=[Refusal(UNANSWERED, {"unit": unit}, str(refused))]), spent
        passed = []
        for candidate in harvest.candidates:
            refusal = self.criteria.refuse(candidate) or await self.criteria.judge(candidate, judge)
            if refusal:
                harvest.refused.append(refusal)
            else:
                passed.append(candidate)
        harvest.candidates = passed
        return unit, harvest, spent

    def _settle(self, unit: int, harvest: Harvest, spent: Counts) -> None:
        """Let the candidates in that still differ, and write it down."""
        joined = []
        for candidate in harvest.candidates:
            refusal = self.criteria.refuse_alike(candidate)
            if refusal:
                harvest.refused.append(refusal)
                continue
            self.criteria.let_in(candidate.question)
            joined.append(candidate)
        harvest.candidates = joined
        self.journal.add(unit, harvest, spent)
        if self.way.total is None:
            self.made += [candidate.raw for candidate in joined]
        self._despair(harvest)

    def _despair(self, harvest: Harvest) -> None:
        """Raise StudioError where going on would only cost money."""
        self.num_settled += 1
        if self.num_settled == self.journal.refused[UNANSWERED] == REFUSED_AT_START:
            raise StudioError("asking_all_refused", reason=harvest.refused[0].detail)
        self.barren = 0 if harvest.candidates else self.barren + 1
        if self.barren >= FRUITLESS and self.way.total is None:
            raise StudioError("asking_fruitless", count=FRUITLESS, reasons=self.reasons())

    def _enough(self) -> bool:
        return self.target is not None and self.journal.num_rows >= self.target

    def _wanted(self) -> int:
        """How many units may be under way: no more than the rows that are missing ask for."""
        if self.target is None:
            return self.job.parallel_requests
        missing = self.target - self.journal.num_rows
        return min(self.job.parallel_requests, -(-missing // self.way.rows_per_unit))

    def _report(self) -> None:
        now_s = time.monotonic()
        if now_s - self.logged_s >= LOG_S:
            self.logged_s = now_s
            self._log()
        if now_s - self.published_s >= self.pause_s:
            self.publish()
        if self.target is not None:
            self.tell("asking", min(self.journal.num_rows, self.target), self.target, "rows")
        else:
            self.tell("asking", len(self.journal.done), self.way.total, "units")

    def publish(self) -> None:
        """Bring the set and the figures up to date."""
        began_s = time.monotonic()
        self.journal.publish(self.way.entry, self.target)
        if self.journal.name != self.name:
            print(self.t("asking.renamed", wanted=self.name, name=self.journal.name), flush=True)
            self.name = self.journal.name
        self.journal.write_figures(self.figures())
        self._log()
        self.published_s = time.monotonic()
        self.pause_s = max(PUBLISH_S, 20 * (self.published_s - began_s))

    def figures(self) -> dict:
        """How it stands: rows, refused ones by reason, tokens of all starts, rows a minute of this one."""
        minutes = (time.monotonic() - self.began_s) / 60
        num_new = self.journal.num_rows - self.num_before
        return {
            "dataset": self.journal.name,
            "rows": min(self.journal.num_rows, self.target or self.journal.num_rows),
            "target": self.target,
            "units": len(self.journal.done),
            "units_total": self.way.total,
            "refused": dict(self.journal.refused.most_common()),
            "requests": sum(line.counts.requests for line in self.lines),
            "retries": sum(line.counts.retries for line in self.lines),
            "prompt_tokens": self.journal.counts.prompt_tokens,
            "completion_tokens": self.journal.counts.completion_tokens,
            "rows_per_minute": round(num_new / minutes, 1) if minutes else 0.0,
        }

    def reasons(self) -> str:
        """The refused rows, counted: "too alike 31, too short 3"."""
        found = self.journal.refused.most_common()
        return ", ".join(f"{self.t(f'asking.refused_{code}')} {count}" for code, count in found)

    def _log(self) -> None:
        figures = self.figures()
        print(self.t("asking.log", **figures | {"refused": self.reasons() or "0"}), flush=True)


def _counting(line: Line, spent: Counts, **options: object) -> Ask:
    """Asks on a line and adds the tokens up."""

    async def ask(messages: Messages) -> Reply:
        reply = await line.ask(messages, **options)
        spent.prompt_tokens += reply.prompt_tokens
        spent.completion_tokens += reply.completion_tokens
        return reply

    return ask
