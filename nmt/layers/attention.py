"""Attention: where in the source to look, given the decoder's output.

B sentences, K queries a sentence and step, Tx source positions, M encoder width, H decoder width, A the width
of what is compared.
Every attention returns a context of the decoder's width: the values are projected once for a sentence,
which equals projecting the context at each step (Luong 2015, eq. 5: W_c [c; h] = W_c1 c + W_c2 h).
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from nmt.layers.activations import mean, tanh
from nmt.shapes import Bool, Float

Scores = Float[Tensor, "*rows Tx"]
Normalize = Callable[[Scores], Scores]  # scores, −∞ at padding → weights that sum to one

Query = Float[Tensor, "B K H"]
Context = Float[Tensor, "B K H"]
Alignment = Float[Tensor, "B K Tx"]


class Memory(NamedTuple):
    """What is fixed for a sentence. mask: True = a real token.

    With heads, keys and values have one more dimension, and A and H are the width of a head. words: the
    embedded source, where the head asks for it.
    """

    keys: Float[Tensor, "B *heads Tx A"]
    values: Float[Tensor, "B *heads Tx H"]
    mask: Bool[Tensor, "B Tx"]
    words: Float[Tensor, "B Tx E"] | None = None


class Attention(Protocol):
    """A map from queries, memory and a state to contexts and an alignment.

    stateful: it has a state from step to step, so the queries of a sentence must come one after the other.
    """

    stateful: bool

    def build_memory(self, encoded: Float[Tensor, "B Tx M"], mask: Bool[Tensor, "B Tx"]) -> Memory:
        """Return the memory of encoder outputs."""

    def start(self, memory: Memory) -> Any:
        """Return the first state (B rows), None for an attention without one."""

    def __call__(self, query: Query, memory: Memory, state: Any) -> tuple[Context, Alignment, Any]:
        """Return the contexts and the alignment of queries, and the next state.

        Each row of the alignment sums to one over the real tokens. The K queries of a sentence are of K
        hypotheses, each with its own row of the state (B · K rows); without a state they may as well be
        those of all steps.
        """

    def penalty(self, alignment: Float[Tensor, "B Ty Tx"], mask: Bool[Tensor, "B Ty"]) -> Float[Tensor, ""]:
        """Return the auxiliary loss, a sum, of the alignments at the real targets, which the mask says."""


def softmax(scores: Scores) -> Scores:
    """Return the softmax over the source."""
    return scores.softmax(dim=-1)


def sparsemax(scores: Scores) -> Scores:
    """Return the nearest point of the simplex to the scores: Martins & Astudillo 2016, eq. 1."""
    import entmax  # an extra

    weights: Tensor = entmax.sparsemax(_wide(scores), dim=-1)
    return weights.to(scores.dtype)


def entmax15(scores: Scores) -> Scores:
    """Return the 1.5-entmax of the scores, between softmax and sparsemax: Peters et al. 2019, eq. 10."""
    import entmax  # an extra

    weights: Tensor = entmax.entmax15(_wide(scores), dim=-1)
    return weights.to(scores.dtype)


def _wide(x: Tensor) -> Tensor:
    """Return x in float32 at least: sums over the source lose too much in less."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _Attention(nn.Module):
    """What all attentions have in common; by default without a state and without an auxiliary loss."""

    stateful = False

    def __init__(self, normalize: Normalize) -> None:
        super().__init__()
        self.normalize = normalize

    def start(self, memory: Memory) -> Any:
        """Return None."""
        return None

    def penalty(self, alignment: Float[Tensor, "B Ty Tx"], mask: Bool[Tensor, "B Ty"]) -> Float[Tensor, ""]:
        """Return 0."""
        return alignment.new_zeros(())

    def _align(
        self, scores: Float[Tensor, "B *rows Tx"], mask: Bool[Tensor, "B Tx"]
    ) -> Float[Tensor, "B *rows Tx"]:
        """Return scores normalised over the real tokens, exactly 0 at the others."""
        mask = mask.view(mask.shape[0], *[1] * (scores.ndim - 2), mask.shape[1])
        return self.normalize(scores.masked_fill(~mask, float("-inf")))


