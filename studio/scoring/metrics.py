"""Which scores apply to the rows, the scores of an answer, and the totals over all: `predict_results.json`'s keys.

    applied = applies(labels, wanted=job.metrics, databases=job.sql_databases is not None)
    rows = score_all(pairs, applied.metrics)
    totals(rows, pairs)            # {"predict_bleu-4": …, "predict_num_rows": …}
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from studio.config.evaluating import Metric
from studio.scoring import familiar, standard

METRICS: tuple[str, ...] = get_args(Metric)
KEYS = {  # metric → the scores it gives
    "bleu_rouge": ("bleu-4", "rouge-1", "rouge-2", "rouge-l"),
    "sacrebleu": ("sacrebleu",),
    "rouge": ("std_rouge-1", "std_rouge-2", "std_rouge-l"),
    "exact_match": ("exact_match",),
    "f1": ("f1",),
    "json": ("json",),
    "sql": ("sql",),
}
SCORES = (*(key for keys in KEYS.values() for key in keys), "judge")  # the higher, the better
BY_LABEL = frozenset(METRICS) - {"json"}
JSON_SHARE = 0.9  # of the labels that are JSON, for answers to be looked at as such without being asked to

Pair = tuple[str, str | None]  # (predict, label); None: the row has no label


@dataclass(frozen=True)
class Applied:
    """The metrics that are computed, and why the others are not: metric → a word of `scoring.left_out` in the
    catalogue (no_labels, not_json, no_databases, not_asked)."""

    metrics: tuple[str, ...]
    left_out: Mapping[str, str]


def applies(labels: Sequence[str | None], wanted: Sequence[str] = (), databases: bool = False) -> Applied:
    """What can be computed for rows with these labels. `wanted`: empty is all that apply; `databases`: whether there
    are some to run SQL on."""
    left_out = {}
    for metric in METRICS:
        why = _why_not(metric, labels, wanted, databases)
        if why:
            left_out[metric] = why
    return Applied(tuple(metric for metric in METRICS if metric not in left_out), left_out)


def _why_not(metric: str, labels: Sequence[str | None], wanted: Sequence[str], databases: bool) -> str | None:
    given = [label for label in labels if label is not None]
    if wanted and metric not in wanted:
        return "not_asked"
    if not given and (metric in BY_LABEL or (metric == "json" and not wanted)):
        return "no_labels"
    if metric == "sql" and not databases:
        return "no_databases"
    if metric == "json" and not wanted:
        num_json = sum(map(standard.is_json, given))
        return None if num_json >= JSON_SHARE * len(given) else "not_json"
    return None


def score(predict: str, label: str | None, metrics: Iterable[str]) -> dict[str, float]:
    """The scores of one answer, in percent. What needs a label is left out where there is none; a blank label is one.

    `sql` is not computed here: it needs a database (`studio.scoring.sql`).
    """
    found: dict[str, float] = {}
    for metric in metrics:
        if metric == "json":
            found["json"] = 100.0 * standard.is_json(predict)
        elif label is None or metric == "sql":
            continue
        elif metric == "bleu_rouge":
            found |= familiar.scores(predict, label)
        elif metric == "rouge":
            found |= {key: round(value, 4) for key, value in standard.rouge(predict, label).items()}
        else:
            found[metric] = round(getattr(standard, metric)(predict, label), 4)
    return found


def score_all(
    pairs: Sequence[Pair], metrics: Sequence[str], progress: Callable[[int, int], None] | None = None
) -> list[dict[str, float]]:
    """`score` of each pair, in order. `progress(done, total)` is called after each and may raise to call it off."""
    found = []
    for place, (predict, label) in enumerate(pairs, 1):
        found.append(score(predict, label, metrics))
        if progress:
            progress(place, len(pairs))
    return found


def totals(rows: Sequence[Mapping[str, Any]], pairs: Sequence[Pair]) -> dict[str, float]:
    """`predict_*`: the mean of each score over the rows that have it, sacreBLEU of all rows together, perplexity.

    `rows` may hold what others have added: `sql`, `judge`, `nll` with `num_label_tokens`.
    """
    found = {}
    for key in SCORES:
        values = [row[key] for row in rows if isinstance(row.get(key), int | float)]
        if values:
            found[f"predict_{key}"] = sum(values) / len(values)
    if "predict_sacrebleu" in found:
        labelled = [(predict, label) for predict, label in pairs if label is not None]
        found["predict_sacrebleu"] = standard.corpus_sacrebleu(labelled)
    perplexity = perplexity_of(rows)
    if perplexity is not None:
        found["predict_perplexity"] = perplexity
    num_scored = sum(any(key in row for key in SCORES) for row in rows)
    return found | {"predict_num_rows": len(pairs), "predict_num_scored": num_scored}


def perplexity_of(rows: Iterable[Mapping[str, Any]]) -> float | None:
    """exp of the mean `nll` of a label's token; None where none was measured. What is no number does not count."""
    found = ((row.get("nll"), row.get("num_label_tokens")) for row in rows)
    measured = [(nll, count) for nll, count in found if count and nll is not None and math.isfinite(nll)]
    if not measured:
        return None
    mean = sum(nll for nll, _ in measured) / sum(count for _, count in measured)
    return math.exp(min(mean, 700.0))  # beyond, floats end
