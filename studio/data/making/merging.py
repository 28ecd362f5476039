"""Several sets in one, with weights if wanted."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from studio.data import mixing
from studio.data.making import converting, forms, sets
from studio.data.making.origin import rows_of
from studio.data.making.parts import SEED
from studio.data.making.sets import Made, Plan
from studio.data.making.spool import Progress, Spool
from studio.data.source import Source
from studio.errors import StudioError

COMMON = "openai"  # the form that holds what any other does


def merge(
    sources: Sequence[Source],
    name: str | None = None,
    weights: Sequence[float] | None = None,
    num_rows: int | None = None,
    seed: int = SEED,
    progress: Progress | None = None,
) -> Made:
    """One set after another; or with `weights` in these shares of `num_rows`, drawn by chance and mixed.

    `num_rows` None is as many as there are without a row twice; above that rows come again (`counts["repeated"]`).
    Sets of unlike columns become conversations with roles and contents, without the rows that cannot be such
    (`counts["left_out"]`). Raises StudioError where what they are for differs (plain text, conversations, pairs, marked
    answers), where no row of one is left, or weights and sets do not pair.
    """
    if len(sources) < 2:
        raise StudioError("making_merge_one")
    kinds = {source.name: converting.kind_of(source) for source in sources}
    if len(set(kinds.values())) > 1:
        raise StudioError("making_merge_kinds", kinds=", ".join(f"{name}: {kind}" for name, kind in kinds.items()))
    name = sets.named(name, "_".join([sets.base_of(source) for source in sources][:3]))
    counts = {"repeated": 0, "left_out": 0}
    entry, spools = _spooled(sources, counts, progress)
    sizes = [len(spool) for spool in spools]
    wanted = shares(sizes, weights, num_rows) if weights else sizes
    counts["repeated"] += sum(max(0, count - size) for count, size in zip(wanted, sizes, strict=True))
    counts["left_out"] += sum(max(0, size - count) for count, size in zip(wanted, sizes, strict=True))
    lines = _drawn(spools, wanted, seed) if weights else chain.from_iterable(map(Spool.all_lines, spools))
    return sets.make([Plan(name, entry, lines, {word: count for word, count in counts.items() if count})])[0]


def shares(sizes: Sequence[int], weights: Sequence[float], num_rows: int | None = None) -> tuple[int, ...]:
    """How many rows of each set a merge takes. Raises StudioError for weights that cannot be."""
    if len(weights) != len(sizes) or not all(0 < weight < 1e12 for weight in weights):
        raise StudioError("making_weights", weights=", ".join(f"{weight:g}" for weight in weights), sets=len(sizes))
    parts = np.array(weights, float) / sum(weights)
    most = min(size / part for size, part in zip(sizes, parts, strict=True))
    bounds = np.rint(np.cumsum([0.0, *parts]) * (num_rows or int(most + 1e-6))).astype(int)
    counts = np.diff(bounds)
    return tuple((counts if num_rows else np.minimum(counts, sizes)).tolist())


def _spooled(sources: Sequence[Source], counts: dict[str, int], progress: Progress | None) -> tuple[dict, list[Spool]]:
    """The entry of the new set and the rows of the old ones in its form: as they stand if they are all read alike."""
    if len({(one.formatting, one.columns, one.tags, one.ranking) for one in sources}) == 1:
        return sets.entry_of(sources[0]), [Spool(rows_of(source, progress)) for source in sources]
    used: set[str] = set()
    spools = [Spool(converting.converted(source, COMMON, rows_of(source, progress), used, counts))
              for source in sources]  # fmt: skip
    for source in (source for source, spool in zip(sources, spools, strict=True) if not len(spool)):
        next(converting.converted(source, COMMON, rows_of(source), used))  # raises what is wrong with its first row
    return forms.entry_for(forms.target(COMMON, sources[0]), used), spools


def _drawn(spools: Sequence[Spool], counts: Sequence[int], seed: int) -> Iterator[bytes]:
    """So many lines of each, by chance, and their sets in turn by chance."""
    drawn = [spool.lines(mixing.sample(len(spool), count, seed + place))
             for place, (spool, count) in enumerate(zip(spools, counts, strict=True))]  # fmt: skip
    turns = np.repeat(np.arange(len(spools)), counts)
    for which in np.random.default_rng(seed).permutation(turns).tolist():
        yield next(drawn[which])