class DotAttention(_Attention):
    """Luong 2015, eq. 8 (dot): score = q · k, with the encoder's outputs as keys."""

    def __init__(self, memory_size: int, query_size: int, *, normalize: Normalize = softmax) -> None:
        super().__init__(normalize)
        if memory_size != query_size:
            raise ValueError(f"dot attention needs equal widths, found {memory_size} and {query_size}")
        self.value = nn.Linear(memory_size, query_size, bias=False)

    def build_memory(self, encoded: Float[Tensor, "B Tx M"], mask: Bool[Tensor, "B Tx"]) -> Memory:
        """Return the encoder's outputs as keys and their projection as values."""
        return Memory(encoded, self.value(encoded), mask)

    def forward(self, query: Query, memory: Memory, state: None) -> tuple[Context, Alignment, None]:
        """Return contexts and alignment."""
        alignment = self._align(torch.matmul(query, memory.keys.mT), memory.mask)
        return torch.matmul(alignment, memory.values), alignment, None


class GeneralAttention(_Attention):
    """Luong 2015, eq. 8 (general): score = q · W k; W k is taken once for a sentence."""

    def __init__(self, memory_size: int, query_size: int, *, normalize: Normalize = softmax) -> None:
        super().__init__(normalize)
        self.key = nn.Linear(memory_size, query_size, bias=False)
        self.value = nn.Linear(memory_size, query_size, bias=False)

    def build_memory(self, encoded: Float[Tensor, "B Tx M"], mask: Bool[Tensor, "B Tx"]) -> Memory:
        """Return projected keys and values."""
        return Memory(self.key(encoded), self.value(encoded), mask)

    def forward(self, query: Query, memory: Memory, state: None) -> tuple[Context, Alignment, None]:
        """Return contexts and alignment."""
        alignment = self._align(torch.matmul(query, memory.keys.mT), memory.mask)
        return torch.matmul(alignment, memory.values), alignment, None


class _Additive(_Attention):
    """What is compared by v · tanh(W q + U k + …); U k is taken once for a sentence."""

    def __init__(
        self, memory_size: int, query_size: int, size: int, normalize: Normalize, *, bias: bool = False
    ) -> None:
        super().__init__(normalize)
        self.query = nn.Linear(query_size, size, bias=bias)
        if bias:
            nn.init.zeros_(self.query.bias)
        self.key = nn.Linear(memory_size, size, bias=False)
        self.value = nn.Linear(memory_size, query_size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)

    def build_memory(self, encoded: Float[Tensor, "B Tx M"], mask: Bool[Tensor, "B Tx"]) -> Memory:
        """Return projected keys and values."""
        return Memory(self.key(encoded), self.value(encoded), mask)

    def _sum(self, query: Query, memory: Memory) -> Float[Tensor, "B K Tx A"]:
        """Return W q + U k, with the bias where there is one."""
        compared: Tensor = self.query(query).unsqueeze(2) + memory.keys.unsqueeze(1)
        return compared

    def _weigh(self, compared: Float[Tensor, "B K Tx A"], memory: Memory) -> tuple[Context, Alignment]:
        """Return contexts and alignment of what is compared."""
        alignment = self._align(self.score(tanh(compared)).squeeze(-1), memory.mask)
        return torch.matmul(alignment, memory.values), alignment


class AdditiveAttention(_Additive):
    """Bahdanau 2015, appendix A.1.2: score = v · tanh(W q + U k)."""

    def __init__(
        self, memory_size: int, query_size: int, size: int, *, normalize: Normalize = softmax
    ) -> None:
        super().__init__(memory_size, query_size, size, normalize)

    def forward(self, query: Query, memory: Memory, state: None) -> tuple[Context, Alignment, None]:
        """Return contexts and alignment."""
        return *self._weigh(self._sum(query, memory), memory), None


