"""Lines in, labels as text out, whatever predicts them. Needs no torch."""

from collections.abc import Callable, Sequence

from nmt.data.text import TextEncoder
from nmt.tokenization.tokenizer import Tokenizer

Predict = Callable[[Sequence[list[int]]], list[list[int]]]


def label_lines(lines: Sequence[str], encoder: TextEncoder, labels: Tokenizer, predict: Predict) -> list[str]:
    """Return the label of each line, or those of its words between spaces; of a blank line none.

    predict: ids of texts without </s> → ids of their labels.
    """
    texts = [line for line in lines if line.strip()]
    found = map(labels.decode, predict(encoder.encode_batch(texts)))
    return [next(found) if line.strip() else "" for line in lines]
