"""Heads: features become logits over the target vocabulary."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PlainHead(nn.Module):
    """logits = W f + b with a matrix of its own."""

    def __init__(self, feature_size: int, vocabulary_size: int) -> None:
        super().__init__()
        self.output = nn.Linear(feature_size, vocabulary_size)

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (…, V) for features (…, H)."""
        logits: Tensor = self.output(features)
        return logits


class TiedHead(nn.Module):
    """logits = E (P f) + b, where E is the target embedding (Press & Wolf 2017)."""

    def __init__(self, feature_size: int, embedding: nn.Embedding) -> None:
        super().__init__()
        self.project = nn.Linear(feature_size, embedding.embedding_dim, bias=False)
        self.weight = embedding.weight
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (…, V) for features (…, H)."""
        return F.linear(self.project(features), self.weight, self.bias)
