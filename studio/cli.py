"""The command line: `studio COMMAND …`, the same as `python3 launch.py COMMAND …`. `studio --help` lists the commands.

Exit codes: 0 done, 1 the run failed, 2 the command cannot be done as written (one sentence says why), 3 the run was
stopped, 130 left by Ctrl-C. No model library is imported here, the schema only where a job is read, the page for `ui`.
"""

import io
import json
import os
import platform
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from studio import __version__, argv, runs, terminal
from studio.errors import StudioError
from studio.text import Catalogue, catalogue, preferred_language

WRONG = 2


def main(given: Sequence[str] | None = None) -> int:
    """Do what the command line says; returns the exit code."""
    words = list(sys.argv[1:] if given is None else given)
    if isinstance(sys.stdout, io.TextIOWrapper):  # what the terminal cannot write does not end the command
        sys.stdout.reconfigure(errors="backslashreplace")
    t = catalogue(preferred_language())
    command = words.pop(0) if words else "ui"
    command = OTHER_NAMES.get(command, command)
    if command not in (*COMMANDS, "help"):
        return complain(t("terminal.command_unknown", command=command, commands=", ".join(COMMANDS)))
    asked = words if command == "help" else [command] if words in (["--help"], ["-h"]) else None
    try:
        code = COMMANDS[command](words, t) if asked is None else show_help(asked, t)
        sys.stdout.flush()
        return code
    except argv.Misuse:
        return complain(t("terminal.command_wrong", usage=t(f"terminal.usage_{command}")))
    except StudioError as error:
        return complain(error.text(t))
    except KeyboardInterrupt:
        return terminal.LEFT
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def complain(sentence: str) -> int:
    """Say what is wrong, beside the output; the exit code for it."""
    print(sentence, file=sys.stderr)
    return WRONG


def train(words: list[str], t: Catalogue) -> int:
    """Start a training run and follow it."""
    return _launch("train", words, t)


def download(words: list[str], t: Catalogue) -> int:
    """Fetch a model."""
    model = argv.one([word for word in words[:1] if not word.startswith("-")])
    given = [re.sub(r"^--revision\b", "--model_revision", word) for word in words[1:]]
    return _launch("build", ["what=download", f"model_name_or_path={model}", *given], t)


def api(words: list[str], t: Catalogue) -> int:
    """Serve a model, and follow the server."""
    from studio import serving

    detach = argv.flag(words, "--detach")
    job = serving.with_key(serving.served_job(words, t, os.environ), t)
    with terminal.counting_presses() as presses:
        return terminal.attend(runs.submit(job), detach, t, presses)


def chat(words: list[str], t: Catalogue) -> int:
    """Talk to a model here."""
    from studio import serving

    return serving.chat(words, t)


def webchat(words: list[str], t: Catalogue) -> int:
    """Talk to a model on the page."""
    from studio import serving

    return serving.webchat(words, t)


def evaluate(words: list[str], t: Catalogue) -> int:
    """Have a model answer rows or a benchmark, and score it."""
    return _launch("evaluate", terminal.of_a_run(words), t)


def postprocess(words: list[str], t: Catalogue) -> int:
    """Split predictions into fields."""
    from studio import evaluating

    return evaluating.postprocess(words, t)


def report(words: list[str], t: Catalogue) -> int:
    """Compare evaluations."""
    from studio import evaluating

    return evaluating.report(words, t)


def export(words: list[str], t: Catalogue) -> int:
    """Merge a model with its adapters and write it in the forms that others read."""
    return _launch("export", terminal.of_a_run(words), t)


def convert(words: list[str], t: Catalogue) -> int:
    """Turn original LLaMA weights into a model folder."""
    from studio import exporting

    return _launch("build", exporting.converting(words), t)


def list_runs(words: list[str], t: Catalogue) -> int:
    """A table of all runs, or JSON."""
    as_json = argv.flag(words, "--json")
    argv.none(words)
    runs.advance()
    found = runs.listing()
    if as_json:
        print(json.dumps([asdict(summary) for summary in found], ensure_ascii=False, indent=2))
    elif not found:
        print(t("terminal.no_runs"))
    else:
        names = ("run", "kind", "state", "step", "loss", "started", "took")
        rows = [[t(f"terminal.column_{name}") for name in names], *(_row(summary, t) for summary in found)]
        print("\n".join(terminal.table(rows)))
    return 0


def stop(words: list[str], t: Catalogue) -> int:
    """Stop a run."""
    now = argv.flag(words, "--now")
    run = runs.find(argv.one(words))
    waited = run.state in runs.WAITING
    runs.stop(run, now=now)
    name = f"stop_{'taken' if waited else 'sent_now' if now else 'sent'}"
    print(terminal.words_for(name, run, t))
    return 0


def resume(words: list[str], t: Catalogue) -> int:
    """Go on with a run, with keys changed, and follow it."""
    detach = argv.flag(words, "--detach")
    run, overrides = runs.find(argv.one(words[:1])), {}
    if words[1:]:
        from studio.config import arguments

        given = arguments.parse(words[1:], run.kind)
        if given.file or given.preset:
            raise argv.Misuse
        overrides = given.values
    with terminal.counting_presses() as presses:
        run = runs.resume(run, **overrides)
        return _told(run, terminal.attend(run, detach, t, presses), detach, t)


