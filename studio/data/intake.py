"""One source to encoded rows: read, made canonical, encoded, and kept under a key of all that went in.

The cache is by content, so nobody has to clear it: another word in the file, the template or the tokenizer is another
key. Memory stays at one chunk of rows.
"""

import datetime
import gc
import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np

from studio import paths, text
from studio.data import formats, media, mixing, reading, rows, unread
from studio.data.encode import NUM_CHUNK_ROWS, Encoded, Encoder
from studio.data.formats import Row
from studio.data.problem import Problem
from studio.data.report import Tally
from studio.data.source import Source
from studio.data.tokens import FAST
from studio.errors import StudioError

VERSION = 3  # raised when the same input is encoded otherwise than before
Progress = Callable[[str, int, int, str], None]


@dataclass(frozen=True)
class Need:
    """With `streaming`: how much of a set can be used at all, in usable rows or (packed text) in tokens."""

    rows: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Intake:
    """What all sources of a job share. `max_samples`: the first rows of each; `seed` draws where a registry entry has
    `num_samples`."""

    encoder: Encoder
    placeholders: dict[str, str]
    max_samples: int | None
    seed: int
    progress: Progress | None

    def take(self, source: Source, need: Need | None = None) -> tuple[rows.EncodedRows, dict]:
        """The encoded rows of a source, no more than are needed, and the facts about the others.

        Raises StudioError if no row is left.
        """
        drawn = self._drawn(source) if need is None else None
        folder = paths.cache() / "encoded" / self._key(source, need)
        if (folder / rows.FACTS).is_file():
            store = rows.Store(folder)
        else:
            tally = Tally()
            encoded = self._encoded(source, drawn, tally)
            encoded = enough(encoded, need, tally) if need else encoded
            with _uncollected():
                store = rows.write(folder, encoded, self.encoder.eos_id, tally.facts)
        if not len(store):
            number, code, values = store.facts["dropped"][0]
            why = Problem(code, values).text(text.catalogue(text.preferred_language()))
            raise StudioError("data_no_rows", name=source.name, count=store.facts["read"], row=number, why=why)
        found = rows.EncodedRows([store])
        if drawn is None:
            return found, store.facts
        places = {number: place for place, number in enumerate(store.numbers.tolist())}
        order = [places[number] for number in drawn.tolist() if number in places]
        return found.select(np.array(order, np.int64)), store.facts

    def _drawn(self, source: Source) -> np.ndarray | None:
        """Row numbers, with repeats, where the registry asks for a random part of the set."""
        if source.num_samples is None:
            return None
        num_rows = sum(1 for _ in reading.read_rows(source))
        return mixing.sample(num_rows, source.num_samples, self.seed)[: self.max_samples] + 1

    def _encoded(self, source: Source, drawn: np.ndarray | None, tally: Tally) -> Iterator[tuple[int, Encoded]]:
        wanted = None if drawn is None else set(drawn.tolist())
        raw = islice(reading.read_rows(source), self.max_samples if drawn is None else None)
        raw = (row for row in raw if wanted is None or row[0] in wanted)
        total = len(wanted) if wanted is not None else self.max_samples or 0
        with ThreadPoolExecutor(1) as ahead:  # the tokenizer lets go of the interpreter: read on meanwhile
            waiting = None
            while chunk := list(islice(raw, NUM_CHUNK_ROWS)):
                canonical = self._canonical(source, chunk, tally)
                encoding = ahead.submit(self.encoder.encode, [row for _, row in canonical])
                if waiting:
                    yield from _usable(*waiting, tally)
                    self._tell(tally.facts["read"] - len(chunk), total)
                waiting = canonical, encoding
            if waiting:
                yield from _usable(*waiting, tally)
                self._tell(tally.facts["read"], total)

    def _tell(self, done: int, total: int) -> None:
        if self.progress:
            self.progress("tokenizing", done, max(total, done), "rows")

    def _canonical(self, source: Source, chunk: list[tuple[int, object]], tally: Tally) -> list[tuple[int, Row]]:
        tally.facts["read"] += len(chunk)
        canonical = []
        for number, raw in chunk:
            row = formats.to_row(source, raw, self.placeholders)
            if isinstance(row, Problem):
                tally.drop(number, row)
            else:
                canonical.append((number, row))
                tally.filled(row.filled)
                tally.unfilled(row.unfilled)
                tally.unread(unread.names(source, raw))
        return canonical

    def _key(self, source: Source, need: Need | None) -> str:
        """A digest of everything the encoded rows depend on."""
        encoder, template = self.encoder, self.encoder.template
        dated = template is not None and "strftime_now" in template.jinja_source
        dated = dated and not (template.ours and source.columns.tools is None)  # ours tell the day with tools alone
        parts = [
            VERSION,
            [digest(file) for file in reading.files_of(source)],
            [source.formatting, vars(source.columns), vars(source.tags), source.num_samples],
            [digest(encoder.tokens.folder / FAST), encoder.tokens.added, encoder.tokens.special,
             encoder.tokens.split_special],
            template and template.key,
            [encoder.stage, encoder.cutoff_len, encoder.learn_all, encoder.mask_history],
            [self.placeholders, self.max_samples, source.num_samples and self.seed],
            str(datetime.date.today()) if dated else None,
            [str(source.media_dir)] if any(getattr(source.columns, kind) for kind in media.MARKS) else None,
            [need.rows, need.tokens] if need else None,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24]


def enough(encoded: Iterator[tuple[int, Encoded]], need: Need, tally: Tally) -> Iterator[tuple[int, Encoded]]:
    """The first rows, until there are as many as are needed; `tally` remembers where that was."""
    num_rows = num_tokens = 0
    with closing(encoded):
        for number, row in encoded:
            yield number, row
            num_rows, num_tokens = num_rows + 1, num_tokens + len(row.input_ids)
            if (need.rows and num_rows >= need.rows) or (need.tokens and num_tokens >= need.tokens):
                tally.facts["stopped"] = number
                return


@contextmanager
def _uncollected() -> Iterator[None]:
    """The collector of cycles, which finds none here, looks at every list again and again: a seventh of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _usable(canonical: list[tuple[int, Row]], encoding: Future, tally: Tally) -> Iterator[tuple[int, Encoded]]:
    for (number, _), result in zip(canonical, encoding.result(), strict=True):
        if isinstance(result, Problem):
            tally.drop(number, result)
        else:
            tally.facts["truncated"] += result.truncated
            tally.facts["unlearned"] += result.unlearned
            if result.good is not None:
                tally.verdict(result.good)
            yield number, result


def digest(file: Path) -> str:
    """The sha256 of a file, computed once for each of its states."""
    state = file.stat()
    return _digest(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _digest(file: Path, mtime_ns: int, size: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
