"""The answers of a set written anew, in the set's own format; the old ones are kept in `original`."""

from collections.abc import Iterator, Sequence
from typing import Any

from studio import text
from studio.config import GenerateJob
from studio.data import formats, reading, registry
from studio.data.asking.candidates import Ask, Candidate, Harvest, Refusal, digest
from studio.data.asking.prompts import default_prompt, fill
from studio.data.making import sets
from studio.data.problem import Problem
from studio.data.source import Source
from studio.errors import StudioError


class Rewrite:
    """A request for each answer of each row."""

    def __init__(self, job: GenerateJob) -> None:
        self.job, self.rows_per_unit, self.known = job, 1, []
        self.source = registry.find(job.rewrite_dataset, job.dataset_dir)
        if self.source.is_text or self.source.ranking:
            raise StudioError("asking_no_answers", name=job.rewrite_dataset)
        self.entry = sets.entry_of(self.source)
        self._rows = dict(reading.read_rows(self.source))
        self.total = len(self._rows)
        self.plan = digest(str(row) for row in self._rows.values())
        self._prompt = job.ask_prompt or default_prompt("rewrite", job.prompt_language)

    def units(self) -> Iterator[int]:
        """The rows."""
        yield from self._rows

    async def work(self, number: int, ask: Ask, made: Sequence[dict]) -> Harvest:
        """A request for each answer of the row."""
        raw = self._rows[number]
        row = formats.to_row(self.source, raw)
        if isinstance(row, Problem):
            return Harvest(refused=[Refusal("unusable", {"row": number}, row.text(text.catalogue()))])
        new: list[str] = []
        asked = answered = ""
        for message in row.messages:
            if message["role"] in ("user", "tool"):
                asked = message["content"]
            elif message["role"] == "assistant" and not message.get("tool_calls"):
                reply = await ask([{"role": "user", "content": self._asked(asked, message["content"])}])
                if not reply.whole or not reply.text:
                    shown = {"row": number, "answer": reply.text}
                    return Harvest(refused=[Refusal("cut" if reply.text else "empty", shown)])
                new.append(reply.text)
                answered = reply.text
        if not new:
            return Harvest(refused=[Refusal("unusable", {"row": number}, "no answer in words")])
        return Harvest([Candidate(asked, answered, _replaced(self.source, raw, new))])

    @staticmethod
    def question_of(raw: dict) -> str:
        """Not compared: the questions are those of the set."""
        return ""

    def _asked(self, question: str, answer: str) -> str:
        return fill(self._prompt, instruction=self.job.rewrite_instruction, question=question, answer=answer)


def _replaced(source: Source, raw: dict, new: list[str]) -> dict[str, Any]:
    """The raw row with its answers replaced, in its own format."""
    raw, columns, tags = formats.unpacked_row(source, raw), source.columns, source.tags
    if source.formatting == "alpaca":
        old = raw[columns.response]
        history = [list(pair) for pair in raw.get(columns.history) or ()] if columns.history else []
        for pair, answer in zip(history, new, strict=False):
            pair[1] = answer
        kept = {columns.history: history} if history else {}
        return raw | kept | {columns.response: new[-1], "original": old}
    answers, old, turns = iter(new), [], []
    for turn in raw[columns.messages]:
        spoken = turn.get(tags.role_tag) == tags.assistant_tag and not turn.get("tool_calls")
        if spoken:
            old.append(turn[tags.content_tag])
        turns.append(turn | {tags.content_tag: next(answers)} if spoken else turn)
    return raw | {columns.messages: turns, "original": old}
