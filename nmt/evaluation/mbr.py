"""Minimum Bayes risk: of sampled texts, the one that is most like all of them (Eikema & Aziz 2020)."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from nmt.errors import UserError


def least_risk(samples: Sequence[Sequence[str]]) -> list[str]:
    """Return of each row of samples the text with the highest mean chrF against all of them as references.

    Of equally good texts the first is returned. chrF is that of a sentence in fastchrf; raises UserError
    without this package.
    """
    try:
        from fastchrf import pairwise_chrf
    except ImportError as error:
        raise UserError(
            f"--mbr needs a package that is not installed ({error}); pip install 'nmt[mbr]'"
        ) from None
    counts = [Counter(row) for row in samples]
    texts = [list(row) for row in counts]
    scores = pairwise_chrf(texts, texts) if texts else []
    best = []
    for row, count, each in zip(texts, counts, scores, strict=True):
        mean = np.array(each) @ np.array([count[text] for text in row])
        best.append(row[int(mean.argmax())])
    return best
