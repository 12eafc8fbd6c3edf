"""Attention: where in the source to look.

B sentences, K queries a sentence, N = B · K rows, Tx source positions, M encoder width, H decoder width, A
the width of what is compared.
"""

from typing import NamedTuple

import numpy as np

from nmt.errors import CannotExport
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

    def parts(self) -> list[Value]:
        """Return all that there is, in order."""
        return [each for each in self if each is not None]


AttentionState = Value | None


def remember(g: Graph, attention: Attention, encoded: Encoded) -> Memory:
    """Return the memory of encoder outputs."""
    bias = g.op("Where", g.op("Unsqueeze", encoded.mask, int64(1)), np.float32(0), np.float32("-inf"))
    match attention:
        case GeneralAttention():
            keys, values = (
                linear(g, encoded.outputs, attention.key),
                linear(g, encoded.outputs, attention.value),
            )
            return Memory(g.op("Transpose", keys, attributes={"perm": [0, 2, 1]}), values, bias)
        case _:
            raise CannotExport.of(attention)


def start(g: Graph, attention: Attention, memory: Memory) -> AttentionState:
    """Return the first state (B, Tx), None for an attention without one."""
    return None


def attend(
    g: Graph, attention: Attention, query: Value, memory: Memory, state: AttentionState, beam: Value
) -> tuple[Value, Value, AttentionState]:
    """Return context (N, H), alignment (N, Tx) and the next state for queries (N, H).

    beam: K, as a list of one number.
    """
    match attention:
        case GeneralAttention():
            width = attention.value.out_features
            scores = g.op("MatMul", grouped(g, query, beam, width), memory.keys)
            alignment = normalized(g, attention, g.op("Add", scores, memory.bias))  # (B, K, Tx)
            context = g.op("Reshape", g.op("MatMul", alignment, memory.values), int64(-1, width))
            return context, flat(g, alignment), None
        case _:
            raise CannotExport.of(attention)


def normalized(g: Graph, attention: Attention, scores: Value) -> Value:
    """Return scores normalised over the source."""
    if getattr(attention, "normalize", None) is softmax:
        return g.op("Softmax", scores, attributes={"axis": -1})
    raise CannotExport.of(attention)


def grouped(g: Graph, x: Value, beam: Value, *sizes: int) -> Value:
    """Return rows (N, W) by sentence, with the given sizes in place of W: (B, K, …)."""
    shape = g.concat(g.constant(int64(-1)), beam, g.constant(int64(*sizes)), axis=0)
    return g.op("Reshape", x, shape)


def flat(g: Graph, alignment: Value) -> Value:
    """Return an alignment by sentence (B, K, Tx) as rows (N, Tx)."""
    shape = g.concat(g.constant(int64(-1)), g.size(alignment, 2), axis=0)
    return g.op("Reshape", alignment, shape)
