"""Put source words in the place of `<unk>`, which models of words write for what they do not know."""

from collections.abc import Sequence

import numpy as np

from nmt.evaluation.alignment import Matrix
from nmt.tokenization.vocabulary import SPECIALS, UNK

MARK = SPECIALS[UNK]


def replace_unknown(
    text: str, ids: Sequence[int], attention: Matrix, words: Sequence[str], starts: Sequence[bool]
) -> str:
    """Return a text of words with each `<unk>` replaced by the source word that it looked at most.

    Luong et al. 2015b ("Addressing the Rare Word Problem") and Jean et al. 2015, 3.3, without a dictionary.
    attention: (Ty, Tx), with at least a row for each of the ids and a column for each of the starts. words,
    starts: the source words, and whether one begins at a source token. A text in which the words cannot be
    told apart is returned as it is.
    """
    found, unknown = text.split(" "), [t for t, i in enumerate(ids) if i == UNK]
    of_token = np.maximum(np.cumsum(starts) - 1, 0)
    if not len(of_token) or of_token[-1] != len(words) - 1 or found.count(MARK) != len(unknown):
        return text
    looked = iter(words[of_token[int(attention[t, : len(starts)].argmax())]] for t in unknown)
    return " ".join(next(looked) if word == MARK else word for word in found)
