"""Whether the set fits the model it is for: rows that its `cutoff_len` would cut, tokens that its template lacks.

And whether the registry's entry says what it seems to say.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from studio.data import dataset, registry
from studio.data.browse import lens as lenses
from studio.data.browse.lens import Lens
from studio.data.doctor.finding import Finding, Tally
from studio.data.doctor.seen import Seen
from studio.data.encode import NUM_CHUNK_ROWS, Encoder
from studio.data.problem import Problem
from studio.data.source import Source
from studio.data.template import HEADER
from studio.data.tokens import ModelTokens
from studio.errors import StudioError

TOKEN = re.compile(r"<\|[^|<>\s]+\|>|<(?:start|end)_of_\w+>|<｜[^｜<>\s]+｜>")  # how families write theirs
TOLD_ELSEWHERE = ("lint_file_missing", "lint_script")


class Lengths:
    """Encodes as training would, a chunk at a time, and tells which rows lose tokens."""

    def __init__(self, encoder: Encoder, lens: Lens) -> None:
        self.encoder = encoder
        self.lens = lens
        self.waiting: list[Seen] = []

    def look(self, seen: Seen, tally: Tally) -> None:
        self.waiting.append(seen)
        if len(self.waiting) == NUM_CHUNK_ROWS:
            self.finish(tally)

    def finish(self, tally: Tally) -> None:
        most = self.lens.cutoff_len
        for seen, encoded in zip(self.waiting, self.encoder.encode([one.row for one in self.waiting]), strict=True):
            if isinstance(encoded, Problem):
                code = "too_long" if encoded.code == "nothing_learned" else "unusable"
                tally.add(code, seen.number, most=most, why=encoded)
            elif encoded.truncated:
                tally.add("too_long", seen.number, most=most)
        self.waiting.clear()


def lengths(lens: Lens, tally: Tally) -> Lengths | None:
    """The check of the lengths; None, and a note why, where nothing can be looked at through `lens`.

    Also tells which tokens of the template the tokenizer reads as plain text.
    """
    try:
        _missing_tokens(lens, tally)
        return Lengths(lenses.encoder(lens), lens)
    except StudioError as error:
        tally.note("lens", model=lens.model_name_or_path, why=error)
        return None


def _missing_tokens(lens: Lens, tally: Tally) -> None:
    tokens = ModelTokens(lenses.tokenizer_dir(lens), (*lens.add_tokens, *lens.add_special_tokens))
    template = dataset.chat_template(lens.job(), tokens)
    if template is None:
        return
    written = TOKEN.findall(HEADER.sub("", template.jinja_source))
    missing = tokens.missing(tuple(dict.fromkeys((*template.stop_words, *written))))
    if missing:
        tally.note("tokens", template=template.name or "–", tokens=", ".join(missing))


def entry(source: Source) -> Iterator[Finding]:
    """What the registry's entry says that has no effect, or another one than was meant."""
    place = source.media_dir
    if place is None or not (Path(place) / registry.INFO).is_file():
        return
    found = registry.entries(Path(place)).get(source.name)
    for notice in registry.lint(source.name, found, Path(place)) if found else ():
        if notice.code not in TOLD_ELSEWHERE:
            yield Finding("entry", source.name, values={"why": notice})
