"""Did it help, what did it forget: runs side by side, with paired intervals against a base, and the rows behind them.

    found = compare([tuned, base, tuned_on_mmlu, base_on_mmlu])
    found.to_html(t)        # one file that asks nothing of any other host
    found.body_html(t)      # the same as a part of a page
    found.to_markdown(t)

A part is a data set or a benchmark's task. It is `own` if a contender was trained on that data set, `general` if not,
`benchmark`, or `unknown` where no training run tells. A difference counts as one where its 95 % interval leaves zero
out; many parts and scores looked at together will show one by chance now and then.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studio.errors import StudioError
from studio.scoring import contenders as reading
from studio.scoring import metrics, statistics
from studio.scoring.contenders import CORRECT, JUDGED, NATS, Answers, Contender
from studio.scoring.statistics import Interval

if TYPE_CHECKING:
    from studio.text import Catalogue

MEASURES = (CORRECT, *metrics.SCORES, NATS)
LEADING = (CORRECT, "sql", "judge", "f1", "rouge-l", "std_rouge-l", "exact_match", "json", NATS)
SAME = 1e-9  # scores this close are a tie
NUM_SHOWN = 5  # rows gained, and rows lost


@dataclass(frozen=True)
class Comparison:
    """A contender against the base on the rows that both have scored: the interval of the difference (for `nll` of
    what the base has more, so that above zero is better always), and places of rows: (in the base's answers, in its
    own), those that gained most and lost most first."""

    interval: Interval
    wins: int
    losses: int
    ties: int
    gained: tuple[tuple[int, int], ...]
    lost: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Measure:
    """One score of a part: each contender's mean over its rows (perplexity for `nll`), None where it has none, and its
    comparison with the base."""

    key: str
    values: tuple[float | None, ...]
    comparisons: tuple[Comparison | None, ...]


@dataclass(frozen=True)
class Part:
    """A data set or a task. `leading`: the score its verdict goes by; `num_unequal`: answers whose rows had another
    question or label in the base's run, and were not compared. `unlike`: what each contender was asked or judged by
    otherwise than the base, as `Answers.unlike`."""

    name: str
    kind: str
    num_rows: int
    measures: tuple[Measure, ...]
    num_unequal: int = 0
    unlike: tuple[dict, ...] = ()

    @property
    def leading(self) -> Measure | None:
        compared = [measure for measure in self.measures if any(measure.comparisons)] or self.measures
        return min(compared, key=lambda measure: LEADING.index(measure.key) if measure.key in LEADING else 99,
                   default=None)


@dataclass(frozen=True)
class Report:
    """The contenders, which of them is the base (a place among them), and the parts, own ones first."""

    contenders: tuple[Contender, ...]
    base: int
    parts: tuple[Part, ...]

    def to_html(self, t: "Catalogue") -> str:
        from studio.scoring import page

        return page.whole(self, t)

    def body_html(self, t: "Catalogue") -> str:
        from studio.scoring import page

        return page.body(self, t)

    def to_markdown(self, t: "Catalogue") -> str:
        from studio.scoring import plain

        return plain.written(self, t)


def compare(folders: Sequence[Path], base: Path | None = None) -> Report:
    """The report of evaluate runs' folders. `base`: one of them; None takes the first model without adapters that no
    run has made, else the one that another was trained from, else the first folder.

    Raises StudioError where there are no folders, or one has nothing to compare.
    """
    wanted = list(dict.fromkeys(Path(folder) for folder in ([base] if base else []) + list(folders)))
    if not wanted:
        raise StudioError("report_empty")
    found = reading.gather(wanted)
    names = list(dict.fromkeys(name for contender in found for name in contender.parts))
    place = _base(found, base)
    kinds = {name: _kind(name, found) for name in names}
    order = ("own", "general", "benchmark", "unknown")
    names.sort(key=lambda name: order.index(kinds[name]))
    return Report(tuple(found), place, tuple(_part(name, kinds[name], found, place) for name in names))


def _base(found: Sequence[Contender], base: Path | None) -> int:
    if base is not None:
        return next(place for place, contender in enumerate(found) if Path(base) in contender.folders)
    bare = [place for place, contender in enumerate(found) if contender.model and not contender.adapters]
    untrained = [place for place in bare if not found[place].own_sets]
    began = {Path(contender.before).resolve() for contender in found if contender.before}
    named = [place for place in bare if Path(found[place].model).resolve() in began]
    return next(iter([*untrained, *named, *bare]), 0)


def _kind(name: str, found: Sequence[Contender]) -> str:
    if any(name in contender.benchmarks for contender in found):
        return "benchmark"
    own = {dataset for contender in found for dataset in contender.own_sets}
    return "unknown" if not own or not name else "own" if name in own else "general"


def _part(name: str, kind: str, found: Sequence[Contender], base: int) -> Part:
    answers = [contender.parts.get(name) for contender in found]
    matched = [None if own is None or answers[base] is None or place == base else _match(answers[base], own)
               for place, own in enumerate(answers)]
    measures = [_measure(key, answers, matched, base) for key in MEASURES]
    shown = tuple(measure for measure in measures if any(value is not None for value in measure.values))
    num_rows = max(len(own.keys) for own in answers if own is not None)
    unlike = tuple({} if match is None else own.unlike(answers[base])
                   for own, match in zip(answers, matched, strict=True))  # fmt: skip
    return Part(name, kind, num_rows, shown, sum(match[2] for match in matched if match is not None), unlike)


def _match(base: Answers, own: Answers) -> tuple[np.ndarray, np.ndarray, int]:
    """Places of the same rows in both, and how many had another question or label, or could be several rows."""
    known = {key: place for place, key in enumerate(base.keys)}
    both = [(known[key], place) for place, key in enumerate(own.keys) if key in known]
    times = Counter(base.keys), Counter(own.keys)
    same = [(first, second) for first, second in both if _is_same(base, first, own, second)
            and all(counted[own.keys[second]] == 1 for counted in times)]  # fmt: skip
    places = np.array(same, int).reshape(-1, 2)
    return places[:, 0], places[:, 1], len(both) - len(same)


def _is_same(base: Answers, first: int, own: Answers, second: int) -> bool:
    asked = {base.questions[first], own.questions[second]} - {None}
    return len(asked) < 2 and base.labels[first] == own.labels[second]


def _measure(
    key: str, answers: Sequence[Answers | None], matched: Sequence[tuple[np.ndarray, np.ndarray, int] | None], base: int
) -> Measure:
    values = tuple(_mean(own, key) if own is not None else None for own in answers)
    compared = [
        None if own is None or match is None or values[base] is None else _comparison(key, answers[base], own, match)
        for own, match in zip(answers, matched, strict=True)
    ]
    return Measure(key, values, tuple(compared))


def _mean(answers: Answers, key: str) -> float | None:
    values = answers.values.get(key)
    there = np.isfinite(values) if values is not None else np.zeros(0, bool)
    if not there.any():
        return None
    if key == NATS:
        return float(np.exp(min(np.average(values[there], weights=answers.tokens[there]), 700.0)))
    return float(values[there].mean())


def _comparison(
    key: str, base: Answers, own: Answers, match: tuple[np.ndarray, np.ndarray, int]
) -> Comparison | None:
    """None where no row is scored in both, labels have other tokens, whose perplexities cannot be compared, or another
    judge gave the scores."""
    if key not in base.values or key not in own.values or (key == "judge" and own.unlike(base).keys() & {*JUDGED}):
        return None
    first, second, _ = match
    there = np.isfinite(base.values[key][first]) & np.isfinite(own.values[key][second])
    first, second = first[there], second[there]
    if not len(first):
        return None
    a, b, weights = base.values[key][first], own.values[key][second], None
    if key == NATS:
        a, b, weights = -a, -b, base.tokens[first]
        if not np.array_equal(weights, own.tokens[second]):
            return None
    difference = b - a
    order = np.argsort(-difference, kind="stable")
    wins, losses = int((difference > SAME).sum()), int((difference < -SAME).sum())
    gained = [(int(first[row]), int(second[row])) for row in order[: min(wins, NUM_SHOWN)]]
    lost = [(int(first[row]), int(second[row])) for row in order[::-1][: min(losses, NUM_SHOWN)]]
    interval = statistics.paired(a, b, weights)
    return Comparison(interval, wins, losses, len(difference) - wins - losses, tuple(gained), tuple(lost))
