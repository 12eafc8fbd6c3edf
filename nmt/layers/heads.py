"""Heads: features become logits over the target vocabulary.

B sentences, Tx source and Ty target positions, N = B · K rows in a step, E embedding, H feature width, F
width of what the head is called with, V vocabulary.
"""

import torch
from torch import Tensor, nn

from nmt.layers.initialization import empty_linear
from nmt.shapes import Float


class Head(nn.Module):
    """A map from features to logits; by default it needs nothing of the source."""

    def build_memory(self, embedded: Float[Tensor, "B Tx E"]) -> Float[Tensor, "B Tx E"] | None:
        """Return the part of the embedded source to keep in the memory, or None."""
        return None

    def join(
        self,
        features: Float[Tensor, "*rows H"],
        alignment: Float[Tensor, "*rows Tx"],
        words: Float[Tensor, "B Tx E"] | None,
    ) -> Float[Tensor, "*rows F"]:
        """Return what the head is called with, from the decoder's output of all positions or of one a row.

        words: what the memory kept.
        """
        return features


class PlainHead(Head):
    """logits = W f + b with a matrix of its own."""

    def __init__(self, feature_size: int, vocabulary_size: int) -> None:
        super().__init__()
        self.output = nn.Linear(feature_size, vocabulary_size)

    def forward(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        """Return logits."""
        logits: Tensor = self.output(features)
        return logits


class TiedHead(Head):
    """logits = E (P f) + b, where E is the target embedding (Press & Wolf 2017)."""

    def __init__(self, feature_size: int, embedding: nn.Embedding) -> None:
        super().__init__()
        self.output = empty_linear(embedding.embedding_dim, embedding.num_embeddings, bias=True)
        self.output.weight = embedding.weight
        nn.init.zeros_(self.output.bias)
        self.project = nn.Linear(feature_size, embedding.embedding_dim, bias=False)

    def forward(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        """Return logits."""
        logits: Tensor = self.output(self.project(features))
        return logits


class LexicalHead(Head):
    """Nguyen & Chiang 2018, §4: a plain head's logits + W_ℓ h_ℓ, with h_ℓ = tanh(W ℓ) + ℓ.

    ℓ = tanh(Σ_s α_s f_s) is the mean source embedding by the alignment: a target word may come from the
    source word alone, whatever the decoder's context suggests. The paper's two biases are the plain head's.
    """

    def __init__(self, plain: Head, feature_size: int, embedding_size: int, vocabulary_size: int) -> None:
        super().__init__()
        self.sizes = [feature_size, embedding_size]
        self.plain = plain
        self.hidden = nn.Linear(embedding_size, embedding_size, bias=False)
        self.lexical = nn.Linear(embedding_size, vocabulary_size, bias=False)

    def build_memory(self, embedded: Float[Tensor, "B Tx E"]) -> Float[Tensor, "B Tx E"]:
        """Return the embedded source."""
        return embedded

    def join(
        self,
        features: Float[Tensor, "*rows H"],
        alignment: Float[Tensor, "*rows Tx"],
        words: Float[Tensor, "B Tx E"] | None,
    ) -> Float[Tensor, "*rows H+E"]:
        """Return features beside Σ_s α_s f_s."""
        assert words is not None
        rows = alignment.view(words.shape[0], -1, words.shape[1])  # (B, Ty or K, Tx)
        attended = torch.matmul(rows.to(words.dtype), words)  # (B, Ty or K, E)
        return torch.cat([features, attended.view(*features.shape[:-1], -1)], dim=-1)

    def forward(self, features: Float[Tensor, "*rows F"]) -> Float[Tensor, "*rows V"]:
        """Return logits for what `join` returns."""
        h, attended = features.split(self.sizes, dim=-1)
        word = torch.tanh(attended)
        logits: Tensor = self.plain(h) + self.lexical(torch.tanh(self.hidden(word)) + word)
        return logits
