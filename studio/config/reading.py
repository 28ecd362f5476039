"""From what was written to a checked job: layers (preset, file, command line or form) are joined, names translated,
values checked, and everything that was wrong, renamed or passed over is said.

Precedence: defaults < preset < file < command line or form. `${…}` may name any key, whichever layer it comes from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from studio.config import arguments, files, source
from studio.config.draft import RUN, TRAINED, Draft, translate
from studio.config.job import JOBS, SCHEMA_VERSION, Job
from studio.config.knobs import applies, fields
from studio.config.presets import load_preset
from studio.config.problems import ConfigError, Notice, Problem, from_pydantic
from studio.config.values import parse_scalar
from studio.errors import StudioError

Layers = Sequence[tuple[str, Mapping[str, object]]]  # (source, keys), the weakest first


@dataclass(frozen=True)
class Reading:
    """A job as read: what to tell about it, and for each key where its value comes from."""

    job: Job
    notices: tuple[Notice, ...]
    sources: Mapping[str, str]


def read_arguments(kind: str, argv: Sequence[str], environment: Mapping[str, object] | None = None) -> Reading:
    """A command line (without the command). `ConfigError` lists every problem; other `StudioError`s are about files.

    `environment`: keys that variables of the environment stand for; they go before the file.
    """
    given = arguments.parse(argv, kind)
    layers = [("preset", load_preset(given.preset).mapping)] if given.preset else []
    if given.file:
        layers.append(_layer(kind, given.file, files.load(given.file)))
    return _read(kind, [*layers, ("environment", environment or {}), ("command_line", given.values)])


def read_mapping(kind: str, mapping: Mapping[str, object], preset: str | None = None) -> Reading:
    """Keys from the form (or a program), over a preset. Their text is taken as it is: no `${…}`."""
    layers = [("preset", load_preset(preset).mapping)] if preset else []
    return _read(kind, [*layers, ("form", mapping)])


@dataclass(frozen=True)
class Sifted:
    """What could be taken of somebody's keys: `values` and `extra` hold only what was given, as the job holds it;
    `problems` name what was left out, each at its key as written."""

    values: Mapping[str, object]
    extra: Mapping[str, object]
    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...]

    @property
    def mapping(self) -> dict[str, object]:
        """All that was taken, flat."""
        return {**self.values, **self.extra}


def sift(kind: str, mapping: Mapping[str, object], source: str = "file") -> Sifted:
    """Take what can be taken: a key that is unknown, refused or wrong is left out and named; rules between keys wait
    until the job starts. `StudioError` only for a file of another kind or of a newer version.
    """
    source = RUN if "schema_version" in mapping else source
    joined, problems = _join([(source, _of_kind(kind, Path(source), dict(mapping)))]), []
    while True:
        try:
            draft = translate(kind, _resolve(joined))
            break
        except ConfigError as error:  # one `${…}` that cannot be filled in
            problems += error.problems
            joined.pop(error.problems[0].key)
    problems += draft.problems
    values = dict(draft.values)
    while True:
        try:
            job = _unruled(kind)(**values, extra=draft.extra)
            break
        except ValidationError as error:
            found = from_pydantic(error)
            problems += found
            for problem in found:
                values.pop(problem.key)
    knobs = fields(JOBS[kind])
    taken = {key: None if knobs[key].prepare(given) is None else getattr(job, key) for key, given in values.items()}
    return Sifted(taken, draft.extra, tuple(problems), draft.notices())


@cache
def _unruled(kind: str) -> type[Job]:
    """The job with its types and bounds, without the rules between its keys."""

    class Unruled(JOBS[kind]):
        def problems(self) -> list[Problem]:
            return []

    return Unruled


def read_run(path: Path) -> Job:
    """The job of a run: its `job.yaml`, or the folder that holds it."""
    file = path / "job.yaml" if path.is_dir() else path
    mapping = files.load(file)
    kind = str(mapping.get("kind"))
    if kind not in JOBS:
        raise StudioError("config_kind_unknown", path=file, kind=kind)
    return _read(kind, [(RUN, _of_kind(kind, file, mapping))]).job


def _layer(kind: str, file: Path, mapping: dict[str, object]) -> tuple[str, dict[str, object]]:
    """A file as a layer. Whoever loads a model reads training jobs too, in its own way."""
    written = "schema_version" in mapping
    if kind in source.READERS and mapping.get("kind") == "train":
        keys = _of_kind("train", file, mapping)
        split = source.split(kind, file, keys)
        return (TRAINED, source.kept_keys(kind, keys) | split) if written else ("file", keys | split)
    keys = _of_kind(kind, file, mapping)
    return (RUN, keys) if written else ("file", keys | source.split(kind, file, keys))


def _of_kind(kind: str, file: Path, mapping: dict[str, object]) -> dict[str, object]:
    """A file without its head (`kind`, `schema_version`), after checking that it is ours to read."""
    keys = dict(mapping)
    if not isinstance(version := keys.pop("schema_version", 1), int) or version > SCHEMA_VERSION:
        raise StudioError("config_schema_newer", path=file, version=version, known=SCHEMA_VERSION)
    if (found := keys.pop("kind", kind)) != kind:
        raise StudioError("config_kind_other", path=file, kind=found, wanted=kind)
    return keys


def _read(kind: str, layers: Layers) -> Reading:
    joined = _resolve(_join(layers))
    trains = _asks(joined, "do_train")
    kind, told = ("evaluate", (Notice("predicts"),)) if kind == "train" and _only_predicts(joined) else (kind, ())
    draft = translate(kind, joined)
    told += (*source.take(draft, trains), *source.asked_as_conversations(draft))
    source.find_runs(draft)
    problems, job = list(draft.problems), None
    try:
        job = JOBS[kind](**draft.values, extra=draft.extra)
    except ValidationError as error:
        problems += from_pydantic(error)
    except ConfigError as error:
        problems += error.problems
    blamed = {problem.key for problem in draft.problems}
    problems = [problem for problem in problems if problem in draft.problems or problem.key not in blamed]
    if problems or job is None:
        order = list(fields(JOBS[kind]))
        raise ConfigError(sorted(problems, key=lambda it: order.index(it.key) if it.key in order else -1))
    origin = {key: "file" if layer in (RUN, TRAINED) else layer for key, layer in draft.sources.items()}
    sources = {key: origin.get(key, "default") for key in (*fields(JOBS[kind]), *draft.extra)}
    return Reading(job, (*draft.notices(), *told, *_remarks(job, draft)), sources)


def _only_predicts(joined: Mapping[str, tuple[object, str]]) -> bool:
    """Whether a training file or command asks for predictions alone, as `train --do_predict` does in LLaMA-Factory."""
    past = joined.get("do_predict", (None, RUN))[1] in (RUN, TRAINED, "form")
    return not past and _asks(joined, "do_predict") and not _asks(joined, "do_train")


def _asks(joined: Mapping[str, tuple[object, str]], key: str) -> bool:
    value = joined.get(key, (False, ""))[0]
    return bool(parse_scalar(value) if isinstance(value, str) else value)


def _join(layers: Layers) -> dict[str, tuple[object, str]]:
    """Each key's value and source, the strongest last; `a.b` goes into the mapping that `a` holds."""
    joined: dict[str, tuple[object, str]] = {}
    for layer, mapping in layers:
        for name, value in mapping.items():
            key, dot, inner = name.partition(".")
            if dot:
                value = parse_scalar(value) if isinstance(value, str) else value
                value = _put(joined.get(key, ({}, layer))[0], inner, value)
            joined.pop(key, None)
            joined[key] = (value, layer)
    return joined


