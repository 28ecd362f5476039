"""What became of the rows: how many are left, which were dropped and why, and what is to be known about the rest."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from studio import text
from studio.config import Notice
from studio.data.problem import Problem

NUM_EXAMPLES = 20  # of each reason in each source: enough to find the mistake, little enough to keep


@dataclass(frozen=True)
class Dropped:
    """One row that is not used."""

    source: str
    row_number: int
    code: str
    values: dict

    def text(self, t: text.Catalogue) -> str:
        why = Problem(self.code, self.values).text(t)
        return t("errors.row_dropped", source=self.source, row=self.row_number, why=why)


@dataclass(frozen=True)
class Report:
    """Of the rows that are learned from and evaluated on.

    `dropped` holds the first few of each reason, `reasons` counts all by (source, code). `truncated`: rows that lost
    tokens to `cutoff_len`. `files`: the sha256 of each file read.
    """

    rows: int = 0
    eval_rows: int = 0
    tokens: int = 0
    label_tokens: int = 0
    truncated: int = 0
    dropped: tuple[Dropped, ...] = ()
    reasons: dict[tuple[str, str], int] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    files: dict[str, str] = field(default_factory=dict)

    @property
    def num_dropped(self) -> int:
        return sum(self.reasons.values())

    def lines(self, t: text.Catalogue | None = None) -> list[str]:
        """For the terminal, in its language: the totals, each reason with its count and its first row, each notice."""
        t = t or text.catalogue(text.preferred_language())
        totals = {"rows": self.rows, "eval_rows": self.eval_rows, "tokens": self.tokens, "learned": self.label_tokens}
        lines = [t("notices.data_totals", **totals)]
        for (source, code), count in self.reasons.items():
            first = next(row for row in self.dropped if (row.source, row.code) == (source, code))
            lines.append(t("notices.data_dropped", count=count, first=first.text(t)))
        return lines + [notice.text(t) for notice in self.notices]

    def to_mapping(self) -> dict:
        """As JSON keeps it."""
        return {
            "rows": self.rows,
            "eval_rows": self.eval_rows,
            "tokens": self.tokens,
            "label_tokens": self.label_tokens,
            "truncated": self.truncated,
            "num_dropped": self.num_dropped,
            "reasons": [{"source": s, "code": code, "count": count} for (s, code), count in self.reasons.items()],
            "dropped": [vars(row) for row in self.dropped],
            "notices": [{"code": notice.code, "values": dict(notice.values)} for notice in self.notices],
            "files": self.files,
        }

    @classmethod
    def of_mapping(cls, content: dict) -> "Report":
        """The report that `to_mapping` wrote."""
        plain = {key: content[key] for key in ("rows", "eval_rows", "tokens", "label_tokens", "truncated", "files")}
        return cls(
            **plain,
            dropped=tuple(Dropped(**row) for row in content["dropped"]),
            reasons={(reason["source"], reason["code"]): reason["count"] for reason in content["reasons"]},
            notices=tuple(Notice(notice["code"], notice["values"]) for notice in content["notices"]),
        )


class Tally:
    """Counts while one source is encoded; `facts` is what its store keeps."""

    def __init__(self) -> None:
        self.facts: dict = {"read": 0, "truncated": 0, "unlearned": 0, "filled": {}, "unfilled": {}, "unread": {},
                            "reasons": {}, "dropped": []}  # fmt: skip

    def drop(self, row_number: int, problem: Problem) -> None:
        reasons = self.facts["reasons"]
        reasons[problem.code] = reasons.get(problem.code, 0) + 1
        if reasons[problem.code] <= NUM_EXAMPLES:
            values = {key: value if isinstance(value, int) else str(value) for key, value in problem.values.items()}
            self.facts["dropped"].append([row_number, problem.code, values])

    def verdict(self, good: bool) -> None:
        counts = self.facts.setdefault("verdicts", {"good": 0, "bad": 0})
        counts["good" if good else "bad"] += 1

    def filled(self, names: Iterable[str]) -> None:
        self.facts["filled"].update(dict.fromkeys(names, True))

    def unfilled(self, names: Iterable[str]) -> None:
        counts = self.facts["unfilled"]
        for name in names:
            counts[name] = counts.get(name, 0) + 1

    def unread(self, names: Iterable[str]) -> None:
        counts = self.facts["unread"]
        for name in names:
            counts[name] = counts.get(name, 0) + 1


def gather(train: Sequence, held_back: Iterable[Sequence], facts: dict[str, dict]) -> Report:
    """The report of these rows, with what the stores of their sources keep, by name."""
    evaluated = list(held_back)
    everything = [train, *evaluated]
    dropped = [Dropped(name, *row) for name, fact in facts.items() for row in fact["dropped"]]
    return Report(
        rows=len(train),
        eval_rows=sum(map(len, evaluated)),
        tokens=sum(rows.num_tokens for rows in everything),
        label_tokens=sum(rows.num_label_tokens for rows in everything),
        truncated=sum(fact["truncated"] for fact in facts.values()),
        dropped=tuple(dropped),
        reasons={(name, code): count for name, fact in facts.items() for code, count in fact["reasons"].items()},
        notices=tuple(notice for name, fact in facts.items() for notice in _notices(name, fact)),
    )


def complete(report: Report, notices: Iterable[Notice], files: dict[str, str]) -> Report:
    """The report with what the job as a whole adds to it."""
    return replace(report, notices=(*notices, *report.notices), files=files)


def unused(placeholders: Iterable[str], facts: dict[str, dict]) -> Iterator[Notice]:
    """Of placeholders that stand in none of the rows: what was to be put for them has no effect."""
    unused = [name for name in placeholders if not any(name in fact["filled"] for fact in facts.values())]
    if unused:
        marks = ", ".join(f"{{{{{name}}}}}" for name in unused)
        yield Notice("data_placeholders_unused", {"placeholders": marks, "sets": ", ".join(facts)})


def _notices(name: str, fact: dict) -> Iterator[Notice]:
    if fact["unfilled"]:
        placeholders = ", ".join(f"{{{{{mark}}}}}" for mark in fact["unfilled"])
        values = {"name": name, "placeholders": placeholders, "count": max(fact["unfilled"].values())}
        yield Notice("data_unfilled", values)
    if fact["unread"]:
        values = {"name": name, "keys": ", ".join(fact["unread"]), "count": max(fact["unread"].values())}
        yield Notice("data_unread", values)
    if fact["unlearned"]:
        yield Notice("data_unlearned_turns", {"name": name, "count": fact["unlearned"]})
    if verdicts := fact.get("verdicts"):
        yield Notice("data_verdicts", {"name": name, **verdicts})
        if 0 in verdicts.values():
            verdict, count = max(verdicts.items(), key=lambda one: one[1])
            yield Notice("data_one_verdict", {"name": name, "count": count, "verdict": verdict})
    if fact.get("stopped"):
        yield Notice("data_streamed", {"name": name, "row": fact["stopped"]})
    if fact["truncated"]:
        yield Notice("data_truncated", {"name": name, "count": fact["truncated"], "read": fact["read"]})
