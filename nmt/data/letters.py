"""The letters of a language: which three stand together most often, by which a text's language is found."""

import math
import re
from collections import Counter
from collections.abc import Iterable

KEPT = 1_000  # trigrams of a language
_WORD = re.compile(r"[^\W\d_]+")


def trigrams(text: str) -> list[str]:
    """Return all trigrams of a text's words, in lower case; a space stands before and behind a word."""
    words = (f" {word} " for word in _WORD.findall(text.lower()))
    return [word[i : i + 3] for word in words for i in range(len(word) - 2)]


def common_trigrams(texts: Iterable[str]) -> str:
    """Return the most common trigrams of some texts, the most common first, one directly behind the other."""
    counts = Counter(found for text in texts for found in trigrams(text))
    ordered = sorted(counts, key=lambda found: (-counts[found], found))
    return "".join(found for found in ordered[:KEPT] if len(found) == 3)


class Letters:
    """What `common_trigrams` says of a language; raises ValueError for what it never says.

    A trigram's probability is about 1 / rank (Zipf), of those that are not there a third of the last one's.
    """

    def __init__(self, common: str) -> None:
        found = [common[i : i + 3] for i in range(0, len(common), 3)]
        if len(common) % 3 or len(found) > KEPT or len({*found}) < len(found):
            raise ValueError(f"letters: Input should be up to {KEPT} trigrams, each once")
        self._ranks = {each: rank for rank, each in enumerate(found)}

    def log_prob(self, text: str) -> float:
        """Return the log-probability of a text's trigrams, up to a number that all languages share."""
        return -sum(math.log(self._ranks.get(each, 3 * KEPT) + 2) for each in trigrams(text))
