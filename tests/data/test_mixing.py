"""Sampling, mixing and splitting are the `datasets` library's, which LLaMA-Factory uses (orders computed with it)."""

import numpy as np
import pytest

from studio.data import mixing
from studio.data.encode import Encoded
from studio.data.rows import EncodedRows, write

SIZES = (5, 3, 10)
TURNS = {
    "interleave_under": [0, 5, 8, 1, 6, 9, 2, 7, 10],
    "interleave_once": [0, 5, 8, 1, 6, 9, 2, 7, 10, 3, 11, 4, 12, 13, 14, 15, 16, 17],
    "interleave_over": [
        *(0, 5, 8, 1, 6, 9, 2, 7, 10, 3, 5, 11, 4, 6, 12, 0, 7, 13, 1, 5, 14, 2, 6, 15, 3, 7, 16, 4, 5, 17)
    ],
}
CHANCE = {
    "interleave_under": [8, 0, 9, 5, 1, 10, 11, 12, 2, 3, 4],
    "interleave_once": [8, 0, 9, 5, 1, 10, 11, 12, 2, 3, 4, 13, 6, 14, 7, 15, 16, 17],
    "interleave_over": [8, 0, 9, 5, 1, 10, 11, 12, 2, 3, 4, 13, 6, 14, 0, 1, 7, 2, 15, 5, 16, 3, 17],
}


@pytest.mark.parametrize("strategy", list(TURNS))
def test_interleaving(strategy):
    assert mixing.mix(SIZES, strategy, None, 42).tolist() == TURNS[strategy]
    assert mixing.mix(SIZES, strategy, [0.5, 0.2, 0.3], 42).tolist() == CHANCE[strategy]


def test_concatenation():
    assert mixing.mix(SIZES, "concat", None, 42).tolist() == list(range(18))


def test_split():
    train, held_back = mixing.split(18, 0.25, 42)
    assert held_back.tolist() == [16, 17, 12, 6, 10] and sorted([*train, *held_back]) == list(range(18))
    assert mixing.split(18, 4, 42)[1].tolist() == [16, 17, 12, 6]
    assert len(mixing.split(18, 1, 42)[1]) == 1


def test_sample_repeats_only_beyond_the_set():
    assert len(set(mixing.sample(10, 6, 1))) == 6
    drawn = mixing.sample(10, 25, 1)
    assert set(drawn[:10]) == set(range(10)) and len(drawn) == 25
    assert not np.array_equal(mixing.sample(10, 6, 1), mixing.sample(10, 6, 2))


def test_packing_keeps_every_token_in_order(tmp_path):
    texts = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10]]
    store = write(tmp_path / "s", enumerate(Encoded(ids, ids) for ids in texts), None, {})
    packed = mixing.PackedRows(EncodedRows([store]).select(np.array([2, 0, 1])), 4)
    assert [row["input_ids"].tolist() for row in packed] == [[5, 6, 7, 8], [9, 10, 1, 2], [3, 4]]
    assert [row["labels"].tolist() for row in packed] == [[5, 6, 7, 8], [9, 10, 1, 2], [3, 4]]
    assert packed[-1]["length"] == 2 and packed.lengths.tolist() == [4, 4, 2] and packed.num_label_tokens == 10
    with pytest.raises(IndexError):
        packed[3]
