"""Texts in, labels out."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from nmt.data.encoded import EncodedSplit
from nmt.data.text import TextEncoder
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
        texts = [line for line in lines if line.strip()]
        split = EncodedSplit.of(self.encoder.encode_batch(texts), [[]] * len(texts))
        found = map(self.labels.decode, predicted(self.model, split, self.tokens_per_batch, self.device))
        return [next(found) if line.strip() else "" for line in lines]