def _put(held: object, path: str, value: object) -> dict[str, object]:
    key, dot, inner = path.partition(".")
    old = dict(held) if isinstance(held, Mapping) else {}
    return old | {key: _put(old.get(key), inner, value) if dot else value}


def _resolve(joined: dict[str, tuple[object, str]]) -> dict[str, tuple[object, str]]:
    """`${…}` filled in, as OmegaConf reads it; keys of the form and of a run's own file are past that."""
    past = ("form", "environment", RUN, TRAINED)
    asking = [key for key, (value, layer) in joined.items() if "${" in str(value) and layer not in past]
    if not asking:
        return joined
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    known = {key: value for key, (value, _) in joined.items() if key in asking or "${" not in str(value)}
    key = asking[0]
    try:
        context, filled = OmegaConf.create(known), dict(joined)
        for key in asking:
            value = context[key]
            plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            filled[key] = (plain, joined[key][1])
    except OmegaConfBaseException as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError([Problem(key, "interpolation", {"reason": reason})]) from None
    return filled


def _remarks(job: Job, draft: Draft) -> list[Notice]:
    """What is right but has no effect as things stand."""
    values = {key: getattr(job, key) for key in fields(type(job))}
    idle = [
        f"{key} ({knob.ui.when})"
        for key, knob in fields(type(job)).items()
        if draft.sources.get(key) in ("file", "command_line")
        and values[key] != knob.default
        and not applies(knob.ui.when, values)
    ]
    found = [Notice("idle", {"keys": ", ".join(idle)})] if idle else []
    if values.get("warmup_steps") and values.get("warmup_ratio"):
        found.append(Notice("warmup_steps_win"))
    return found
