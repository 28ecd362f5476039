"""Translating keys as people wrote them into keys of a job, with what to tell them about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from studio.config.aliases import Alias, Unconvertible
from studio.config.job import JOBS
from studio.config.knobs import fields
from studio.config.lookup import Field, resolve
from studio.config.passthrough import PassThrough
from studio.config.problems import ConfigError, Notice, Problem, show
from studio.config.refused import LATER_CHOICES, Refused

RUN = "run"  # where a key comes from: a job.yaml, complete and past its `${…}` …
TRAINED = "trained"  # … or the job.yaml of a training run, read for another kind


@dataclass
class Draft:
    """The keys of a job before its values are checked together."""

    kind: str
    values: dict[str, object] = field(default_factory=dict)
    extra: dict[str, object] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    told: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _written: dict[str, tuple[str, object]] = field(default_factory=dict)

    def tell(self, code: str, key: str, of: str = "") -> None:
        """Adds `key` to the notice `code`; keys of one code (and one `of`) are told in one line."""
        self.told.setdefault((code, of), []).append(key)

    def notices(self) -> tuple[Notice, ...]:
        """What there is to tell, in the order it came up."""
        return tuple(
            Notice(code, {"keys": ", ".join(keys), "count": len(keys), "of": of})
            for (code, of), keys in self.told.items()
        )

    def put(self, key: str, written: str, value: object, source: str) -> None:
        """Sets `key`, written as `written`. Two names for one key must agree within a layer; a stronger layer wins."""
        other, held = self._written.get(key, (written, value))
        if self.sources.get(key) == source and str(held) != str(value):
            self.problems.append(Problem(written, "given_twice", {"other": other}))
        self._written[key] = (written, value)
        self.sources[key] = source


def translate(kind: str, given: Mapping[str, tuple[object, str]]) -> Draft:
    """A draft of what was given: (value, source) by key, the strongest layer last."""
    draft = Draft(kind)
    plain = {key: value for key, (value, _) in given.items()}
    for key, (value, source) in given.items():
        try:
            _take(draft, key, key, value, source, plain)
        except ConfigError as error:
            draft.problems += error.problems
    return draft


def _take(draft: Draft, key: str, written: str, value: object, source: str, given: Mapping[str, object]) -> None:
    match found := resolve(key, draft.kind):
        case Field():
            _take_field(draft, key, written, value, source)
        case PassThrough():
            draft.extra[key] = found.check(value)
            draft.put(key, written, value, source)
        case Refused():
            _take_refused(draft, key, found, value)
        case Alias():
            try:
                meant = found.convert(value, given)
            except Unconvertible as problem:
                raise ConfigError([Problem(written, str(problem), {"value": show(value)})]) from None
            if found.why:
                draft.tell(found.why, key)
            for name, converted in meant.items():
                draft.tell("renamed", f"{written} → {name}")
                _take(draft, name, written, converted, source, given)


def _take_field(draft: Draft, key: str, written: str, value: object, source: str) -> None:
    if isinstance(value, str) and value.strip().lower() in LATER_CHOICES.get(key, ()):
        choices = " / ".join(fields(JOBS[draft.kind])[key].choices)
        draft.problems.append(Problem(written, "not_available_yet", {"value": value.strip(), "instead": choices}))
        return
    draft.put(key, written, value, source)
    draft.values[key] = value


def _take_refused(draft: Draft, key: str, found: Refused, value: object) -> None:
    if found.tolerated:
        draft.tell(found.tolerated, key, found.part_of)
    elif found.asks_nothing(value):
        draft.tell("off_anyway", key)
    elif found.idle and found.idle(value):
        draft.tell("one_device", key)
    else:
        off = "null" if found.off is None else str(found.off).lower()
        shown = "***" if key.endswith("token") else show(value)
        draft.problems.append(Problem(key, found.reason, {"value": shown, "instead": found.instead or off}))
