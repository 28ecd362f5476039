"""What the doctor found, and the list of what it looks for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.text import Catalogue

NUM_KEPT = 1_000  # row numbers of a finding that are kept for the page
NUM_SHOWN = 5

# Code: (severity, fix). An error is a row or a set that training cannot use, or that makes its figures untrue.
CODES: Mapping[str, tuple[str, str | None]] = {
    "missing": ("error", None),  # the file of the entry is not there, or the set is on a hub
    "stage": ("error", None),  # the job's stage cannot learn from it
    "unreadable": ("error", "drop"),  # from one row on nothing can be read
    "broken": ("error", "drop"),  # a line that is not JSON, or not text
    "turns": ("error", "turns"),
    "empty": ("error", "drop"),
    "unusable": ("error", "drop"),
    "leak": ("error", "drop"),
    "near_leak": ("warning", "drop"),
    "val_leak": ("warning", None),  # the same question on both sides of val_size
    "entry": ("warning", None),
    "lens": ("warning", None),  # the model or template it is to be examined for is not here
    "tokens": ("warning", None),
    "placeholders": ("warning", "fill"),
    "duplicate": ("warning", "drop"),
    "broken_text": ("warning", "clean"),  # U+FFFD, mojibake
    "control": ("warning", "clean"),
    "echo": ("warning", "drop"),
    "equal_pair": ("warning", "drop"),
    "too_long": ("warning", "drop"),
    "unread": ("hint", None),
    "conflict": ("hint", "drop"),
    "near": ("hint", "drop"),
    "long": ("hint", "drop"),  # in characters, where nobody said for which model
    "invisible": ("hint", "clean"),
    "wide": ("hint", "clean"),
    "imbalance": ("hint", None),
    "refusal": ("hint", "drop"),
    "email": ("hint", "mask"),
    "phone": ("hint", "mask"),
    "id_number": ("hint", "mask"),
    "card": ("hint", "mask"),
    "ip": ("hint", "mask"),
}  # fmt: skip
SEVERITIES = ("error", "warning", "hint")


@dataclass(frozen=True)
class Finding:
    """`count` rows of the set `source` have it (0: the set as a whole); `row_numbers` are the first 1,000 of them.

    `values` fill the words; `fix` is what `doctor.fix` does about it, None where only a person can.
    """

    code: str
    source: str
    count: int = 0
    row_numbers: tuple[int, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def severity(self) -> str:
        return CODES[self.code][0]

    @property
    def fix(self) -> str | None:
        return CODES[self.code][1] if self.count else None

    def title(self, t: Catalogue) -> str:
        """What is wrong, in a few words."""
        return t(f"doctor.{self.code}.title")

    def text(self, t: Catalogue) -> str:
        """What is wrong with how many rows, where, and why it matters."""
        rows = ", ".join(map(str, self.row_numbers[:NUM_SHOWN])) + (", …" if self.count > NUM_SHOWN else "")
        rows = rows or "1"  # of a set as a whole: from its first row on
        return t(f"doctor.{self.code}.text", count=self.count, rows=rows, source=self.source, **self._words(t))

    def _words(self, t: Catalogue) -> dict[str, Any]:
        """The values in the language: problems and notices as sentences."""
        return {key: value.text(t) if hasattr(value, "text") else value for key, value in self.values.items()}

    def to_mapping(self, t: Catalogue) -> dict[str, Any]:
        """As JSON and the page take it."""
        return {
            "code": self.code, "severity": self.severity, "source": self.source, "count": self.count,
            "row_numbers": list(self.row_numbers), "fix": self.fix, "title": self.title(t), "text": self.text(t),
            "values": {key: value if isinstance(value, int | float) else str(value)
                       for key, value in self._words(t).items()},
        }  # fmt: skip


class Tally:
    """Gathers rows by what they have; the values are those of the first row that has it.

    `all_rows` keeps every number of these codes, for a fix.
    """

    def __init__(self, source: str, all_rows: frozenset[str] = frozenset()) -> None:
        self.source = source
        self.all_rows = all_rows
        self.rows: dict[str, list[int]] = {}
        self.counts: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.values: dict[str, dict[str, Any]] = {}

    def add(self, code: str, number: int, **values: Any) -> None:
        """A row has it; more than once is once."""
        rows = self.rows.setdefault(code, [])
        if self.last.get(code) == number:
            return
        self.last[code] = number
        self.counts[code] = self.counts.get(code, 0) + 1
        self.values.setdefault(code, values)
        if len(rows) < NUM_KEPT or code in self.all_rows:
            rows.append(number)

    def note(self, code: str, **values: Any) -> None:
        """The set as a whole has it."""
        self.rows.setdefault(code, [])
        self.values[code] = values

    def findings(self) -> Iterator[Finding]:
        for code in self.rows:
            numbers = tuple(sorted(self.rows[code])[:NUM_KEPT])
            yield Finding(code, self.source, self.counts.get(code, 0), numbers, self.values.get(code, {}))


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By severity, then as CODES lists them."""
    codes = [*CODES]
    return tuple(sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), codes.index(one.code))))
