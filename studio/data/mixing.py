"""Which rows, in which order: sampling, mixing of several sets, the part kept for evaluation, and packing.

All of it is arithmetic on row numbers, the same for the same seed. Where LLaMA-Factory leaves it to the `datasets`
library, the order is that library's, so a seed splits and mixes the same data as there.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from studio.data.rows import EncodedRows

STRATEGIES = ("concat", "interleave_under", "interleave_over", "interleave_once")
NUM_DRAWS = 1_000  # the block in which `datasets` draws


def sample(num_rows: int, num_samples: int, seed: int) -> np.ndarray:
    """`num_samples` of `num_rows` rows without repeats; beyond that the rest is drawn with repeats."""
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(num_rows)[:num_samples]
    missing = num_samples - len(chosen)
    return np.concatenate([chosen, generator.choice(num_rows, missing)]) if missing else chosen


def mix(sizes: Sequence[int], strategy: str, probabilities: Sequence[float] | None, seed: int) -> np.ndarray:
    """Places in the concatenation of sets of these sizes: one set after another, or drawn from in turn or by chance.

    `interleave_under` ends when the first set does, `interleave_over` repeats sets until every one was used up,
    `interleave_once` goes on without the finished ones.
    """
    if strategy == "concat" or len(sizes) == 1:
        return np.arange(sum(sizes))
    bounds = np.cumsum([0, *sizes])
    order, used, finished = [], [0] * len(sizes), [size == 0 for size in sizes]
    for chosen in _turns(len(sizes), probabilities, seed):
        whole = probabilities is not None or chosen == 0  # taking turns ends with a whole round
        if all(finished) or (strategy == "interleave_under" and any(finished) and whole):
            break
        if finished[chosen] and (strategy == "interleave_once" or not sizes[chosen]):
            continue
        order.append(int(bounds[chosen]) + used[chosen])
        used[chosen] += 1
        if used[chosen] == sizes[chosen]:
            finished[chosen] = True
            used[chosen] = used[chosen] if strategy == "interleave_once" else 0
    return np.array(order, np.int64)


def _turns(num_sets: int, probabilities: Sequence[float] | None, seed: int) -> Iterator[int]:
    generator = np.random.default_rng(seed)
    while True:
        if probabilities is None:
            yield from range(num_sets)
        else:
            yield from map(int, generator.choice(num_sets, size=NUM_DRAWS, p=probabilities))


def split(num_rows: int, val_size: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(train, eval): `val_size` is a count from 1 on, a fraction below."""
    num_eval = int(val_size) if val_size >= 1 else math.ceil(val_size * num_rows)
    order = np.random.default_rng(seed).permutation(num_rows)
    return order[num_eval:], order[:num_eval]


class PackedRows(Sequence):
    """The tokens of rows, one after another, cut into blocks of `block_len`; all of them are learned.

    The last block may be shorter: LLaMA-Factory drops it, and a small set with it.
    """

    end_id = None  # every label is its own token

    def __init__(self, rows: EncodedRows, block_len: int) -> None:
        places = map(rows.locate, range(len(rows)))
        parts = [store.ids[store.starts[row] : store.starts[row + 1]] for store, row in places]
        self.ids = np.concatenate(parts) if parts else np.zeros(0, np.int32)  # (tokens,)
        lengths = np.diff(np.append(np.arange(0, len(self.ids), block_len), len(self.ids)))
        self.lengths = lengths[lengths > 1]  # one token alone predicts nothing
        self.block_len = block_len

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        begin = index % len(self) * self.block_len
        ids = self.ids[begin : begin + self.block_len].astype(np.int64)
        return {"input_ids": ids, "labels": ids.copy(), "length": len(ids)}

    @property
    def num_tokens(self) -> int:
        return int(self.lengths.sum())

    @property
    def num_label_tokens(self) -> int:
        return self.num_tokens
