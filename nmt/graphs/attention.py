"""Attention: where in the source to look.

B sentences, K queries a sentence, N = B · K rows, Tx source positions, M encoder width, H decoder width,
A the width of what is compared.
"""

from typing import NamedTuple

import numpy as np

from nmt.errors import CannotExport
from nmt.graphs.encoders import Encoded
from nmt.graphs.graph import Graph, Value, int64
from nmt.graphs.linear import linear, zeros
from nmt.graphs.normalizers import normalizer
from nmt.layers.attention import (
    AdditiveAttention,
    Attention,
    CoverageAttention,
    DotAttention,
    GeneralAttention,
    LocationAttention,
    MultiHeadAttention,
)


class Memory(NamedTuple):
    """What is fixed for a sentence, as a step reads it. Tx is a multiple of four: see `encoders.in_fours`.

    values (B, Tx, H); bias (B, 1, Tx): 0, −∞ at padding; keys of dot, general (B, 1, Tx, A), of additive,
    coverage, location (B, 1, A, Tx). multi_head: keys (B, 1, heads, Tx, A / heads), divided by the root of
    a head's width, values (B, 1, heads, Tx, H / heads), bias (B, 1, 1, 1, Tx); with one head all three are
    those of general attention.
    words (B, Tx, E): the embedded source, where the head asks for it.
    """

    keys: Value
    values: Value
    bias: Value
    words: Value | None = None

    def parts(self) -> list[Value]:
        """Return all that there is, in order."""
        return [each for each in self if each is not None]


AttentionState = Value | None


def build_memory(g: Graph, attention: Attention, encoded: Encoded) -> Memory:
    """Return the memory of encoder outputs."""
    bias = g.op("Where", g.op("Unsqueeze", encoded.mask, int64(1)), np.float32(0), np.float32("-inf"))
    match attention:
        case DotAttention():
            keys = encoded.outputs
        case MultiHeadAttention(heads=1):
            keys = linear(g, encoded.outputs, attention.key)
            keys = g.op("Mul", keys, np.float32(attention.key.out_features**-0.5))
        case MultiHeadAttention(heads=heads):
            width = attention.key.out_features // heads
            keys, values = (
                g.op("Reshape", linear(g, encoded.outputs, layer), int64(0, 0, 1, heads, width))
                for layer in (attention.key, attention.value)
            )
            keys, values = (
                g.op("Transpose", each, attributes={"perm": [0, 2, 3, 1, 4]})
                for each in (g.op("Mul", keys, np.float32(width**-0.5)), values)
            )
            return Memory(keys, values, g.op("Unsqueeze", bias, int64(1, 2)))
        case GeneralAttention():
            keys = linear(g, encoded.outputs, attention.key)
        case AdditiveAttention() | CoverageAttention() | LocationAttention():
            keys = linear(g, encoded.outputs, attention.key)
            keys = g.op("Transpose", keys, attributes={"perm": [0, 2, 1]})
        case _:
            raise CannotExport.of(attention)
    return Memory(g.op("Unsqueeze", keys, int64(1)), linear(g, encoded.outputs, attention.value), bias)


def start(g: Graph, attention: Attention, memory: Memory) -> AttentionState:
    """Return the first state (B, Tx), None for an attention without one."""
    if not attention.stateful:
        return None
    return zeros(g, g.concat(g.size(memory.bias, 0), g.size(memory.bias, -1), axis=0))


