"""Questions asked of a model here: many rows decoded at once; one that is over leaves and makes room for the next.

The loop is the server's (`serve.decoder`), driven here without a thread: rows of like length begin together, and as
nobody reads along, an answer becomes text once, at its end.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

import torch

from studio import text
from studio.config import EvaluateJob
from studio.config.evaluating import USUAL_BATCH
from studio.errors import StudioError
from studio.worker import memory
from studio.worker.evaluate.ledger import Answer, Asking, Ledger
from studio.worker.evaluate.prompts import Prompts
from studio.worker.evaluate.speaker import Speaker
from studio.worker.evaluate.turns import Question
from studio.worker.serve.cache import holds_keys_only
from studio.worker.serve.decoder import Decoder
from studio.worker.serve.prefill import PIECE_TOKENS
from studio.worker.serve.recall import Recall
from studio.worker.serve.request import Event, Request, Sampling
from studio.worker.serve.rows import Row, Voice

POOL_BATCHES = 8  # so many batches of rows are sorted by length together
MOST_ROWS = 32  # at once, where nobody says how many
NO_MEMORY = "out_of_memory_serving"


def rows_at_once(speaker: Speaker, job: EvaluateJob) -> int:
    """How many rows are answered at once where nobody says: as many as a fifth of the free memory holds at their
    longest, within bounds. More than that hardly makes a step of all of them any faster."""
    config = speaker.model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or getattr(config, "num_attention_heads", None)
    width = getattr(config, "head_dim", None) or config.hidden_size // (heads or 1)
    if not heads or not holds_keys_only(speaker.model.config):
        return USUAL_BATCH
    token_bytes = 2 * config.num_hidden_layers * heads * width * speaker.model.dtype.itemsize
    longest = min(speaker.context_length, job.cutoff_len + job.max_new_tokens)
    fitting = memory.free_bytes(speaker.device) // (5 * longest * token_bytes)
    return max(USUAL_BATCH, min(MOST_ROWS, fitting))


@dataclass
class Active:
    """A question that is being answered, its row in the loop, and how that ended."""

    asking: Asking
    row: Row | None = None
    end: Event | None = None


class Asker:
    """Answers questions with one model, `batch` at once."""

    def __init__(self, speaker: Speaker, job: EvaluateJob) -> None:
        self.prompts, self._job = Prompts(speaker, job), job
        self._decoder = Decoder(speaker.model, speaker.device, None, job.use_kv_cache)
        self._decoder.recall = LongRecall()
        self._voice = Voice(speaker.tokenizer, speaker.ends, speaker.model.config.get_text_config().vocab_size)
        self.batch = job.per_device_eval_batch_size or rows_at_once(speaker, job)
        self._active: list[Active] = []

    def answers(self, questions: Sequence[Question], known: Set[int], tell) -> Iterator[Answer]:
        """The answers to all but the `known`, as they come. `tell(done)` is called at each step and may raise to call
        it off.

        Raises StudioError where not even one row at a time fits into the memory.
        """
        ledger = Ledger(self.prompts, questions, known)
        with torch.inference_mode():
            while not ledger.is_over:
                if len(self._active) < 2 * self.batch:
                    self._ask(ledger.begin(POOL_BATCHES * self.batch))
                self._step(ledger)
                yield from ledger.tell()
                tell(ledger.num_done)

    def _ask(self, found: list[Asking]) -> None:
        """Put questions behind those that wait, the longest first."""
        added = [Active(asking) for asking in sorted(found, key=lambda asking: len(asking.prompt.ids), reverse=True)]
        self._active += added
        self._decoder.waiting += map(self._row, added)

    def _row(self, active: Active) -> Row:
        job, prompt = self._job, active.asking.prompt
        drawing = {"temperature": job.temperature, "top_p": job.top_p, "top_k": job.top_k} if job.do_sample else {}
        seed = (job.seed << 32) + active.asking.place
        sampling = Sampling(job.do_sample, repetition_penalty=job.repetition_penalty, seed=seed, **drawing)
        request = Request(prompt.ids, max_new_tokens=prompt.room, sampling=sampling, images=prompt.images)

        def on_event(event: Event) -> None:
            active.end = event

        active.row = Row(request, on_event, self._voice, prompt.room)
        active.row.speech = UNSPOKEN
        return active.row

    def _step(self, ledger: Ledger) -> None:
        """One token of each row. New ones join some at a time: to read one prompt costs about as much as four."""
        free = self.batch - self._decoder.num_rows
        joins = free >= max(1, self.batch // 4)
        self._decoder.step(free if joins else 0)
        over = [active for active in self._active if active.end is not None]
        if not over:
            return
        self._active = [active for active in self._active if active.end is None]
        self._again([active for active in over if active.end.error is not None])
        for active in over:
            if active.end is not None:
                self._ask(ledger.take(active.asking, self._said(active), active.end.finish_reason == "length"))

    def _said(self, active: Active) -> str:
        ids = active.row.said
        return self.prompts.said(ids[:-1] if ids and ids[-1] in self._voice.ends else ids)

    def _again(self, failed: list[Active]) -> None:
        """Ask anew, fewer at once, those for whom the memory was too small."""
        if not failed:
            return
        error = failed[0].end.error
        if getattr(error, "key", None) != NO_MEMORY:
            raise error
        if self.batch == 1:
            raise StudioError("out_of_memory", reason=error.values["reason"])
        self.batch = max(1, self.batch // 2)
        t = text.catalogue(text.preferred_language())
        print(t("notices.evaluate_smaller_batch", count=self.batch), flush=True)
        for active in failed:
            active.end = None
        self._active += failed
        self._decoder.waiting[:0] = map(self._row, failed)


class LongRecall(Recall):
    """Keeps what was read of long prompts alone: the short ones are read together, and cannot begin with it."""

    def keep(self, adapter, ids, cache, index) -> None:
        """As Recall's."""
        if len(ids) > PIECE_TOKENS:
            super().keep(adapter, ids, cache, index)


class Unspoken:
    """In the place of `Speech` where nobody reads along: what was said becomes text at its end."""

    stopped = False

    def say(self, token: int) -> str:
        """Nothing yet."""
        return ""

    def rest(self) -> str:
        """Nothing held back."""
        return ""


UNSPOKEN = Unspoken()
