"""Predictions beside their labels and scores, a page at a time: our folders, LLaMA-Factory's, and single files.

    found = predictions.read(folder)                                      # or a .jsonl, or a .json list
    found.rows(0, 50, sort=("exact_match", True), search="Paris").lines   # worst first

Of a file of lines only the places where they begin are kept, so a hundred thousand rows are no burden, and a run that
is still writing can be read. A line that is not JSON stays in its place, as `{"broken": True}`: `scores.jsonl` holds
line for line what the predictions are worth.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from studio import paths, runs
from studio.errors import StudioError
from studio.runs import folder as run_files

PREDICTIONS = "generated_predictions.jsonl"
SCORES = "scores.jsonl"
CHUNK_BYTES = 8 << 20
TEXTS = ("prompt", "predict", "label")
HALF = b"\\ud"
SEARCHED = (*TEXTS, "question", "dataset")
IDENTITY = ("dataset", "row", "turn", "system", "question", "label")  # what lines about the same row have in common


@dataclass(frozen=True)
class Page:
    """Some lines, and how many there are in all that fit the search. A line is as it stands in the file, its texts as
    texts, with `place` (from 0) and `scores` (an empty object where there are none)."""

    lines: list[dict[str, Any]]
    num_found: int


@dataclass(frozen=True)
class Predictions:
    """A file of predictions, as it was when it was opened. `figures`: the folder's `all_results.json`."""

    file: Path
    scores_file: Path
    name: str
    figures: dict[str, Any]
    begins: np.ndarray  # of each line, and the end of the last one: (rows + 1,), bytes
    score_begins: np.ndarray

    @property
    def num_rows(self) -> int:
        return len(self.begins) - 1

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """Each numeric score as (rows,), NaN where a row has none."""
        return _columns(self.scores_file, _stamp(self.scores_file), self.num_rows)

    def line(self, place: int) -> dict[str, Any]:
        """One line with its scores. Raises IndexError beyond the last."""
        if not 0 <= place < self.num_rows:
            raise IndexError(place)
        with open(self.file, "rb") as file:
            found = _parsed(_cut(file, self.begins, place))
        return found | {"place": place, "scores": self._scores(place)}

    def lines(self) -> Iterator[dict[str, Any]]:
        """All lines in order, without scores."""
        with open(self.file, "rb") as file:
            for place in range(self.num_rows):
                yield _parsed(_cut(file, self.begins, place)) | {"place": place}

    def rows(
        self, offset: int = 0, limit: int = 50, sort: tuple[str, bool] | None = None, search: str = ""
    ) -> Page:
        """Lines from `offset` on. `sort`: (score, ascending); rows without it come last. `search`: a part of a text,
        whatever its letters' case."""
        places = self._sorted(sort) if sort else np.arange(self.num_rows)
        if search.strip():
            places = places[np.isin(places, self.fitting(search))]
        chosen = places[max(0, offset) : max(0, offset) + max(0, limit)]
        return Page([self.line(int(place)) for place in chosen], len(places))

    def fitting(self, search: str) -> np.ndarray:
        """The places of the lines with a text that holds `search`, whatever its letters' case."""
        return _fitting(self, _stamp(self.file), search.strip().casefold())

    def places_in(self, other: "Predictions") -> np.ndarray:
        """Where the other has the row of each line: (rows,), -1 where nowhere, or where that cannot be told."""
        return _places(self, other, tuple((_stamp(one.file), hash(one.begins.tobytes())) for one in (self, other)))

    def pairs(self) -> list[tuple[str, str | None]]:
        """(predict, label) of each row; a broken line has neither."""
        return [(line.get("predict", ""), line.get("label")) for line in self.lines()]

    def _sorted(self, sort: tuple[str, bool]) -> np.ndarray:
        key, ascending = sort
        values = self.columns.get(key)
        if values is None:
            return np.arange(self.num_rows)
        return np.argsort(values if ascending else -values, kind="stable")  # NaN is last both ways

    def _scores(self, place: int) -> dict[str, Any]:
        if place >= len(self.score_begins) - 1:
            return {}
        with open(self.scores_file, "rb") as file:
            return json_object(_cut(file, self.score_begins, place)) or {}

    def __hash__(self) -> int:  # what is found in it is kept by file and stamp
        return hash(self.file)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Predictions) and other.file == self.file


def place_of(name: str) -> Path:
    """Where named predictions lie: a folder or file, else a run by its id. Raises StudioError where there is none."""
    places = (Path(name).expanduser(), paths.saves() / name)
    return next((place for place in places if place.exists()), None) or runs.find(name).folder


def file_of(where: Path) -> Path | None:
    """The file of predictions that a folder holds, or that is named; None where there is none."""
    file = where / PREDICTIONS if where.is_dir() else where
    return file if file.is_file() else None


def read(where: Path) -> Predictions:
    """The predictions of a folder or file. Raises StudioError where there are none, or it holds something else."""
    where = Path(where).expanduser()
    file = file_of(where)
    if file is None:
        raise StudioError("predictions_missing", path=where, name=PREDICTIONS)
    folder = file.parent
    if file.suffix.lower() == ".json":
        file = _as_lines(file, _stamp(file))
    scores = folder / SCORES if where.is_dir() or where.name == PREDICTIONS else folder / f"{where.stem}.{SCORES}"
    found = Predictions(
        file, scores, where.name if where.is_dir() else where.stem,
        run_files.read_json(folder / run_files.RESULTS) or {}, _begins(file, _stamp(file)),
        _begins(scores, _stamp(scores)),
    )  # fmt: skip
    if found.num_rows:
        _check(found)
    return found


