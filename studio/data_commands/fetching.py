"""`studio data fetch`: a data set of a hub or a cloud is brought here, by a run like any other."""

import sys

from studio import argv, runs, terminal
from studio.text import Catalogue


def fetch(words: list[str], t: Catalogue) -> int:
    """Start the run that brings the set, and follow it."""
    from studio.config import read_arguments

    detach = argv.flag(words, "--detach")
    name = argv.one([word for word in words[:1] if not word.startswith("-") and "=" not in word])
    reading = read_arguments("build", ["what=dataset", f"dataset={name}", *words[1:]])
    for notice in reading.notices:
        print(notice.text(t), file=sys.stderr)
    with terminal.counting_presses() as presses:
        return terminal.attend(runs.submit(reading.job), detach, t, presses)
