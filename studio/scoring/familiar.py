"""BLEU and ROUGE as LLaMA-Factory's predictions have them, to the digit.

Words are jieba's in every language; ROUGE is rouge-chinese's on them; BLEU is NLTK's, of characters, with the smoothing
of mteval (Chen and Cherry 2014). They suit comparisons with LLaMA-Factory's own figures, not with papers:
`studio.scoring.standard` has those.
"""

import logging
from collections.abc import Sequence
from functools import cache, lru_cache

from studio import paths

KEYS = ("rouge-1", "rouge-2", "rouge-l", "bleu-4")
NUM_BLOCKS = 1 << 16


def scores(predict: str, label: str) -> dict[str, float]:
    """The four scores in percent, rounded to four digits as there; a blank text has 0."""
    found = rouge(predict, label) | {"bleu-4": bleu(predict, label) * 100}
    return {key: round(found[key], 4) for key in KEYS}


def rouge(predict: str, label: str) -> dict[str, float]:
    """ROUGE-1, -2 and -L: F of sets of words and pairs of words, and of the longest common subsequence."""
    from rouge_chinese import rouge_score
    from rouge_chinese.rouge import Rouge

    texts = [" ".join(words(text)) for text in (predict, label)]
    if not all(text.split() for text in texts):
        return dict.fromkeys(KEYS[:3], 0.0)
    cut = Rouge().cut_sent
    sentences = [[" ".join(part.split()) for part in cut(text) if part] for text in texts]
    grams = {f"rouge-{n}": rouge_score.rouge_n(*sentences, n)["f"] * 100 for n in (1, 2)}
    # rouge-chinese fills a table of words by words in Python; the length it looks for is the same here.
    flat = [[word for sentence in side for word in sentence.split(" ")] for side in sentences]
    common = _longest_common(*flat)
    return grams | {"rouge-l": rouge_score.f_r_p_rouge_n(len(flat[0]), len(flat[1]), common)["f"] * 100}


def bleu(predict: str, label: str) -> float:
    """BLEU-4 of characters, 0 to 1: NLTK's, with its smoothing method 3."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    return float(sentence_bleu([list(label)], list(predict), smoothing_function=SmoothingFunction().method3))


def words(text: str) -> list[str]:
    """jieba's words of the text. It cuts each run of letters apart from all others, so runs are kept by themselves."""
    import jieba

    _prepare()
    return [word for block in jieba.re_han_default.split(text) if block for word in _block(block)]


@lru_cache(NUM_BLOCKS)
def _block(block: str) -> tuple[str, ...]:
    import jieba

    return tuple(jieba.cut(block))


@cache
def _prepare() -> None:
    """jieba keeps its dictionary in a file that it unmarshals: among our own, not in a folder that all may write."""
    import jieba

    jieba.setLogLevel(logging.WARNING)
    folder = paths.cache() / "jieba"
    folder.mkdir(parents=True, exist_ok=True)
    jieba.dt.tmp_dir = str(folder)


def _longest_common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    from rapidfuzz.distance import LCSseq

    return LCSseq.similarity(ours, theirs)
