"""`studio data check`: the doctor's findings for a set or a job, and a new set without them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio import argv, terminal
from studio.data import doctor, registry
from studio.data.doctor import Finding
from studio.data.making import Made
from studio.data.making.spool import Progress
from studio.data.source import Source
from studio.errors import StudioError
from studio.text import Catalogue

FOUND_ERRORS = 1
JOBS = (".yaml", ".yml")
MARKS = {"error": "✗", "warning": "!", "hint": "·"}
MENDED = ("error", "warning")  # what --fix mends unless --only says what


def check(words: list[str], t: Catalogue) -> int:
    """Print what the doctor finds, the worst first; 1 where there are errors that no fix has mended."""
    as_json, new = argv.flag(words, "--json"), argv.option(words, "--fix")
    only, values = split(argv.option(words, "--only")), given_values(words)
    if unknown := [code for code in only if code not in doctor.CODES]:
        raise StudioError("doctor_unknown", code=unknown[0], known=", ".join(doctor.CODES))
    with screen(t) as progress:
        found, source, fitting = _examined(words, frozenset(only or doctor.CHECKS), t, progress)
        made, left = None, found
        if new is not None:
            source = _one(source, found)
            codes = _fixable(found, source, bool(only), bool(values))
            fitting = doctor.Values(fitting.lens, fitting.against, values)
            made = doctor.fix(source, codes, new, fitting, progress)
            left = tuple(one for one in found if one.source != source.name or one.code not in codes)
    if as_json:
        print(json.dumps(_mapping(found, made, t), ensure_ascii=False))
    else:
        _print(found, source, t)
        if made:
            print(sentence(made, t))
    return FOUND_ERRORS if any(finding.severity == "error" for finding in left) else 0


def _fixable(found: tuple[Finding, ...], source: Source, hints_too: bool, filled: bool) -> list[str]:
    """What --fix mends: all that can be, hints only if asked for. Raises StudioError where there is nothing."""
    here = [one for one in found if one.source == source.name and one.fix and (hints_too or one.severity in MENDED)]
    codes = [one.code for one in here if one.code != "placeholders" or filled]
    if not codes:
        raise StudioError("doctor_nothing", name=source.name)
    return codes


def _examined(
    words: list[str], checks: frozenset[str], t: Catalogue, progress: Progress
) -> tuple[tuple[Finding, ...], Source | None, doctor.Values]:
    """What was found, the set if it is but one, and how it was looked at."""
    against, folder = argv.option(words, "--against"), argv.option(words, "--dataset_dir")
    if words and Path(words[0]).suffix in JOBS and against is None and folder is None:
        return _of_job(words, checks, t, progress)
    source = registry.find(argv.one(words), folder or "data")
    held_out = registry.find(against, folder or "data") if against else None
    return doctor.examine(source, checks, None, held_out, progress), source, doctor.Values(against=held_out)


def _of_job(
    words: list[str], checks: frozenset[str], t: Catalogue, progress: Progress
) -> tuple[tuple[Finding, ...], Source | None, doctor.Values]:
    from studio.config import read_arguments

    reading = read_arguments("train", words)
    job = reading.job
    for notice in reading.notices:
        print(notice.text(t), file=sys.stderr)
    found = tuple(finding for finding in doctor.check_job(job, progress) if finding.code in checks)
    if len(job.dataset) != 1 or any(finding.code == "missing" for finding in found):
        return found, None, doctor.Values()
    return found, registry.find(job.dataset[0], job.dataset_dir), doctor.values_of(job)


def _one(source: Source | None, found: tuple[Finding, ...]) -> Source:
    if source is None:
        raise StudioError("doctor_no_set", names=", ".join(dict.fromkeys(finding.source for finding in found)) or "–")
    return source


def _print(found: tuple[Finding, ...], source: Source | None, t: Catalogue) -> None:
    several = any(source is None or finding.source != source.name for finding in found)
    for finding in found:
        severity, where = t(f"data_commands.{finding.severity}"), f" · {finding.source}" if several else ""
        print(f"{MARKS[finding.severity]} {severity}{where} · {finding.title(t)} [{finding.code}]")
        print(f"    {finding.text(t)}")
    counts = {severity: sum(finding.severity == severity for finding in found) for severity in doctor.SEVERITIES}
    print(t("data_commands.found", **counts) if found else t("data_commands.healthy"))


def _mapping(found: tuple[Finding, ...], made: Made | None, t: Catalogue) -> dict[str, Any]:
    content: dict[str, Any] = {"findings": [finding.to_mapping(t) for finding in found]}
    return content | ({"made": as_mapping(made)} if made else {})


def sentence(made: Made, t: Catalogue) -> str:
    """A set that was made: its rows, and what became of the others."""
    counts = "".join(f", {t(f'making.{word}', count=count)}" for word, count in made.counts.items() if count)
    return t("data_commands.made", name=made.name, count=made.num_rows, file=made.file) + counts


def as_mapping(made: Made) -> dict[str, Any]:
    return {"name": made.name, "rows": made.num_rows, "file": str(made.file), **made.counts}


def split(text: str | None) -> list[str]:
    """The words between commas."""
    return [word.strip() for word in (text or "").replace("，", ",").split(",") if word.strip()]


def given_values(words: list[str]) -> dict[str, str]:
    """Each `--set name=value`."""
    values: dict[str, str] = {}
    while (pair := argv.option(words, "--set")) is not None:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise argv.Misuse
        values[name] = value
    return values


@contextmanager
def screen(t: Catalogue) -> Iterator[Progress]:
    """How far it has come, on a terminal."""
    shown = terminal.Screen(sys.stderr)

    def progress(done: int, total: int) -> None:
        shown.bar(t("data_commands.rows_done", done=done, total=total or "?"))

    try:
        yield progress
    finally:
        shown.bar("")
