"""Encoded rows, compact: five bytes a token in three flat files that are mapped, not read.

A `Store` is the encoded rows of one source, written once, chunk by chunk, and found again by its key. `EncodedRows` is
a choice of rows from stores, in an order: mixing, sampling and splitting only ever move indices.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from studio.data.encode import IGNORE, Encoded
from studio.errors import FULL_DISK, StudioError

IDS, LEARNED, STARTS, NUMBERS, FACTS = "ids.int32", "learned.uint8", "starts.int64", "numbers.int64", "facts.json"
SPLITS, GOOD = "splits.int64", "good.uint8"  # of judged rows only
SKIPPED, TOKEN, END = 0, 1, 2  # what the label of a token is: none, the token itself, the end token


class Store:
    """`ids` (tokens,), `learned` (tokens,), `starts` (rows + 1,), `numbers` (rows,): row numbers in the source.

    A row of two answers holds both one after the other; `splits` (rows,) is the length of the first. `good` (rows,) is
    what an answer was marked. Other rows have neither.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = json.loads((folder / FACTS).read_text("utf-8"))
        self.end_id: int | None = self.facts.pop("end_id")
        self._map()

    def _map(self) -> None:
        self.ids = _mapped(self.folder / IDS, np.int32)
        self.learned = _mapped(self.folder / LEARNED, np.uint8)
        self.starts = np.fromfile(self.folder / STARTS, np.int64)
        self.numbers = np.fromfile(self.folder / NUMBERS, np.int64)
        self.splits = _if_any(self.folder / SPLITS, np.int64)
        self.good = _if_any(self.folder / GOOD, np.uint8)

    @property
    def stage(self) -> str:
        """The stage that its rows are for; all that are not judged alike are `sft`."""
        return "dpo" if self.splits is not None else "kto" if self.good is not None else "sft"

    def __len__(self) -> int:
        return len(self.numbers)

    def count_learned(self, size: int = 20_000) -> Iterator[np.ndarray]:
        """The number of learned tokens of each row, some rows at a time: read, for what is mapped stays in memory."""
        for first in range(0, len(self), size):
            starts = self.starts[first : first + size + 1]
            learned = np.fromfile(self.folder / LEARNED, np.uint8, starts[-1] - starts[0], offset=starts[0]) != SKIPPED
            yield np.add.reduceat(learned, starts[:-1] - starts[0], dtype=np.int64)

    def __getstate__(self) -> dict:  # a loader's process maps the files itself
        return {"folder": self.folder, "facts": self.facts, "end_id": self.end_id}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._map()


