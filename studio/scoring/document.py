"""What a report says, as headings, sentences, tables and answers: `page` and `plain` write it as HTML and Markdown."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from studio.scoring import predictions
from studio.scoring.contenders import JUDGED, NATS, Contender
from studio.scoring.report import Comparison, Measure, Part, Report
from studio.text import Catalogue

TONES = {1: "better", -1: "worse", 0: "unclear"}
SAID = {1: "helped", -1: "forgot", 0: "neither"}
FEW = 30  # rows below which an interval says little
SHOWN, SHORT = 1_500, 40  # letters of a text, of a setting


@dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True)
class Words:
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Cell:
    """`bar`: (low, mean, high) of an interval, drawn beside the text on a scale from -1 to 1."""

    text: str
    tone: str = ""
    bar: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Answers:
    """One row: (name, text) of the question, the label, and both answers with their scores."""

    title: str
    texts: tuple[tuple[str, str], ...]


Block = Heading | Words | Table | Answers


def blocks(report: Report, t: Catalogue) -> Iterator[Block]:
    """The report from top to bottom."""
    yield Heading(t("scoring.report.title"), 1)
    others = [contender for place, contender in enumerate(report.contenders) if place != report.base]
    compared = any(any(measure.comparisons) for part in report.parts for measure in part.measures)
    if compared:
        yield Words(t("scoring.report.base", name=report.contenders[report.base].name))
        yield Heading(t("scoring.report.summary"))
        yield from _summary(report, t)
        yield Words(t("scoring.report.about"), "quiet")
    else:
        yield Words(t("scoring.report.nothing_shared" if others else "scoring.report.one_alone"))
    for part in report.parts:
        yield from _part(report, part, t)
    yield from _figures(report.contenders, t)


def part_name(part: Part, t: Catalogue) -> str:
    """The part as the report calls it."""
    return part.name or t("scoring.report.no_name")


def unlike(report: Report, part: Part, t: Catalogue) -> Iterator[str]:
    """A sentence for each contender that was asked or judged otherwise than the base."""
    for contender, keys in zip(report.contenders, part.unlike, strict=True):
        for word in ("asked_otherwise", "judged_otherwise"):
            told = [f"{key} {_value(first)} / {_value(second)}" for key, (first, second) in keys.items()
                    if (key in JUDGED) == (word == "judged_otherwise")]  # fmt: skip
            if told:
                yield t(f"scoring.report.{word}", name=contender.name, keys=t("scoring.report.comma").join(told))


def _value(value: object) -> str:
    words = "–" if value is None else " ".join(str(value).split())
    return words if len(words) <= SHORT else f"{words[:SHORT]}…"


def figure(key: str, value: float | None) -> str:
    """A score as it is shown."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.4g}" if key == NATS or abs(value) >= 1000 else f"{value:.2f}"


def change(key: str, comparison: Comparison) -> str:
    """The difference and its interval: points, or per cent of the perplexity."""
    interval = comparison.interval
    values = (interval.mean, interval.low, interval.high)
    if key == NATS:  # above zero is better inside; a perplexity that is better is lower
        mean, high, low = (100 * (math.exp(max(min(-value, 700), -700)) - 1) for value in values)
        return f"{mean:+.1f} % [{low:+.1f}, {high:+.1f}]"
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*values)


def _summary(report: Report, t: Catalogue) -> Iterator[Block]:
    """Sentences for each contender: where it is better, where worse, where nothing can be told."""
    for place, contender in enumerate(report.contenders):
        named: dict[int, list[str]] = {verdict: [] for verdict in TONES}
        for part in report.parts:
            for measure in _telling(part):
                if found := measure.comparisons[place]:
                    score = t(f"scoring.scores.{measure.key}")
                    named[found.interval.verdict].append(f"{part_name(part, t)} ({score})")
        for verdict, parts in named.items():
            if parts:
                words = {"name": contender.name, "parts": t("scoring.report.comma").join(parts)}
                yield Words(t(f"scoring.report.{SAID[verdict]}", **words), TONES[verdict])


def _telling(part: Part) -> list[Measure]:
    """The scores a verdict goes by: the leading one, and perplexity."""
    leading = part.leading
    return [measure for measure in part.measures if measure is leading or measure.key == NATS]


