"""Rows on disk as JSON lines that can be taken out again in any order, in the memory of eight bytes a row."""

import mmap
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from studio import paths
from studio.data import writing

Progress = Callable[[int, int], None]
TELL_ROWS = 1_000


class Spool:
    """The lines of `rows` in a file without a name below `folder`: it is gone with the process, however that ends."""

    def __init__(self, rows: Iterable[object], folder: Path | None = None) -> None:
        folder = folder or paths.data()
        starts = array("q", [0])
        with writing.on_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        for row in rows:
            text = line(row)
            with writing.on_disk(folder):
                self._file.write(text)
            starts.append(starts[-1] + len(text))
        with writing.on_disk(folder):
            self._file.flush()
        self.starts = np.frombuffer(starts, np.int64)  # (rows + 1,)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def all_lines(self) -> Iterator[bytes]:
        return self.lines(np.arange(len(self)))

    def lines(self, order: np.ndarray) -> Iterator[bytes]:
        """The lines at these places, counted from 0."""
        if not len(order):
            return
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as held:
            for place in order.tolist():
                yield held[self.starts[place] : self.starts[place + 1]]


def line(row: object) -> bytes:
    """A row as `writing.line` has it."""
    return writing.line(row).encode()


def told(rows: Iterable[object], progress: Progress | None, total: int = 0) -> Iterator[object]:
    """The rows, with `progress` told now and then and at the end."""
    done = 0
    for done, row in enumerate(rows, 1):
        yield row
        if progress and done % TELL_ROWS == 0:
            progress(done, max(total, done) if total else 0)
    if progress:
        progress(done, done)