def rename(words: list[str], t: Catalogue) -> int:
    """Give a run another name."""
    if len(words) != 2:
        raise argv.Misuse
    run = runs.find(words[0])
    old = run.id
    print(t("terminal.renamed", old=old, new=runs.rename(run, words[1]).id))
    return 0


def delete(words: list[str], t: Catalogue) -> int:
    """Delete a run, after a question."""
    sure = argv.flag(words, "--yes", "-y")
    run = runs.find(argv.one(words))
    if not sure and not sys.stdin.isatty():
        return complain(t("terminal.delete_needs_yes", run=run.id))
    question = t("terminal.delete_really", run=run.id, folder=run.folder)
    if not sure and input(question).strip().lower() not in ("y", "yes"):
        print(t("terminal.not_deleted"))
        return 1
    name = run.id
    runs.delete(run)
    print(t("terminal.deleted", run=name))
    return 0


def data(words: list[str], t: Catalogue) -> int:
    """Look at data sets, check, make and add them."""
    from studio import data_commands

    return data_commands.data(words, t)


def env(words: list[str], t: Catalogue) -> int:
    """Versions, devices, what is missing."""
    argv.none(words)
    from studio.runs import inventory

    print("\n".join(inventory.report(t)))
    return 0


def version(words: list[str], t: Catalogue) -> int:
    """The version."""
    argv.none(words)
    print(f"finetune-studio {__version__} (Python {platform.python_version()})")
    return 0


def page(words: list[str], t: Catalogue) -> int:
    """Open the page."""
    quiet = argv.flag(words, "--no-browser")
    host, port = argv.option(words, "--host"), argv.option(words, "--port")
    argv.none(words)
    if port is not None and not port.isdigit():
        raise StudioError("bad_port", port=port)
    from studio.ui import app

    return app.run(host, int(port) if port is not None else None, not quiet)


COMMANDS = {
    "ui": page, "train": train, "runs": list_runs, "stop": stop, "resume": resume, "rename": rename, "delete": delete,
    "download": download, "chat": chat, "webchat": webchat, "api": api, "eval": evaluate, "report": report,
    "postprocess": postprocess, "export": export, "convert": convert, "data": data, "env": env, "version": version,
}  # fmt: skip
KINDS = {"train": "train", "download": "build", "chat": "serve", "webchat": "serve", "api": "serve", "eval": "evaluate",
         "export": "export", "convert": "build"}  # fmt: skip
OTHER_NAMES = {"webui": "ui", "-h": "help", "--help": "help", "-V": "version", "--version": "version"}


def show_help(words: list[str], t: Catalogue) -> int:
    """All commands, or one; for those that take a job's keys, these too."""
    if words and words[0] in COMMANDS:
        command = words[0]
        print(f"studio {t(f'terminal.usage_{command}')}\n\n{t(f'terminal.about_{command}')}")
        if command in KINDS:
            from studio.config import describe_keys

            print("\n".join(["", t("terminal.keys"), *describe_keys(KINDS[command], t)]))
        return 0
    print(t("terminal.usage"))
    for command in COMMANDS:
        print(f"\n  {t(f'terminal.usage_{command}')}\n      {t(f'terminal.about_{command}')}")
    return 0


def _launch(kind: str, words: list[str], t: Catalogue) -> int:
    from studio.config import read_arguments

    detach = argv.flag(words, "--detach")
    reading = read_arguments(kind, words)
    for notice in reading.notices:
        print(notice.text(t), file=sys.stderr if detach else sys.stdout)
    with terminal.counting_presses() as presses:
        run = runs.submit(reading.job)
        return _told(run, terminal.attend(run, detach, t, presses), detach, t)


def _told(run: runs.Run, code: int, detach: bool, t: Catalogue) -> int:
    """Say what a run that was followed to its end has found or left; its exit code. An export that its hub refused has
    been written all the same."""
    if code != terminal.LEFT and not detach:
        from studio import evaluating, exporting

        if code == 0:
            evaluating.show(run, t)  # a training that predicts at its end has figures, too
        exporting.show(run, t)
    return code


def _row(summary: runs.Summary, t: Catalogue) -> list[str]:
    steps = f"{summary.step}/{summary.total_steps or '?'}" if summary.step is not None else "–"
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(summary.started)) if summary.started else "–"
    end = summary.ended or (time.time() if summary.state in runs.ALIVE else None)
    took = terminal.clock(max(0.0, end - summary.started)) if summary.started and end else "–"
    loss = f"{summary.loss:.4f}" if summary.loss is not None else "–"
    key = f"kinds.{summary.kind}"
    kind = t(key) if key in t else summary.kind
    return [summary.id, kind, t(f"states.{summary.state}"), _address(summary) or steps, loss, started, took]


def _address(summary: runs.Summary) -> str | None:
    """Where a server listens."""
    if summary.kind != "serve" or summary.state not in runs.ALIVE:
        return None
    found = runs.folder.read_json(Path(summary.folder) / runs.folder.ENDPOINT)
    return found["url"] if found else None


if __name__ == "__main__":
    sys.exit(main())