def line_at(file: Path, place: int) -> dict[str, Any]:
    """One line of a file of lines, its texts as texts."""
    begins = _begins(file, _stamp(file))
    with open(file, "rb") as stream:
        return _parsed(_cut(stream, begins, place))


def scores_of(found: Predictions) -> list[dict[str, Any]]:
    """The scores of all rows, in order; an empty object for a row that has none."""
    lines = [{} for _ in range(found.num_rows)]
    if found.scores_file.is_file():
        for place, line in zip(range(found.num_rows), _lines(found.scores_file), strict=False):
            lines[place] = json_object(line) or {}
    return lines


def write_scores(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Replace `scores.jsonl`: one object for each prediction, in their order."""
    words = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    run_files.write_text_atomic(folder / SCORES, words)


def json_object(line: bytes | str) -> dict[str, Any] | None:
    """The object that the line is; None for anything else."""
    data = line.encode("utf-8", "replace") if isinstance(line, str) else line
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if HALF in data.lower():  # perhaps half a character, which could not be written again
        found = json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
    return found if isinstance(found, dict) else None


def _parsed(line: bytes) -> dict[str, Any]:
    """The line's object, its texts made texts: a prompt may be messages, a prediction missing."""
    found = json_object(line)
    if found is None:
        return {"broken": True, "prompt": "", "predict": "", "label": None}
    texts = {key: _text(found.get(key)) for key in TEXTS}
    return found | texts | {"label": None if found.get("label") is None else texts["label"]}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):  # messages
        return "\n\n".join(f"{one.get('role', '')}: {_text(one.get('content'))}" for one in value)
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _check(found: Predictions) -> None:
    """Whether it is a file of predictions at all. Raises StudioError."""
    first = next(filter(None, map(json_object, _lines(found.file))), {})
    if not first.keys() & {"predict", "row"}:
        raise StudioError("predictions_shape", path=found.file, found=", ".join(first) or "–")


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        stat = file.stat()
    except OSError:
        return (0, 0, 0)
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


@lru_cache(32)
def _begins(file: Path, stamp: tuple[int, int, int]) -> np.ndarray:
    """Where each line begins, and where the last one ends. A last line without its end counts if it is whole."""
    size, found, at = stamp[2], [np.zeros(1, np.int64)], 0
    if not size:
        return found[0]
    with open(file, "rb") as stream:
        while at < size and (chunk := stream.read(min(CHUNK_BYTES, size - at))):
            ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
            found.append(ends.astype(np.int64) + at + 1)
            at += len(chunk)
        begins = np.concatenate(found)
        if begins[-1] < at:
            stream.seek(int(begins[-1]))
            if json_object(stream.read(at - int(begins[-1]))) is not None:
                begins = np.append(begins, at)
    return begins


def _as_lines(file: Path, stamp: tuple[int, int, int]) -> Path:
    """A file that holds a list, as lines in the cache. Raises StudioError where it holds no list."""
    name = hashlib.sha256(f"{file.resolve()} {stamp}".encode()).hexdigest()[:16]
    lines = paths.cache() / "predictions" / f"{name}.jsonl"
    if not lines.is_file():
        try:
            rows = json.loads(file.read_text("utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise StudioError("predictions_unreadable", path=file, why=error) from None
        if not isinstance(rows, list):
            raise StudioError("predictions_shape", path=file, found=type(rows).__name__)
        lines.parent.mkdir(parents=True, exist_ok=True)
        words = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        run_files.write_text_atomic(lines, words.encode("utf-8", "replace").decode())  # half characters, as HALF tells
    return lines


def _cut(file: Any, begins: np.ndarray, place: int) -> bytes:
    file.seek(int(begins[place]))
    return file.read(int(begins[place + 1] - begins[place]))


def _lines(file: Path) -> Iterator[bytes]:
    with open(file, "rb") as stream:
        yield from stream


@lru_cache(8)
def _columns(file: Path, stamp: tuple[int, int, int], num_rows: int) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    if not stamp[2]:
        return found
    for place, line in zip(range(num_rows), _lines(file), strict=False):
        for key, value in (json_object(line) or {}).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                if key not in found:
                    found[key] = np.full(num_rows, np.nan)
                found[key][place] = value
    return found


@lru_cache(16)
def _places(own: Predictions, other: Predictions, stamps: tuple) -> np.ndarray:
    keys = tuple(key for key in IDENTITY if all(key in next(one.lines(), ()) for one in (own, other)))
    mine, theirs = (_identities(one, stamp, keys) for one, stamp in zip((own, other), stamps, strict=True))
    times = Counter(mine), Counter(theirs)
    known = {row: at for at, row in enumerate(theirs) if "row" in keys}  # else the line alone says which row it is
    found = (at if row in theirs[at : at + 1] else known.get(row, -1) if max(one[row] for one in times) < 2 else -1
             for at, row in enumerate(mine))  # fmt: skip
    return np.fromiter(found, int)


@lru_cache(16)
def _identities(found: Predictions, _stamp: tuple, keys: tuple[str, ...]) -> list[int]:
    return [hash(str([line.get(key) for key in keys])) for line in found.lines()]


@lru_cache(16)
def _fitting(found: Predictions, _stamped: tuple[int, int, int], search: str) -> np.ndarray:
    def fits(line: dict[str, Any]) -> bool:
        return any(search in str(line.get(key) or "").casefold() for key in SEARCHED)

    return np.array([line["place"] for line in found.lines() if fits(line)], np.int64)
