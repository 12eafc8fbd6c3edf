"""A translator and a text with references → how often its words are right, by their log-probability."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.decoding.engine import Engine
from nmt.decoding.translator import Translator
from nmt.evaluation.calibration import right_words
from nmt.tokenization.preprocessing import preprocessing_of


class Judged(NamedTuple):
    """The words of all translations: their log-probabilities (N,), and whether each is right (N,)."""

    log_probs: NDArray[np.float64]
    right: NDArray[np.bool_]


def judge_words(translator: Translator[Engine], sources: Sequence[str], references: Sequence[str]) -> Judged:
    """Translate the sources and judge each word by the reference of its line."""
    log_probs: list[float] = []
    right: list[bool] = []
    plain = replace(translator, confidence=lambda of_words: of_words)
    found = plain.translations(sources, details=True)
    if preprocessing_of(translator.trg_tokenizer):
        references = [" ".join(translator.trg_tokenizer.words(reference)) for reference in references]
    for translation, reference in zip(found, references, strict=True):
        parts = translation.ranked[0].parts
        right += right_words([word for part in parts for word in part.trg_words], reference)
        log_probs += [value for part in parts for value in part.confidence]
    return Judged(np.array(log_probs, np.float64), np.array(right, np.bool_))
