"""Rows that are almost alike: MinHash signatures of their character n-grams, compared where a band of them agrees.

Characters and not words, so that Chinese is compared as finely as English. Signatures are `rensa`'s (the full-set
R-MinHash); they lie in a file, 256 bytes a row. Bands and verification: Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, chapter 3.
"""

import tempfile
from array import array

import numpy as np

from studio import paths
from studio.data import writing
from studio.data.doctor.finding import Tally
from studio.data.doctor.seen import Seen

NUM_CHARS = 4  # of a shingle
NUM_HASHES, NUM_BANDS, BAND_HASHES = 64, 12, 5
ALIKE = 0.8  # the share of shingles in common from which on two rows are almost alike
MIN_SHINGLES = 16  # with fewer, one other letter decides
MAX_CHARS = 20_000
CODES = ("near", "near_leak")
NUM_BATCH_ROWS = 2_000
NUM_BATCH_PAIRS = 100_000


class Nearness:
    """Gathers signatures; the pairs are found in the end."""

    def __init__(self) -> None:
        folder = paths.cache()
        with writing.on_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.texts: list[str] = []
        self.numbers, self.places = array("q"), array("q")  # of signatures: row number, and place among all rows
        self.seen = 0

    def hold(self, seen: Seen) -> None:
        """A row of a set one evaluates on; all of them come before the first `look`."""
        self._take(seen, -1)

    def look(self, seen: Seen, tally: Tally) -> None:
        self._take(seen, self.seen)
        self.seen += 1

    def _take(self, seen: Seen, place: int) -> None:
        row = seen.row
        words = [row.text] if row.text is not None else [message.get("content") or "" for message in row.messages]
        text = " ".join(" ".join(words).lower().split())[:MAX_CHARS]
        if len(text) >= MIN_SHINGLES + NUM_CHARS - 1:
            self.texts.append(text)
            self.numbers.append(seen.number)
            self.places.append(place)
        if len(self.texts) == NUM_BATCH_ROWS:
            self._sign()

    def finish(self, tally: Tally, again: np.ndarray) -> None:
        """`again` (rows,): rows that are exact repeats or leaks and are told as such."""
        self._sign()
        if not self.numbers:
            return
        with writing.on_disk(paths.cache()):
            self.file.flush()
        every = np.memmap(self.file, np.uint32, "r").reshape(-1, NUM_HASHES)
        places = np.frombuffer(self.places, np.int64)
        fresh = np.flatnonzero(~np.append(again, False)[places])  # place -1, of a row held out, is the False behind
        numbers, held, root = np.frombuffer(self.numbers, np.int64)[fresh], places[fresh] < 0, groups(every, fresh)
        for place in np.flatnonzero((root != np.arange(len(root))) & ~held).tolist():
            first = root[place]
            share = float((every[fresh[place]] == every[fresh[first]]).mean())
            tally.add("near_leak" if held[first] else "near", int(numbers[place]), row=int(numbers[place]),
                      first=int(numbers[first]), percent=round(100 * share))  # fmt: skip

    def _sign(self) -> None:
        if self.texts:
            with writing.on_disk(paths.cache()):
                self.file.write(signatures(self.texts).tobytes())
            self.texts.clear()


def signatures(texts: list[str]) -> np.ndarray:
    """(texts, NUM_HASHES) uint32: the share of equal numbers in two rows is about that of their shingles in common."""
    import rensa

    lengths = np.array([len(text) for text in texts])
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    hashes = np.zeros(len(codes) - NUM_CHARS + 1, np.uint64)
    for place in range(NUM_CHARS):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + len(hashes)]
    hashes ^= hashes >> np.uint64(29)  # spread into every bit, as MurmurHash3's finalizer does
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(32)
    ends = np.cumsum(lengths)[:-1, None] - np.arange(1, NUM_CHARS)  # shingles that reach into the next text
    inside = np.ones(len(hashes), bool)
    inside[ends.ravel()] = False
    offsets = np.cumsum([0, *(lengths - NUM_CHARS + 1)]).astype(np.uint64)
    made = rensa.RMinHash.digest_matrix_from_flat_token_hashes(hashes[inside], offsets, NUM_HASHES, 42)
    return np.array(made.to_rows(), np.uint32)


def groups(every: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """For each chosen row the place of the first that it is like, by one or several steps (chosen,)."""
    root = np.arange(len(chosen))
    for band in range(NUM_BANDS):
        part = every[chosen, band * BAND_HASHES : (band + 1) * BAND_HASHES].astype(np.uint64)  # (chosen, BAND_HASHES)
        keys = np.zeros(len(chosen), np.uint64)
        for place in range(BAND_HASHES):
            keys = (keys ^ part[:, place]) * np.uint64(0x9E3779B97F4A7C15)
            keys ^= keys >> np.uint64(31)
        order = np.argsort(keys, kind="stable")
        same = keys[order[1:]] == keys[order[:-1]]
        starts = np.maximum.accumulate(np.where(np.concatenate([[True], ~same]), np.arange(len(order)), 0))
        at = np.flatnonzero(same) + 1
        for one, other in ((order[at - 1], order[at]), (order[starts[at]], order[at])):
            _join(root, every, chosen, one, other)
    return np.array([_root(root, place) for place in range(len(root))], np.int64)


def _join(root: np.ndarray, every: np.ndarray, chosen: np.ndarray, one: np.ndarray, other: np.ndarray) -> None:
    """Puts the pairs that are alike into one group each."""
    apart = root[one] != root[other]  # what is known to be of one group needs no second look
    one, other = one[apart], other[apart]
    for begin in range(0, len(one), NUM_BATCH_PAIRS):
        left, right = one[begin : begin + NUM_BATCH_PAIRS], other[begin : begin + NUM_BATCH_PAIRS]
        alike = (every[chosen[left]] == every[chosen[right]]).mean(1) >= ALIKE
        for first, second in zip(left[alike].tolist(), right[alike].tolist(), strict=True):
            low, high = sorted((_root(root, first), _root(root, second)))
            root[high] = low


def _root(root: np.ndarray, place: int) -> int:
    while root[place] != place:
        root[place] = root[root[place]]
        place = root[place]
    return int(place)
