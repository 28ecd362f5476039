"""The scores that papers report: sacreBLEU, ROUGE, exact match, F1 of words, and whether an answer is JSON.

A word is a run of letters and digits in lower case; a Chinese or Japanese character is a word of its own. For English
ROUGE is that of the `rouge_score` package without stemming.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache

WIDE = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # characters that are words
WORD = re.compile(rf"[{WIDE}]|[^\W_{WIDE}]+")
HAN = re.compile(rf"[{WIDE}]")
ARTICLES = frozenset(("a", "an", "the"))
FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*?)```\s*", re.DOTALL | re.IGNORECASE)


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return WORD.findall(text.lower())


def rouge(predict: str, label: str) -> dict[str, float]:
    """ROUGE-1, -2 and -L (Lin 2004): F in percent, counting repeated words."""
    from rapidfuzz.distance import LCSseq

    ours, theirs = words(predict), words(label)
    common = LCSseq.similarity(ours, theirs) if ours and theirs else 0
    found = {f"std_rouge-{n}": _f_of_counts(_pairs(ours, n), _pairs(theirs, n)) for n in (1, 2)}
    return found | {"std_rouge-l": _f(common, len(ours), len(theirs))}


def f1(predict: str, label: str) -> float:
    """F1 of the words without articles, in percent (Rajpurkar et al. 2016); two texts without words are equal."""
    ours, theirs = _kept(predict), _kept(label)
    if not ours or not theirs:
        return exact_match(predict, label)
    return _f_of_counts(Counter(ours), Counter(theirs))


def exact_match(predict: str, label: str) -> float:
    """100 where both have the same words but for case, punctuation and articles (as in SQuAD); else 0.

    Where nothing is left of a text by that, articles count (the answer may be the letter A), then punctuation too.
    """
    sides = (predict, label)
    forms = ([_normalised(side) for side in sides], [_plain(side) for side in sides], [side.strip() for side in sides])
    ours, theirs = next((form for form in forms if any(form)), forms[-1])
    return 100.0 * (ours == theirs)


def is_json(text: str) -> bool:
    """Whether the text is a JSON object or list; it may stand in a fence."""
    fenced = FENCED.fullmatch(text)
    try:
        return isinstance(json.loads(fenced[1] if fenced else text, parse_constant=_refuse), dict | list)
    except (ValueError, RecursionError):
        return False


def sacrebleu(predict: str, label: str) -> float:
    """sacreBLEU (Post 2018) of one sentence, in percent, with as many orders as it has words for."""
    sentence, _, cut = _sacrebleu()
    return sentence.sentence_score(cut(predict, label), [cut(label, label)]).score


def corpus_sacrebleu(pairs: Sequence[tuple[str, str]]) -> float:
    """sacreBLEU of all (predict, label) together, in percent. Words are cut by `13a`, in Chinese rows by `zh`."""
    _, corpus, cut = _sacrebleu()
    ours = [cut(predict, label) for predict, label in pairs]
    return corpus.corpus_score(ours, [[cut(label, label) for _, label in pairs]]).score


@cache
def _sacrebleu() -> tuple:
    """(of one sentence, of many, how a text of a row with this label is cut)."""
    from sacrebleu.metrics import BLEU
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_zh import TokenizerZh

    plain, chinese = Tokenizer13a(), TokenizerZh()

    def cut(text: str, label: str) -> str:
        return (chinese if HAN.search(label) else plain)(text.rstrip())

    # The texts come cut: `force` says that this is meant.
    return BLEU(tokenize="none", effective_order=True, force=True), BLEU(tokenize="none", force=True), cut


def _plain(text: str) -> str:
    """Lower case, no punctuation, single spaces; full-width forms as plain ones."""
    lower = unicodedata.normalize("NFKC", text).lower()
    kept = "".join(letter for letter in lower if letter.isalnum() or unicodedata.category(letter)[0] != "P")
    return " ".join(kept.split())


def _normalised(text: str) -> str:
    """Also without articles."""
    return " ".join(word for word in _plain(text).split() if word not in ARTICLES)


def _kept(text: str) -> list[str]:
    return words(_normalised(text))


def _pairs(found: Sequence[str], order: int) -> Counter:
    return Counter(zip(*(found[at:] for at in range(order)), strict=False))


def _f_of_counts(ours: Counter, theirs: Counter) -> float:
    return _f((ours & theirs).total(), ours.total(), theirs.total())


def _f(matched: int, num_ours: int, num_theirs: int) -> float:
    return 200.0 * matched / (num_ours + num_theirs) if matched else 0.0


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
