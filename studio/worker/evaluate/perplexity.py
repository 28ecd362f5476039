"""How surprising the labels are to the model: one pass over the rows, encoded as for training, nothing written.

Rows of like length share a batch and end at the same column, so that the vocabulary is computed for the labels alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from studio.config import EvaluateJob
from studio.data.encode import IGNORE, Encoder
from studio.data.formats import Row
from studio.data.problem import Problem
from studio.errors import StudioError
from studio.worker import place as places
from studio.worker.evaluate.speaker import Speaker
from studio.worker.evaluate.turns import Question
from studio.worker.serve.decoder import Decoder
from studio.worker.serve.memory import first_line, is_memory

CHUNK_ROWS = 2_000  # measured and written together
MAX_LOGITS = 1 << 27  # entries of one batch: 512 MiB


@dataclass(frozen=True)
class Measured:
    """`nll`: the sum over the label's tokens, in nats."""

    nll: float
    num_label_tokens: int

    def to_mapping(self) -> dict:
        """As `scores.jsonl` holds it: null where the model gave no number."""
        nll = round(self.nll, 5) if math.isfinite(self.nll) else None
        return {"nll": nll, "num_label_tokens": self.num_label_tokens}


@dataclass(frozen=True)
class Learned:
    """A row to measure: its `place` among all, its ids and their labels."""

    place: int
    ids: list[int]
    labels: list[int]

    @property
    def num_last(self) -> int:
        """How many positions, counted from the end, are needed to judge all labels."""
        first = next(place for place, label in enumerate(self.labels) if label != IGNORE and place)
        return len(self.ids) - first + 1


class Meter:
    """Measures rows with one model."""

    def __init__(self, speaker: Speaker, job: EvaluateJob) -> None:
        self._decoder = Decoder(speaker.model, speaker.device, None, cached=False)
        self._num_tokens = speaker.model.config.get_text_config().vocab_size
        self._longest = speaker.context_length
        self._batch = job.batch_size
        whole = job.stage == "pt"
        options = {"cutoff_len": job.cutoff_len, "stage": job.stage, "mask_history": not whole}
        self._encoder = Encoder(speaker.tokens, speaker.template, **options)

    def measure(self, rows: Sequence[Row], tell) -> list[Measured | None]:
        """The surprise of each row's last answer (of a whole text); None where there is nothing to measure.

        `tell(done)` is called between batches and may raise to call it off.
        """
        found: list[Measured | None] = [None] * len(rows)
        learned = self._encoded(rows)
        with torch.inference_mode():
            while learned:
                tell(len(rows) - len(learned))
                batch = self._next(learned)
                for row, measured in zip(batch, self._measured(batch, learned), strict=False):
                    found[row.place] = measured
        tell(len(rows))
        return found

    def _encoded(self, rows: Sequence[Row]) -> list[Learned]:
        """Those that can be measured, the shortest first: they are taken from the end."""
        pairs = [pair for pair in enumerate(self._encoder.encode(rows)) if not isinstance(pair[1], Problem)]
        fitting = [(place, one) for place, one in pairs if len(one.input_ids) <= self._longest
                   and any(label != IGNORE for label in one.labels[1:])]  # the first token is never guessed
        return sorted((Learned(place, one.input_ids, one.labels) for place, one in fitting), key=_length)

    def _next(self, learned: list[Learned]) -> list[Learned]:
        num_last = max(row.num_last for row in learned[-self._batch :])
        size = max(1, min(self._batch, MAX_LOGITS // (num_last * self._num_tokens)))
        batch = learned[-size:]
        del learned[-size:]
        return batch

    def _measured(self, batch: list[Learned], learned: list[Learned]) -> list[Measured]:
        """What a batch measures; nothing, and the rows again among those to come, where the memory was too small."""
        try:
            return self._pass(batch)
        except Exception as error:
            if not is_memory(error):
                raise
            if len(batch) == 1:
                raise StudioError("out_of_memory", reason=first_line(error)) from error
        places.release(self._decoder.device)
        self._batch = max(1, len(batch) // 2)
        learned += batch
        return []

    def _pass(self, batch: list[Learned]) -> list[Measured]:
        longest, device = max(len(row.ids) for row in batch), self._decoder.device
        ids = torch.tensor([[0] * (longest - len(row.ids)) + row.ids for row in batch], device=device)  # (B, T)
        lengths = torch.tensor([[len(row.ids)] for row in batch], device=device)
        mask = (torch.arange(longest, device=device) >= longest - lengths).long()
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        keep = max(row.num_last for row in batch)
        padded = None if len({len(row.ids) for row in batch}) == 1 else mask
        logits = self._decoder.forward(ids, None, padded, positions, keep=keep)[:, -keep:-1]  # (B, K-1, V)
        labels = [([IGNORE] * (keep - 1) + row.labels[1:])[-(keep - 1) :] for row in batch]
        targets = torch.tensor(labels, device=device)  # (B, K-1)
        losses = torch.nn.functional.cross_entropy(
            logits.transpose(1, 2), targets, ignore_index=IGNORE, reduction="none"
        ).sum(1)
        counts = (targets != IGNORE).sum(1)
        return [Measured(*pair) for pair in zip(losses.tolist(), counts.tolist(), strict=True)]


def _length(row: Learned) -> int:
    return len(row.ids)


def labelled(question: Question) -> Row | None:
    """A question with its label, as a row to learn; None without one."""
    row = question.asked.row
    if question.label is None or row.media:
        return None
    return replace(row, messages=(*question.messages, question.label), rejected=None, good=None)

