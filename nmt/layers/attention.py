"""Attention: where in the source to look, given the decoder's output.

B sentences, K queries a sentence and step, Tx source positions, M encoder width, H decoder width.
Every attention returns a context of the decoder's width: the values are projected once for a sentence,
which equals projecting the context at each step (Luong 2015, eq. 5: W_c [c; h] = W_c1 c + W_c2 h).
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn


class Memory(NamedTuple):
    """What is fixed for a sentence: keys (B, Tx, A), values (B, Tx, H), mask (B, Tx), True = a real token.

    With heads, keys and values are (B, heads, Tx, width of a head).
    """

    keys: Tensor
    values: Tensor
    mask: Tensor


class Attention(Protocol):
    """A map from queries and memory to contexts and an alignment."""

    def remember(self, encoded: Tensor, mask: Tensor) -> Memory:
        """Return the memory of encoder outputs (B, Tx, M)."""

    def __call__(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return contexts (B, K, H) and the alignment (B, K, Tx) for queries (B, K, H).

        Each row of the alignment sums to one over the real tokens.
        """


def _normalise(scores: Tensor, mask: Tensor) -> Tensor:
    """Return the softmax of scores (B, …, Tx) over the real tokens."""
    mask = mask.view(mask.shape[0], *[1] * (scores.ndim - 2), mask.shape[1])
    return scores.masked_fill(~mask, float("-inf")).softmax(dim=-1)


class DotAttention(nn.Module):
    """Luong 2015, eq. 8 (dot): score = q · k, with the encoder's outputs as keys."""

    def __init__(self, memory_size: int, query_size: int) -> None:
        super().__init__()
        if memory_size != query_size:
            raise ValueError(f"dot attention needs equal widths, found {memory_size} and {query_size}")
        self.value = nn.Linear(memory_size, query_size, bias=False)

    def remember(self, encoded: Tensor, mask: Tensor) -> Memory:
        """Return the encoder's outputs as keys and their projection as values."""
        return Memory(encoded, self.value(encoded), mask)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return contexts (B, K, H) and alignment (B, K, Tx)."""
        alignment = _normalise(torch.matmul(query, memory.keys.mT), memory.mask)
        return torch.matmul(alignment, memory.values), alignment


class GeneralAttention(nn.Module):
    """Luong 2015, eq. 8 (general): score = q · W k; W k is taken once for a sentence."""

    def __init__(self, memory_size: int, query_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(memory_size, query_size, bias=False)
        self.value = nn.Linear(memory_size, query_size, bias=False)

    def remember(self, encoded: Tensor, mask: Tensor) -> Memory:
        """Return projected keys and values."""
        return Memory(self.key(encoded), self.value(encoded), mask)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return contexts (B, K, H) and alignment (B, K, Tx)."""
        alignment = _normalise(torch.matmul(query, memory.keys.mT), memory.mask)
        return torch.matmul(alignment, memory.values), alignment


class AdditiveAttention(nn.Module):
    """Bahdanau 2015, appendix A.1.2: score = v · tanh(W q + U k); U k is taken once for a sentence."""

    def __init__(self, memory_size: int, query_size: int, size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, size, bias=False)
        self.key = nn.Linear(memory_size, size, bias=False)
        self.value = nn.Linear(memory_size, query_size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)

    def remember(self, encoded: Tensor, mask: Tensor) -> Memory:
        """Return projected keys and values."""
        return Memory(self.key(encoded), self.value(encoded), mask)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return contexts (B, K, H) and alignment (B, K, Tx)."""
        compared = torch.tanh(self.query(query).unsqueeze(2) + memory.keys.unsqueeze(1))  # (B, K, Tx, A)
        alignment = _normalise(self.score(compared).squeeze(-1), memory.mask)  # (B, K, Tx)
        return torch.matmul(alignment, memory.values), alignment


class MultiHeadAttention(nn.Module):
    """Vaswani 2017, §3.2.2: heads of scaled dot products side by side; the alignment is their mean."""

    def __init__(self, memory_size: int, query_size: int, heads: int) -> None:
        super().__init__()
        if query_size % heads:
            raise ValueError(f"{heads} heads do not divide the width {query_size}")
        self.heads = heads
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.key = nn.Linear(memory_size, query_size, bias=False)
        self.value = nn.Linear(memory_size, query_size, bias=False)
        self.output = nn.Linear(query_size, query_size, bias=False)

    def remember(self, encoded: Tensor, mask: Tensor) -> Memory:
        """Return projected keys and values."""
        return Memory(self._split(self.key(encoded)), self._split(self.value(encoded)), mask)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return contexts (B, K, H) and alignment (B, K, Tx)."""
        q = self._split(self.query(query))
        scores = torch.matmul(q * q.shape[-1] ** -0.5, memory.keys.mT)  # (B, heads, K, Tx)
        alignment = _normalise(scores, memory.mask)
        context = torch.matmul(alignment, memory.values).transpose(1, 2).flatten(2)  # (B, K, H)
        return self.output(context), alignment.mean(dim=1)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.heads, -1).transpose(1, 2)  # (B, heads, T, H / heads)
