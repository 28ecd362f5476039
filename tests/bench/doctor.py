"""The doctor's round over a million rows: seconds, processor time, peak memory, and what it found.

    python -m tests.bench.doctor [--rows 1000000] [--keep DIR]

Alpaca rows of about 200 bytes: every 50th almost like an earlier one, every 200th the same again, every 1,000th without
an answer, every 100,000th no JSON; and the same number of rows from one mould, which are all almost alike. One process
each, as `studio data check` runs it. Prints one JSON line a set.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measuring import measure

WORDS = [f"{start}{end}" for start in ("riv", "gard", "wind", "mark", "teach") for end in ("er", "en", "ow", "et", "y")]
CHECK = """
import json, sys
from pathlib import Path
from studio.data import detect, doctor
found = doctor.examine(detect.source_of(Path(sys.argv[1])))
Path(sys.argv[2]).write_text(json.dumps({one.code: one.count for one in found}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep")
    options = parser.parse_args()
    folder = Path(options.keep or tempfile.mkdtemp(prefix="bench-doctor-"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in (("mixed", mixed), ("mould", mould)):
        file, said = folder / f"{name}-{options.rows}.jsonl", folder / f"{name}.found.json"
        if not file.exists():
            with file.open("w", encoding="utf-8") as stream:
                stream.writelines(lines(options.rows))
        taken = measure([sys.executable, "-c", CHECK, str(file), str(said)], said, folder, threads=1)
        size_mib = file.stat().st_size >> 20
        print(json.dumps({"set": name, "rows": options.rows, "mib": size_mib, **taken,
                          "found": json.loads(said.read_text())}), flush=True)  # fmt: skip
    if not options.keep:
        shutil.rmtree(folder)


def mixed(count: int) -> Iterator[str]:
    chance, kept = random.Random(0), row("a first question", "a first answer of some length")
    words = [*WORDS, *(f"{chance.choice(WORDS)}{number}" for number in range(4_000))]
    for number in range(1, count + 1):
        new = row(" ".join(chance.choices(words, k=8)), " ".join(chance.choices(words, k=12)))
        if number % 100_000 == 0:
            yield '{"instruction": "broken\n'
        elif number % 1_000 == 0:
            yield line(new | {"output": ""})
        elif number % 200 == 0:
            yield line(kept)
        elif number % 50 == 0:
            yield line(kept | {"output": f"{kept['output']} {chance.choice(words)}"})
        else:
            kept = new
            yield line(new)


def mould(count: int) -> Iterator[str]:
    question = "Write to customer {} why the parcel came late, in the usual words of the company, please."
    answer = "Dear customer {}, the parcel came late, and we are sorry for it; with kind regards from all of us."
    for number in range(count):
        yield line(row(question.format(number), answer.format(number)))


def row(question: str, answer: str) -> dict[str, str]:
    return {"instruction": question, "input": "", "output": answer}


def line(row: dict[str, str]) -> str:
    return json.dumps(row) + "\n"


if __name__ == "__main__":
    main()
