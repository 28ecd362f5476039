"""The paired bootstrap: its interval, its seed, its bounds."""

import numpy as np
import pytest

from studio.scoring.statistics import paired


def test_a_clear_difference_and_none():
    chance = np.random.default_rng(1)
    base = chance.normal(50, 20, 400)
    better = paired(base, base + chance.normal(5, 5, 400))
    assert better.verdict == 1 and better.low < better.mean < better.high and better.probability == 1
    assert better.mean == pytest.approx(5, abs=1)
    assert better.high - better.low == pytest.approx(2 * 1.96 * 5 / 20, rel=0.2)  # what theory says
    same = paired(base, base + chance.normal(0, 5, 400))
    assert same.verdict == 0 and 0 < same.probability < 1
    worse = paired(base + 3, base)
    assert (worse.mean, worse.low, worse.high, worse.verdict, worse.probability) == (-3, -3, -3, -1, 0)


def test_it_is_the_same_each_time_and_counts_ties():
    a, b = np.zeros(50), np.array([1.0] * 10 + [0.0] * 40)
    assert paired(a, b) == paired(a, b)
    assert paired(a, a).probability == 0.5 and paired(a, a).verdict == 0


def test_weights_are_numbers_of_tokens():
    assert paired([0, 0], [1, 3], weights=[3, 1]).mean == pytest.approx(1.5)


def test_its_interval_covers_the_truth_mostly():
    chance = np.random.default_rng(2)
    drawn = [paired(np.zeros(60), chance.normal(1, 4, 60)) for _ in range(100)]
    assert 88 <= sum(interval.low <= 1 <= interval.high for interval in drawn) <= 99


def test_a_hundred_thousand_rows():
    values = np.random.default_rng(3).normal(0.1, 1, 100_000)
    assert paired(np.zeros(100_000), values).verdict == 1


def test_wrong_lengths():
    for a, b, weights in (([], [], None), ([1.0], [2.0], [1.0, 2.0])):
        with pytest.raises(ValueError):
            paired(a, b, weights)


@pytest.mark.parametrize("num, verdict", [(1, 0), (5, 0), (6, 1)])
def test_a_few_rows_that_agree_prove_nothing(num, verdict):
    assert paired([1.0] * num, [2.0] * num).verdict == verdict
    assert paired([1.0] * num, [2.0 + row for row in range(num)]).verdict == verdict
    ties = [0.0] * 200  # many rows that say nothing make a few no stronger
    assert paired([*ties, *[1.0] * num], [*ties, *[2.0] * num]).verdict == verdict
