"""How alike two texts are, from 0 to 1, in the measures that OpenAI's text_similarity grader names.

Words are lower-cased runs of letters and digits, single kana or Han characters, except for fuzzy_match, which compares
characters, and bleu, which has sacrebleu's own.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from rapidfuzz.fuzz import WRatio
from sacrebleu.metrics.bleu import BLEU

from whet.scorers._rouge import rouge
from whet.scorers._text import words

_BLEU = BLEU(effective_order=True)  # n-grams of 1 to 4 words, as far as the text has them
LONGEST_GRAM = 4


def fuzzy_match(said: str, reference: str) -> float:
    """Return rapidfuzz's weighted ratio: the best of several ways to align characters and words."""
    return float(WRatio(said, reference)) / 100


def bleu(said: str, reference: str) -> float:
    """Return sacrebleu's sentence BLEU (Papineni et al. 2002) over 100."""
    return min(max(float(_BLEU.sentence_score(said, [reference]).score) / 100, 0.0), 1.0)


def gleu(said: str, reference: str) -> float:
    """Return the lesser of precision and recall over all runs of 1 to 4 words.

    Source: Wu et al. 2016, arXiv:1609.08144, section 4.
    """
    one, other = _grams(words(said)), _grams(words(reference))
    most = max(one.total(), other.total())
    return (one & other).total() / most if most else float(said.strip() == reference.strip())


def rouge_f(kind: str, said: str, reference: str) -> float:
    """Return the F-measure of ROUGE (Lin 2004), without stemming."""
    return float(rouge(kind, reference, said).fmeasure)


def meteor(said: str, reference: str) -> float:
    """Return METEOR: matched words, recall counting nine times as much as precision, less a penalty for their order.

    Words match that are equal or have one stem (Porter); synonyms, the third stage, would need WordNet and are not
    looked up. Each word is matched to the place after its predecessor's where it can be, which is the alignment with
    the fewest chunks unless words stand in it several times.

    Source: Banerjee and Lavie 2005, "METEOR: An Automatic Metric for MT Evaluation with Improved Correlation with Human
    Judgments", section 2.
    """
    mine, wanted = words(said), words(reference)
    if not mine or not wanted:
        return float(said.strip() == reference.strip())
    found: dict[int, int] = {}
    for form in (str, _stem):
        _match(list(map(form, mine)), list(map(form, wanted)), found)
    if not found:
        return 0.0
    precision, recall = len(found) / len(mine), len(found) / len(wanted)
    mean = 10 * precision * recall / (recall + 9 * precision)
    chunks = sum(found.get(at - 1, -2) + 1 != place for at, place in found.items())
    return mean * (1 - 0.5 * (chunks / len(found)) ** 3)


def _match(mine: list[str], wanted: list[str], found: dict[int, int]) -> None:
    """Add to `found` (place: place) every word that has an equal one which is free."""
    taken = set(found.values())
    free: dict[str, list[int]] = {}
    for at, word in enumerate(wanted):
        if at not in taken:
            free.setdefault(word, []).append(at)
    for at, word in enumerate(mine):
        if at in found or not (places := free.get(word)):
            continue
        after = found.get(at - 1, -2) + 1
        place = after if after in places else places[0]
        places.remove(place)
        found[at] = place


def _grams(said: list[str]) -> Counter[tuple[str, ...]]:
    lengths = range(1, LONGEST_GRAM + 1)
    return Counter(tuple(said[at : at + many]) for many in lengths for at in range(len(said) - many + 1))


@cache
def _porter() -> Any:
    from nltk.stem.porter import PorterStemmer  # noqa: PLC0415 - takes a second; comes with rouge_score

    return PorterStemmer()


def _stem(word: str) -> str:
    return str(_porter().stem(word))


MEASURES: Mapping[str, Callable[[str, str], float]] = {
    "fuzzy_match": fuzzy_match, "bleu": bleu, "gleu": gleu, "meteor": meteor, "rouge_l": partial(rouge_f, "rougeL"),
    **{f"rouge_{many}": partial(rouge_f, f"rouge{many}") for many in range(1, 6)},
}  # fmt: skip
"""By the name that a grader gives it; called with the text and what it is compared with."""
