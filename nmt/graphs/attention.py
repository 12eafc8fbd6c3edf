"""Attention: where in the source to look.

B sentences, K queries a sentence, N = B · K rows, Tx source positions, M encoder width, H decoder width, A the
width of what is compared.
"""

from typing import NamedTuple

import numpy as np

from nmt.graphs.cells import cannot_export
from nmt.graphs.encoders import Encoded
from nmt.graphs.graph import Graph, Value, int64
from nmt.graphs.linear import linear
from nmt.layers.attention import Attention, GeneralAttention, softmax


class Memory(NamedTuple):
    """What is fixed for a sentence: keys (B, A, Tx), values (B, Tx, H), bias (B, 1, Tx), −∞ at padding.

    words (B, Tx, E): the embedded source, where the head asks for it.
    """

    keys: Value
    values: Value
    bias: Value
    words: Value | None = None


AttentionState = Value | None


def remember(g: Graph, attention: Attention, encoded: Encoded) -> Memory:
    """Return the memory of encoder outputs."""
    bias = g.op("Where", g.op("Unsqueeze", encoded.mask, int64(1)), np.float32(0), np.float32("-inf"))
    match attention:
        case GeneralAttention():
            keys, values = linear(g, encoded.outputs, attention.key), linear(g, encoded.outputs, attention.value)
            return Memory(g.op("Transpose", keys, attributes={"perm": [0, 2, 1]}), values, bias)
        case _:
            raise cannot_export(attention)


def start(g: Graph, attention: Attention, memory: Memory) -> AttentionState:
    """Return the first state (B, Tx), None for an attention without one."""
    return None


def attend(
    g: Graph, attention: Attention, query: Value, memory: Memory, state: AttentionState
) -> tuple[Value, Value, AttentionState]:
    """Return context (N, H), alignment (N, Tx) and the next state for queries (N, H)."""
    match attention:
        case GeneralAttention():
            rows = grouped(g, query, memory)  # (B, K, H)
            scores = g.op("MatMul", rows, memory.keys)
            alignment = normalized(g, attention, g.op("Add", scores, memory.bias))  # (B, K, Tx)
            return flat(g, g.op("MatMul", alignment, memory.values)), flat(g, alignment), None
        case _:
            raise cannot_export(attention)


def normalized(g: Graph, attention: Attention, scores: Value) -> Value:
    """Return scores normalised over the source."""
    if getattr(attention, "normalize", None) is softmax:
        return g.op("Softmax", scores, attributes={"axis": -1})
    raise cannot_export(attention)


def grouped(g: Graph, x: Value, memory: Memory) -> Value:
    """Return rows (N, W) by sentence: (B, K, W)."""
    sentences = g.size(memory.bias, 0)
    width = g.size(x, 1)
    return g.op("Reshape", x, g.concat(sentences, g.constant(int64(-1)), width, axis=0))


def flat(g: Graph, x: Value) -> Value:
    """Return what stands by sentence (B, K, W) as rows (N, W)."""
    return g.op("Reshape", x, g.concat(g.constant(int64(-1)), g.size(x, 2), axis=0))