class CoverageAttention(_Additive):
    """See et al. 2017, eq. 10–13: score = v · tanh(W q + U k + w c + b), c = Σ of the alignments before.

    Tu et al. 2016, §3.1, in its simplest form: the coverage of a source token is one number, without
    fertility. The auxiliary loss is `weight` · Σ_t Σ_i min(α_ti, c_ti): looking again where it has looked.
    w and b begin at 0, as additive attention.
    """

    stateful = True

    def __init__(
        self,
        memory_size: int,
        query_size: int,
        size: int,
        *,
        weight: float,
        normalize: Normalize = softmax,
    ) -> None:
        super().__init__(memory_size, query_size, size, normalize, bias=True)
        self.weight = weight
        self.coverage = nn.Parameter(torch.zeros(size))

    def start(self, memory: Memory) -> Float[Tensor, "B Tx"]:
        """Return the first coverage: none."""
        return _nowhere(memory)

    def forward(
        self, query: Query, memory: Memory, state: Float[Tensor, "B*K Tx"]
    ) -> tuple[Context, Alignment, Float[Tensor, "B*K Tx"]]:
        """Return contexts, alignment and the coverage after."""
        covered = state.view(*query.shape[:2], -1, 1)  # (B, K, Tx, 1)
        context, alignment = self._weigh(self._sum(query, memory) + covered * self.coverage, memory)
        return context, alignment, state + alignment.flatten(0, 1)

    def penalty(self, alignment: Float[Tensor, "B Ty Tx"], mask: Bool[Tensor, "B Ty"]) -> Float[Tensor, ""]:
        """Return weight · Σ min(α, c) over the real targets."""
        alignment = _wide(alignment)
        again = torch.minimum(alignment, alignment.cumsum(dim=1) - alignment).sum(dim=-1)  # (B, Ty)
        return self.weight * again.masked_fill(~mask, 0.0).sum()


class LocationAttention(_Additive):
    """Chorowski et al. 2015, eq. 8 and 9: score = v · tanh(W q + V k + U f + b), f = F ∗ α of the last step.

    F are `filters` filters over `width` source positions, an odd number, centred; at first α is 0.
    V k is taken once for a sentence.
    """

    stateful = True

    def __init__(
        self,
        memory_size: int,
        query_size: int,
        size: int,
        *,
        filters: int,
        width: int,
        normalize: Normalize = softmax,
    ) -> None:
        if width % 2 == 0:
            raise ValueError(f"a filter has a middle, so its width is odd; found {width}")
        super().__init__(memory_size, query_size, size, normalize, bias=True)
        self.filter = nn.Conv1d(1, filters, width, padding=width // 2, bias=False)
        self.location = nn.Linear(filters, size, bias=False)

    def start(self, memory: Memory) -> Float[Tensor, "B Tx"]:
        """Return the alignment before the first: nowhere."""
        return _nowhere(memory)

    def forward(
        self, query: Query, memory: Memory, state: Float[Tensor, "B*K Tx"]
    ) -> tuple[Context, Alignment, Float[Tensor, "B*K Tx"]]:
        """Return contexts, alignment and the same as the next state."""
        where = self.location(self.filter(state.unsqueeze(1)).mT)  # (B · K, Tx, A)
        compared = self._sum(query, memory) + where.view(*query.shape[:2], *where.shape[1:])
        context, alignment = self._weigh(compared, memory)
        return context, alignment, alignment.flatten(0, 1)


def _nowhere(memory: Memory) -> Float[Tensor, "B Tx"]:
    """Return zeros, in float32 at least."""
    return _wide(memory.keys.new_zeros(memory.mask.shape))


class MultiHeadAttention(_Attention):
    """Vaswani 2017, §3.2.2: heads of scaled dot products side by side; the alignment is their mean."""

    def __init__(
        self, memory_size: int, query_size: int, heads: int, *, normalize: Normalize = softmax
    ) -> None:
        super().__init__(normalize)
        if query_size % heads:
            raise ValueError(f"{heads} heads do not divide the width {query_size}")
        self.heads = heads
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.key = nn.Linear(memory_size, query_size, bias=False)
        self.value = nn.Linear(memory_size, query_size, bias=False)
        self.output = nn.Linear(query_size, query_size, bias=False)

    def build_memory(self, encoded: Float[Tensor, "B Tx M"], mask: Bool[Tensor, "B Tx"]) -> Memory:
        """Return projected keys and values."""
        return Memory(self._split(self.key(encoded)), self._split(self.value(encoded)), mask)

    def forward(self, query: Query, memory: Memory, state: None) -> tuple[Context, Alignment, None]:
        """Return contexts and alignment."""
        q = self._split(self.query(query))
        scores = torch.matmul(q * q.shape[-1] ** -0.5, memory.keys.mT)  # (B, heads, K, Tx)
        alignment = self._align(scores, memory.mask)
        context = torch.matmul(alignment, memory.values).transpose(1, 2).flatten(2)  # (B, K, H)
        return self.output(context), mean(alignment.unbind(1)), None

    def _split(self, x: Float[Tensor, "B T H"]) -> Float[Tensor, "B heads T W"]:
        return x.view(*x.shape[:-1], self.heads, -1).transpose(1, 2)