class EncodedRows(Sequence):
    """Rows for a trainer: `rows[i]` is `{"input_ids", "labels", "length"}`, int64 arrays of one length and that length.

    Rows of two answers have `rejected_input_ids` and `rejected_labels` too, and the length of both; marked ones `good`.
    `order` (rows,) counts through the stores one after the other; None is all of them.
    """

    def __init__(self, stores: Sequence[Store], order: np.ndarray | None = None) -> None:
        self.stores = list(stores)
        self.bounds = np.cumsum([0, *(len(store) for store in stores)])
        self.order = np.arange(self.bounds[-1]) if order is None else np.asarray(order, np.int64)
        lengths = [np.diff(store.starts) for store in self.stores]
        self.lengths = (np.concatenate(lengths) if lengths else np.zeros(0, np.int64))[self.order]  # (rows,)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> dict:
        store, row = self.locate(index)
        begin, end = store.starts[row], store.starts[row + 1]
        ids = store.ids[begin:end].astype(np.int64)
        learned = store.learned[begin:end]
        labels = np.where(learned == TOKEN, ids, IGNORE)
        if store.end_id is not None:
            labels[learned == END] = store.end_id
        split = None if store.splits is None else store.splits[row]
        found = {"input_ids": ids[:split], "labels": labels[:split], "length": len(ids)}
        if split is not None:
            found |= {"rejected_input_ids": ids[split:], "rejected_labels": labels[split:]}
        return found if store.good is None else found | {"good": bool(store.good[row])}

    def locate(self, index: int) -> tuple[Store, int]:
        """The store of a row, and its place there."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        at = int(self.order[index])
        store = int(np.searchsorted(self.bounds, at, side="right")) - 1
        return self.stores[store], at - int(self.bounds[store])

    def select(self, indices: np.ndarray) -> "EncodedRows":
        """These rows, in this order; an index may come more than once."""
        return EncodedRows(self.stores, self.order[indices])

    @property
    def end_id(self) -> int | None:
        """The id a label may be beside its own token."""
        return next((store.end_id for store in self.stores), None)

    @property
    def num_tokens(self) -> int:
        return int(self.lengths.sum())

    @property
    def label_lengths(self) -> np.ndarray:
        """How many tokens of each row are learned (rows,)."""
        counts = [count for store in self.stores for count in store.count_learned()]
        return np.concatenate(counts)[self.order] if counts else np.zeros(0, np.int64)

    @property
    def num_label_tokens(self) -> int:
        return int(self.label_lengths.sum())


def write(folder: Path, rows: Iterable[tuple[int, Encoded]], end_id: int | None, facts: dict) -> Store:
    """Writes a store: (row number in the source, encoded row) as they come, `facts` (a dict that may still be filled
    while they do) last. The folder appears whole or not at all."""
    building = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        shutil.rmtree(building, ignore_errors=True)  # a killed process of this number; containers give them out again
        building.mkdir(parents=True, exist_ok=True)
        _write_rows(building, rows, end_id)
        (building / FACTS).write_text(json.dumps({**facts, "end_id": end_id}, ensure_ascii=False), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(FileExistsError, NotADirectoryError):  # another process wrote the same rows first
            building.rename(folder)
    except OSError as error:
        if error.errno in FULL_DISK:
            raise StudioError("data_disk_full", folder=folder.parent) from None
        raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return Store(folder)


def _write_rows(folder: Path, rows: Iterable[tuple[int, Encoded]], end_id: int | None) -> None:
    end, total = -1 if end_id is None else end_id, 0
    with (
        (folder / IDS).open("wb") as ids_file,
        (folder / LEARNED).open("wb") as learned_file,
        (folder / STARTS).open("wb") as starts_file,
        (folder / NUMBERS).open("wb") as numbers_file,
    ):
        starts_file.write(np.int64(0).tobytes())
        for batch in _batches(rows):
            sides = [[row] if row.rejected is None else [row, row.rejected] for _, row in batch]
            flat = [side for pair in sides for side in pair]
            ids = np.fromiter(chain.from_iterable(side.input_ids for side in flat), np.int32)
            labels = np.fromiter(chain.from_iterable(side.labels for side in flat), np.int32)
            learned = np.where(labels == IGNORE, SKIPPED, np.where(labels == ids, TOKEN, END)).astype(np.uint8)
            if not ((learned != END) | (labels == end)).all():
                raise ValueError("a label is neither its token nor the end token")
            starts = total + np.cumsum([sum(len(side.input_ids) for side in pair) for pair in sides])
            total = int(starts[-1])
            ids_file.write(ids.tobytes())
            learned_file.write(learned.tobytes())
            starts_file.write(starts.astype(np.int64).tobytes())
            numbers_file.write(np.array([number for number, _ in batch], np.int64).tobytes())
            _write_verdicts(folder, [row for _, row in batch])


def _write_verdicts(folder: Path, rows: list[Encoded]) -> None:
    if rows[0].rejected is not None:
        with (folder / SPLITS).open("ab") as file:
            file.write(np.array([len(row.input_ids) for row in rows], np.int64).tobytes())
    if rows[0].good is not None:
        with (folder / GOOD).open("ab") as file:
            file.write(np.array([row.good for row in rows], np.uint8).tobytes())


def _batches(rows: Iterable[tuple[int, Encoded]], size: int = 1_000) -> Iterator[list[tuple[int, Encoded]]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _if_any(file: Path, kind: type) -> np.ndarray | None:
    return np.fromfile(file, kind) if file.is_file() else None


def _mapped(file: Path, kind: type) -> np.ndarray:
    return np.memmap(file, kind, "r") if file.stat().st_size else np.zeros(0, kind)
