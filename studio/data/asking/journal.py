"""What a generate run has made, so that it can be killed at any moment and go on: a journal in its folder, out of which
the data set is written.

    journal.jsonl     {"plan", "mark"}, then a line a unit of work: {"unit", "rows", "refused", tokens …}
    rejected.jsonl    the refused rows with their reasons, made from it
    generation.json   the figures, for whoever watches

A line is appended whole, and only then is its unit done: a unit whose line is torn is asked for again, so that no row
is lost and none stands twice. One that brought no row is asked for again at a start with other criteria or another
prompt, and where the endpoint had refused it. The set is replaced as a whole now and then, so it is a valid one at any
time.
"""

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio import paths
from studio.config import GenerateJob, fields
from studio.config.generation import CriteriaSection, EndpointSection, GenerationSection
from studio.data import register, registry, writing
from studio.data.asking.candidates import Harvest, digest
from studio.data.asking.endpoint import Counts
from studio.data.making import sets
from studio.errors import StudioError

JOURNAL, REJECTED, FIGURES = "journal.jsonl", "rejected.jsonl", "generation.json"
MARK = "generated"  # the key of a registry's entry that says which run a set belongs to
MAX_EXAMPLES = 200  # refused rows that are kept for each reason
UNANSWERED = "unanswered"
TERMS = {*fields(GenerationSection), *fields(EndpointSection), *fields(CriteriaSection)} - {
    "num_rows", "new_dataset", "parallel_requests", "max_tries", "request_timeout_s", "endpoint_key", "judge_key",
    "key_variable",
}  # fmt: skip


@dataclass(frozen=True)
class Done:
    """One unit of work that is done."""

    unit: int
    rows: list[dict[str, Any]]
    refused: list[dict[str, Any]]
    terms: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Journal:
    """The journal of one run; one writer. `ordered`: the set keeps the order of the units, not that of their ends."""

    def __init__(self, folder: Path, job: GenerateJob, plan: str, ordered: bool) -> None:
        """Raises StudioError where the run was begun with other data, or nothing was made yet and the name belongs to
        another set."""
        self.folder, self.name, self.ordered = folder, job.new_dataset, ordered
        self.done: set[int] = set()
        self.num_rows, self.refused = 0, Counter()
        self.counts = Counts()
        self.lines: list[Done] = []
        self.terms = digest(f"{key} {value}" for key, value in job.to_mapping().items() if key in TERMS)
        head = self._read()
        if head and head["plan"] != plan:
            raise StudioError("asking_changed", folder=folder)
        self.mark = head["mark"] if head else uuid.uuid4().hex
        self._own_file()
        if not head:
            writing.append(folder / JOURNAL, [{"plan": plan, "mark": self.mark}])

    @property
    def rows(self) -> Iterator[dict[str, Any]]:
        """All that joined."""
        lines = sorted(self.lines, key=lambda line: line.unit) if self.ordered else self.lines
        return (row for line in lines for row in line.rows)

    def add(self, unit: int, harvest: Harvest, spent: Counts) -> None:
        """Write down that a unit is done; what is left of its candidates has joined."""
        tokens = (spent.prompt_tokens, spent.completion_tokens)
        refused = [one.to_mapping() for one in harvest.refused]
        line = Done(unit, [one.raw for one in harvest.candidates], refused, self.terms, *tokens)
        writing.append(self.folder / JOURNAL, [vars(line)])
        self._take(line)

    def publish(self, entry: dict[str, Any], most: int | None) -> None:
        """Write the set, at most so many rows, registered with its first ones; then the refused rows."""
        rows = list(self.rows)[:most]
        own = self._own_file() if rows else None
        if own:
            writing.replace(own, writing.lines(rows))
        elif rows:
            lines = (writing.lines([row]).encode() for row in rows)
            sets.make([sets.Plan(self.name, entry | {MARK: self.mark}, lines)])
        kept: Counter = Counter()
        examples = []
        for refused in (one for line in self.lines for one in line.refused):
            kept[refused["reason"]] += 1
            if kept[refused["reason"]] <= MAX_EXAMPLES:
                examples.append(refused)
        writing.replace(self.folder / REJECTED, writing.lines(examples))

    def write_figures(self, figures: dict[str, Any]) -> None:
        """Replace `generation.json`."""
        writing.replace(self.folder / FIGURES, json.dumps(figures, ensure_ascii=False) + "\n")

    def _own_file(self) -> Path | None:
        """The set's file, once this run has registered it.

        Where the name is another set's, rows that were made (and paid for) stand under a free one, which `name` then
        is; without any it raises StudioError.
        """
        known = registry.entries(paths.data())
        own = [name for name, entry in known.items() if isinstance(entry, dict) and entry.get(MARK) == self.mark]
        if self.name not in own and self.name in register.names() and self.num_rows:
            self.name = own[0] if own else sets.free_name(self.name)
        if self.name in own:
            return paths.data() / str(known[self.name]["file_name"])
        register.check_name(self.name, taken=True)
        return None

    def _read(self) -> dict[str, str] | None:
        """The head, after taking in all whole lines; a torn last one is cut off."""
        file = self.folder / JOURNAL
        if not file.exists():
            return None
        data = file.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            with file.open("r+b") as stream:
                stream.truncate(whole)
        lines = data[:whole].decode("utf-8").split("\n")[:-1]
        for line in lines[1:]:
            done = Done(**json.loads(line))
            if done.rows or (done.terms == self.terms and UNANSWERED not in [one["reason"] for one in done.refused]):
                self._take(done)
            else:
                self._count(done)
        return json.loads(lines[0]) if lines else None

    def _take(self, line: Done) -> None:
        self.lines.append(line)
        self.done.add(line.unit)
        self.num_rows += len(line.rows)
        self.refused.update(one["reason"] for one in line.refused)
        self._count(line)

    def _count(self, line: Done) -> None:
        self.counts.prompt_tokens += line.prompt_tokens
        self.counts.completion_tokens += line.completion_tokens
        self.counts.requests += 1
