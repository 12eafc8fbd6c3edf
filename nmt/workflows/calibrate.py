"""A translator and a text with references → how often its words are right, by their log-probability."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.decoding.engine import Engine
from nmt.decoding.translation import Translation
from nmt.decoding.translator import Translator
from nmt.evaluation.calibration import right_words
from nmt.tokenization.preprocessing import preprocessing_of
from nmt.tokenization.tokenizer import Tokenizer


class Judged(NamedTuple):
    """The words of all translations: their log-probabilities (N,), and whether each is right (N,)."""

    log_probs: NDArray[np.float64]
    right: NDArray[np.bool_]


def judge_words(translator: Translator[Engine], sources: Sequence[str], references: Sequence[str]) -> Judged:
    """Translate the sources and judge each word by the reference of its line."""
    plain = replace(translator, confidence=lambda of_words: of_words)
    return Judged(*judged_words(plain.translations(sources, details=True), references, plain.trg_tokenizer))


def judged_words(
    found: Sequence[Translation], references: Sequence[str], tokenizer: Tokenizer
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the confidence in the words of all translations (N,), and whether each is right (N,).

    tokenizer: that of the target, whose preprocessing the references get too.
    """
    confidence: list[float] = []
    right: list[bool] = []
    if preprocessing_of(tokenizer):
        references = [" ".join(tokenizer.words(reference)) for reference in references]
    for translation, reference in zip(found, references, strict=True):
        parts = translation.ranked[0].parts
        right += right_words([word for part in parts for word in part.trg_words], reference)
        confidence += [value for part in parts for value in part.confidence]
    return np.array(confidence, np.float64), np.array(right, np.bool_)
