"""`studio data generate`, `sql`, `columns` and `search`: rows written by a model, conversations out of databases, what
an endpoint says of columns, what the hubs have.
"""

import json
import os
import shlex
import sys
from itertools import islice
from pathlib import Path

from studio import argv, endpoint, runs, terminal
from studio.errors import StudioError
from studio.text import Catalogue, preferred_language

NUM_SHOWN = 10  # numbers of entries that were left out, for each reason


def generate(words: list[str], t: Catalogue) -> int:
    """Start a run that generates, and follow it."""
    from studio.config import read_arguments

    detach = argv.flag(words, "--detach")
    reading = read_arguments("generate", words)
    for notice in reading.notices:
        print(notice.text(t), file=sys.stderr)
    with terminal.counting_presses() as presses:
        return terminal.attend(runs.submit(reading.job), detach, t, presses)


def show_keys(t: Catalogue) -> None:
    """The keys of a generate job."""
    from studio.config import describe_keys

    print("\n".join([t("terminal.keys"), *describe_keys("generate", t)]))


def sql(words: list[str], t: Catalogue) -> int:
    """Make a set of conversations out of databases and questions."""
    from studio.data.sql import making

    name, prompt_file = argv.option(words, "--name"), argv.option(words, "--prompt")
    language = argv.option(words, "--lang") or preferred_language()
    check, skip = argv.flag(words, "--check"), argv.flag(words, "--skip_missing")
    join = argv.flag(words, "--join")
    split, by, seed = (argv.option(words, option) for option in ("--split", "--by", "--seed"))
    if len(words) != 2 or any(word.startswith("--") for word in words) or not (seed or "0").isdigit():
        raise argv.Misuse
    folder, questions = map(Path, words)
    prompt = _read(Path(prompt_file)) if prompt_file else making.PROMPTS.get(language, making.PROMPTS["en"])
    wanted = making.Wanted(prompt, check, skip, join, split, by or "database", int(seed or 42))
    screen = terminal.Screen(sys.stderr)
    report = making.make(folder, questions, name or f"{questions.stem}_sql", wanted,
                         lambda done, total: screen.bar(f"{terminal.drawn(done / total)}  {done}/{total}"))  # fmt: skip
    screen.bar("")
    _tell(report, t)
    return 0


def columns(words: list[str], t: Catalogue) -> int:
    """Ask an endpoint which column of a file holds what; the entry is printed, and the command that would make it."""
    from studio.data import asking, reading
    from studio.data.asking.columns import NUM_ROWS
    from studio.data.source import Source

    given = {key: argv.option(words, f"--{key}") for key in ("api_base", "model", "server", "key_variable")}
    if bool(given["api_base"]) == bool(given["server"]):
        raise argv.Misuse
    path = Path(argv.one(words))
    if given["server"]:
        there = endpoint.of(runs.find(given["server"]).folder)
        if there is None:
            raise StudioError("asking_no_server", run=given["server"])
        asker = asking.connect(f"{there.url}/v1", given["model"], there.key, **asking.PATIENCE)
    else:
        key = os.environ.get(given["key_variable"] or "OPENAI_API_KEY", "")
        asker = asking.connect(given["api_base"], given["model"], key, **asking.PATIENCE)
    rows = [raw for _, raw in islice(reading.read_rows(Source(name=path.name, path=path)), NUM_ROWS)]
    entry = asking.suggest_columns(rows, asker)
    print(json.dumps(entry, ensure_ascii=False, indent=2))
    pairs = ",".join(f"{role}={column}" for role, column in entry["columns"].items())
    print(f"studio data add {shlex.quote(str(path))} --formatting {entry['formatting']} --columns {shlex.quote(pairs)}",
          file=sys.stderr)  # fmt: skip
    return 0


def search(words: list[str], t: Catalogue) -> int:
    """What a hub finds."""
    from studio.data import asking
    from studio.data.asking.hubs import HUGGINGFACE, NAMES

    hub, what = argv.option(words, "--hub") or HUGGINGFACE, "model" if argv.flag(words, "--models") else "dataset"
    if hub not in NAMES or not words or any(word.startswith("-") for word in words):
        raise argv.Misuse
    found = asking.search(" ".join(words), hub, what)
    rows = [[one.id, f"{one.downloads:,}", one.updated, one.about[:60]] for one in found]
    print("\n".join(terminal.table(rows)) if rows else t("asking.nothing_found"))
    return 0


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudioError("prompts_unreadable", path=file, reason=error) from None


def _tell(report, t: Catalogue) -> None:
    for made, part in zip(report.made, report.parts, strict=True):
        print(t("asking.sql_done", name=made.name, rows=made.num_rows, databases=len(part)))
    for reason, numbers in report.left_out.items():
        shown = ", ".join(map(str, numbers[:NUM_SHOWN])) + (" …" if len(numbers) > NUM_SHOWN else "")
        reason = t(f"asking.refused_{reason}")
        print(t("asking.sql_left_out", count=len(numbers), reason=reason, numbers=shown), file=sys.stderr)
    if report.num_over:
        print(t("asking.sql_over", count=report.num_over), file=sys.stderr)
    if len(report.parts) > 1 and report.shared:
        print(t("asking.sql_shared", count=len(report.shared), names=", ".join(sorted(report.shared)[:NUM_SHOWN])))
    elif len(report.parts) > 1:
        print(t("asking.sql_apart"))