def attend(
    g: Graph, attention: Attention, query: Value, memory: Memory, state: AttentionState, beam: Value
) -> tuple[Value, Value, AttentionState]:
    """Return context (N, H), alignment (N, Tx) and the next state for queries (N, H).

    beam: K, as a list of one number.
    """
    match attention:
        case DotAttention() | GeneralAttention():
            scores = _products(g, query, memory, beam, attention.value.out_features)
            return *_weigh(g, attention, g.op("Squeeze", scores, int64(3)), memory), None
        case MultiHeadAttention(heads=heads):
            queries, width = linear(g, query, attention.query), attention.query.out_features // heads
            if heads == 1:
                scores = g.op("Squeeze", _products(g, queries, memory, beam, width), int64(3))
            else:
                scores = _products(g, queries, memory, beam, heads, width)
                scores = g.op("Reshape", scores, int64(0, 0, heads, 1, -1))  # (B, K, heads, 1, Tx)
            context, alignment = _weigh(g, attention, scores, memory)
            return linear(g, context, attention.output), alignment, None
        case AdditiveAttention():
            return *_compare(g, attention, query, memory, beam), None
        case CoverageAttention():
            assert state is not None
            covered = grouped(g, state, beam, 1, g.size(state, 1))
            covered = g.op("Mul", covered, g.array(attention.coverage)[:, None])  # (B, K, A, Tx)
            context, alignment = _compare(g, attention, query, memory, beam, covered)
            return context, alignment, g.op("Add", state, alignment)
        case LocationAttention(query=layer):
            assert state is not None
            found = grouped(g, _filtered(g, attention, state), beam, layer.out_features, g.size(state, 1))
            context, alignment = _compare(g, attention, query, memory, beam, found)
            return context, alignment, alignment
        case _:
            raise CannotExport.of(attention)


def _products(g: Graph, query: Value, memory: Memory, beam: Value, *sizes: int) -> Value:
    """Return the products of each query with the keys: (B, K, …, Tx, 1).

    Each query by itself: a product of K queries at once takes the sum over A in parts that depend on Tx, and
    would round by the neighbours' lengths.
    """
    return g.op("MatMul", memory.keys, grouped(g, query, beam, *sizes, 1))


_Additive = AdditiveAttention | CoverageAttention | LocationAttention
_Any = DotAttention | GeneralAttention | MultiHeadAttention | _Additive


def _weigh(g: Graph, attention: _Any, scores: Value, memory: Memory) -> tuple[Value, Value]:
    """Return context (N, H) and alignment (N, Tx), the mean over heads, of scores (B, K, … Tx)."""
    alignment = normalized(g, attention, g.op("Add", scores, memory.bias))
    context = g.op("MatMul", alignment, memory.values)
    context = g.op("Reshape", context, int64(-1, attention.value.out_features))
    if isinstance(attention, MultiHeadAttention) and attention.heads > 1:
        alignment = g.op("ReduceMean", alignment, int64(2))
    shape = g.concat(g.constant(int64(-1)), g.size(memory.bias, -1), axis=0)
    return context, g.op("Reshape", alignment, shape)


def _compare(
    g: Graph, attention: _Additive, query: Value, memory: Memory, beam: Value, more: Value | None = None
) -> tuple[Value, Value]:
    """Return context (N, H) and alignment (N, Tx) of v · tanh(W q + U k + b + more), more (B, K, A, Tx)."""
    q = grouped(g, linear(g, query, attention.query), beam, attention.query.out_features, 1)
    compared = g.op("Add", q, memory.keys)
    compared = compared if more is None else g.op("Add", compared, more)
    scores = g.op("MatMul", g.array(attention.score.weight), g.op("Tanh", compared))  # (B, K, 1, Tx)
    return _weigh(g, attention, g.op("Squeeze", scores, int64(2)), memory)


def _filtered(g: Graph, attention: LocationAttention, alignment: Value) -> Value:
    """Return U (F ∗ α) of alignments (N, Tx): (N, A, Tx), by the filters U F."""
    filters, size = attention.filter.weight.detach(), attention.filter.kernel_size[0]
    joined = (attention.location.weight.detach() @ filters.squeeze(1)).unsqueeze(1)  # (A, 1, width)
    pads = {"pads": [size // 2, size // 2]}
    return g.op("Conv", g.op("Unsqueeze", alignment, int64(1)), g.array(joined), attributes=pads)


def normalized(g: Graph, attention: Attention, scores: Value) -> Value:
    """Return scores normalised over the source."""
    normalize = normalizer(getattr(attention, "normalize", None))
    if normalize is None:
        raise CannotExport.of(attention)
    return normalize(g, scores)


def grouped(g: Graph, x: Value, beam: Value, *sizes: int | Value) -> Value:
    """Return rows (N, …) by sentence, with the given sizes behind them: (B, K, …).

    A size that is a value is a list of one number.
    """
    parts = [size if isinstance(size, Value) else g.constant(int64(size)) for size in sizes]
    return g.op("Reshape", x, g.concat(g.constant(int64(-1)), beam, *parts, axis=0))