def _part(report: Report, part: Part, t: Catalogue) -> Iterator[Block]:
    kind = t(f"scoring.report.kind_{part.kind}")
    yield Heading(f"{part_name(part, t)} – {kind}, {t('scoring.report.num_rows', num=part.num_rows)}")
    if part.num_unequal:
        yield Words(t("scoring.report.unequal", num=part.num_unequal))
    for line in unlike(report, part, t):
        yield Words(line)
    several = len(report.contenders) > 1
    for place, contender in enumerate(report.contenders):
        if part.name not in contender.parts or (several and place == report.base):
            continue
        if several:
            yield Heading(contender.name, 3)
        yield _scores(report, part, place, t)
        leading = part.leading
        if leading and (found := leading.comparisons[place]):
            yield from _answers(report, part, place, found, t)


def _scores(report: Report, part: Part, place: int, t: Catalogue) -> Table:
    base = report.contenders[report.base].name
    words = ("score", "change", "verdict", "wins")
    score, *rest = (t(f"scoring.report.{word}") for word in words)
    if len(report.contenders) == 1:
        rows = [(Cell(t(f"scoring.scores.{measure.key}")), Cell(figure(measure.key, measure.values[place])))
                for measure in part.measures]
        return Table((score, base), tuple(rows))
    scale = _scale(part, place)
    rows = [_row(measure, report.base, place, scale, t) for measure in part.measures
            if measure.values[place] is not None]
    return Table((score, base, report.contenders[place].name, *rest), tuple(rows))


def _scale(part: Part, place: int) -> float:
    """The farthest end of an interval of percentages."""
    ends = [abs(end) for measure in part.measures if (found := measure.comparisons[place]) and measure.key != NATS
            for end in (found.interval.low, found.interval.high)]
    return max(ends, default=0.0) or 1.0


def _row(measure: Measure, base: int, place: int, scale: float, t: Catalogue) -> tuple[Cell, ...]:
    key, found = measure.key, measure.comparisons[place]
    head = [Cell(t(f"scoring.scores.{key}"))] + [Cell(figure(key, measure.values[at])) for at in (base, place)]
    if found is None:
        return (*head, Cell("–"), Cell(t("scoring.report.not_compared"), "unclear"), Cell("–"))
    interval = found.interval
    tone = TONES[interval.verdict]
    bar = None if key == NATS else (interval.low / scale, interval.mean / scale, interval.high / scale)
    verdict = t(f"scoring.report.{tone}")
    if interval.num < FEW:
        verdict += f" ({t('scoring.report.few', num=interval.num)})"
    return (*head, Cell(change(key, found), tone, bar), Cell(verdict, tone),
            Cell(f"{found.wins} / {found.losses} / {found.ties}"))


def _answers(report: Report, part: Part, place: int, found: Comparison, t: Catalogue) -> Iterator[Block]:
    """The rows that gained most, and those that lost most."""
    for word, rows in (("gained", found.gained), ("lost", found.lost)):
        if rows:
            yield Heading(f"{t(f'scoring.report.{word}')} ({t(f'scoring.scores.{part.leading.key}')})", 4)
        for pair in rows:
            yield _answer(report, part, place, pair, t)


def _answer(report: Report, part: Part, place: int, pair: tuple[int, int], t: Catalogue) -> Answers:
    key, texts, scores = part.leading.key, [], []
    for side, row in zip((report.base, place), pair, strict=True):
        contender = report.contenders[side]
        answers = contender.parts[part.name]
        line = predictions.line_at(answers.source, answers.places[row])
        if not texts:
            name = f"{part_name(part, t)} {line.get('row', answers.places[row] + 1)}"
            texts.append((t("scoring.report.question"), str(line.get("question") or line["prompt"])))
            texts.append((t("scoring.report.label"), str(line["label"] or "")))
        scores.append(figure(key, float(answers.values[key][row])))
        texts.append((contender.name, line["predict"] or str(line.get("answer", ""))))
    return Answers(f"{name}: {' → '.join(scores)}", tuple((name, _short(text)) for name, text in texts))


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} … {text[-SHOWN // 2 :]}"


def _figures(contenders: Sequence[Contender], t: Catalogue) -> Iterator[Block]:
    """The numbers of all results files, a column a folder."""
    runs = [(folder.name, figures) for contender in contenders
            for folder, figures in zip(contender.folders, contender.figures, strict=True)]
    keys = {key for _, figures in runs for key, value in figures.items() if _is_number(value)}
    if not keys:
        return
    yield Heading(t("scoring.report.figures"))
    rows = []
    for key in sorted(keys):
        values = (figures.get(key) for _, figures in runs)
        rows.append((Cell(key), *(Cell(f"{value:.6g}" if _is_number(value) else "–") for value in values)))
    yield Table((t("scoring.report.figure"), *(name for name, _ in runs)), tuple(rows))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
