"""Is the one better than the other, or was it the choice of rows? A paired bootstrap over rows answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NUM_DRAWS = 2_000
MAX_CELLS = 4_000_000  # of one block of draws, in memory
MAX_WORK = 20_000_000  # rows times draws; beyond 10 000 rows fewer draws tell as much
LEVEL = 0.95
MIN_UNLIKE = 6  # fewer rows that all agree do so by chance in more than 5 of 100 cases (sign test, 2 / 2**6 = 0.03)
SEED = 42


@dataclass(frozen=True)
class Interval:
    """How far `b` lies above `a` on the mean of `num` rows, with its 95 % interval; `probability` that it is above.

    `num_unlike` of the rows differ at all: a bootstrap cannot see that three wins and no loss are little to go by.
    """

    mean: float
    low: float
    high: float
    probability: float
    num: int
    num_unlike: int

    @property
    def verdict(self) -> int:
        """1: above, -1: below, 0: the interval holds zero or too few rows differ, so they cannot tell."""
        if self.num_unlike < MIN_UNLIKE:
            return 0
        return (self.low > 0) - (self.high < 0)


def paired(a: Sequence[float], b: Sequence[float], weights: Sequence[float] | None = None) -> Interval:
    """The interval of mean(b) − mean(a), rows drawn with replacement (Efron and Tibshirani 1993), the same each time.

    `weights`: how much each row counts: the number of its tokens, where values are means over them.
    Raises ValueError for lists of different lengths, or empty ones.
    """
    difference = np.asarray(b, float) - np.asarray(a, float)  # (rows,)
    weight = np.ones_like(difference) if weights is None else np.asarray(weights, float)
    num = len(difference)
    if not num or weight.shape != difference.shape:
        raise ValueError("paired needs rows, and as many weights")
    mean = float(np.average(difference, weights=weight))
    counts = num, int(np.count_nonzero(difference))
    if np.ptp(difference) == 0:  # every draw is the same
        return Interval(mean, mean, mean, 0.5 + 0.5 * float(np.sign(mean)), *counts)
    draws = _draws(difference * weight, weight)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(mean, float(low), float(high), float((draws > 0).mean() + (draws == 0).mean() / 2), *counts)


def _draws(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted means of rows drawn with replacement, (draws,)."""
    num = len(values)
    num_draws = int(np.clip(MAX_WORK // num, 200, NUM_DRAWS))
    chance, block = np.random.default_rng(SEED), max(1, MAX_CELLS // num)
    found = []
    for begin in range(0, num_draws, block):
        rows = chance.integers(0, num, (min(block, num_draws - begin), num))  # (draws, rows)
        found.append(values[rows].sum(1) / weight[rows].sum(1))
    return np.concatenate(found)
