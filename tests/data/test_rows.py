"""Encoded rows come back from their files as they went in, whole or not at all."""

import os
import pickle

import numpy as np
import pytest

from studio.data import rows as stores
from studio.data.encode import IGNORE, Encoded
from studio.data.rows import EncodedRows, Store, write
from studio.errors import StudioError

END = 99
ROWS = [
    Encoded([1, 2, 3], [IGNORE, 2, 3]),
    Encoded([4, 5], [IGNORE, 5]),
    Encoded([6, 7, 8], [IGNORE, END, 8]),
]


def store(folder, rows=ROWS):
    return write(folder, enumerate(rows, 10), END, {"read": len(rows)})


def plain(rows):
    return [(row["input_ids"].tolist(), row["labels"].tolist(), row["length"]) for row in rows]


def test_there_and_back(tmp_path):
    rows = EncodedRows([store(tmp_path / "a")])
    assert plain(rows) == [(row.input_ids, row.labels, len(row.input_ids)) for row in ROWS]
    assert rows[0]["input_ids"].dtype == rows[0]["labels"].dtype == np.int64
    assert (rows.num_tokens, rows.num_label_tokens, rows.lengths.tolist()) == (8, 5, [3, 2, 3])
    assert Store(tmp_path / "a").numbers.tolist() == [10, 11, 12]


def test_choice_over_two_stores(tmp_path):
    rows = EncodedRows([store(tmp_path / "a"), store(tmp_path / "b", ROWS[:1])])
    chosen = rows.select(np.array([3, 1, 1]))
    assert [row[0] for row in plain(chosen)] == [[1, 2, 3], [4, 5], [4, 5]]
    assert (chosen.num_tokens, chosen.num_label_tokens, len(chosen)) == (7, 4, 3)
    assert chosen.locate(0)[0].folder == tmp_path / "b"
    with pytest.raises(IndexError):
        chosen[3]


def test_rows_travel_to_another_process(tmp_path):
    rows = EncodedRows([store(tmp_path / "a")])
    sent = pickle.dumps(rows)
    assert plain(pickle.loads(sent)) == plain(rows)  # noqa: S301
    assert len(sent) < 2_000


def test_what_a_killed_process_of_the_same_number_left_is_not_gone_on_with(tmp_path):
    left = tmp_path / f".a.{os.getpid()}"
    left.mkdir()
    (left / "splits.i64").write_bytes(np.array([7, 7], np.int64).tobytes())
    pair = Encoded([1, 2], [IGNORE, 2], rejected=Encoded([1, 3], [IGNORE, 3]))
    assert store(tmp_path / "a", [pair]).splits.tolist() == [2]


def test_nothing_is_left_of_a_store_that_failed(tmp_path):
    def broken():
        yield 1, ROWS[0]
        raise StudioError("data_empty", file="x")

    with pytest.raises(StudioError):
        write(tmp_path / "stores" / "a", broken(), END, {})
    assert list((tmp_path / "stores").iterdir()) == []


def test_full_disk_is_said(tmp_path, monkeypatch):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    monkeypatch.setattr(stores, "IDS", "/dev/full")
    with pytest.raises(StudioError) as error:
        store(tmp_path / "a", [Encoded(list(range(9_000)), list(range(9_000)))] * 20)
    assert error.value.key == "data_disk_full" and not (tmp_path / "a").exists()


def test_label_of_a_third_kind_is_a_bug(tmp_path):
    with pytest.raises(ValueError):
        store(tmp_path / "a", [Encoded([1, 2], [IGNORE, 50])])


def test_learned_tokens_are_counted_some_rows_at_a_time(tmp_path):
    encoded = [Encoded([1] * n, [IGNORE] * (n // 2) + [1] * (n - n // 2)) for n in range(1, 9)]
    store = write(tmp_path / "s", enumerate(encoded, 1), None, {})
    counts = [np.concatenate(list(store.count_learned(size))).tolist() for size in (3, 8, 100)]
    assert counts == [[1, 1, 2, 2, 3, 3, 4, 4]] * 3
    assert EncodedRows([store]).select(np.array([7, 0])).num_label_tokens == 5
