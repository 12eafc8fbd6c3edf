"""Texts in, labels out, in torch."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from nmt.data.encoded import EncodedSplit
from nmt.data.text import TextEncoder
from nmt.decoding.label_text import label_lines
from nmt.models import Tagger
from nmt.tasks.labeling import predicted
from nmt.tokenization.tokenizer import Tokenizer


class Labeller(NamedTuple):
    """A classifier or tagger in evaluation mode and what belongs to it."""

    model: Tagger
    encoder: TextEncoder
    labels: Tokenizer
    tokens_per_batch: int
    device: torch.device

    def label(self, lines: Sequence[str]) -> list[str]:
        """Return the label of each line, or those of its words between spaces; of a blank line none."""
        return label_lines(lines, self.encoder, self.labels, self.predicted)

    def predicted(self, rows: Sequence[list[int]]) -> list[list[int]]:
        """Return the ids of the labels of texts, whose ids lack </s>."""
        split = EncodedSplit.of(rows, [[]] * len(rows))
        return predicted(self.model, split, self.tokens_per_batch, self.device)
