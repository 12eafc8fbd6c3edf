"""The language of a text, among those that a server's models read: by the letters of the languages."""

import math
from collections.abc import Mapping
from typing import TypedDict

from nmt.data.letters import Letters

# Trigrams are not independent. With this the confidence is calibrated on Tatoeba and news (docs/serving.md).
_SOFTENING = 2.0


class Detected(TypedDict):
    """A language, and the confidence in it from 0 to 100."""

    confidence: float
    language: str


def detect(text: str, languages: Mapping[str, Letters]) -> list[Detected]:
    """Return the languages that the text may be in, the most probable first; their confidences add up to 100.

    In a text without any letters the confidences are 0.
    """
    scores = {code: letters.log_prob(text) / _SOFTENING for code, letters in languages.items()}
    best = max(scores.values())
    odds = {code: math.exp(score - best) for code, score in scores.items()}
    total = sum(odds.values()) / 100 if best else math.inf
    found: list[Detected] = [
        {"confidence": round(each / total, 1), "language": code} for code, each in odds.items()
    ]
    return sorted(found, key=lambda each: -each["confidence"])
