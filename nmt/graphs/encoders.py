"""Encoders, and the bridge to the decoder.

B sentences, Tx source positions, E embedding, M encoder width, H decoder width.
"""

from typing import NamedTuple, cast

import numpy as np
from torch import nn

from nmt.graphs.cells import sequences
from nmt.graphs.graph import Graph, Value, int64
from nmt.graphs.linear import as_float, embedding, linear, rows_of, zeros
from nmt.graphs.stack import after, before
from nmt.layers.cells import AnyCell
from nmt.layers.encoders import Bridge, RecurrentEncoder


class Encoded(NamedTuple):
    """outputs (B, Tx, M); last (B, M): the last output of each direction; mask (B, Tx): True = real."""

    outputs: Value
    last: Value
    mask: Value


def embed(g: Graph, layer: nn.Embedding, ids: Value) -> Value:
    """Return embedded sources (Tx, B, E) of ids (B, Tx)."""
    return rows_of(g, embedding(g, layer), g.op("Transpose", ids, attributes={"perm": [1, 0]}))


def in_fours(g: Graph, x: Value) -> Value:
    """Return x (B, Tx, …) padded with zeros to a multiple of four positions.

    A product over the source takes four of them at a time and the rest apart: with a rest, how it rounds
    would depend on the neighbours' lengths.
    """
    rest = g.op("Mod", g.op("Neg", g.size(x, 1)), int64(4))
    padded = g.op("Pad", x, g.concat(g.constant(int64(0)), rest, axis=0), None, int64(1))
    return padded.within_one() if x.bounded else padded


def encode(g: Graph, encoder: RecurrentEncoder, x: Value, lengths: Value) -> Encoded:
    """Encode embedded sources (Tx, B, E) of lengths (B,)."""
    for layer, cell in enumerate(encoder.stack.layers):
        inputs = before(g, encoder.stack, layer, x)
        both = [cell, cast("AnyCell", encoder.backward_cells[layer])] if encoder.bidirectional else [cell]
        y = g.concat(*sequences(g, both, inputs, lengths))
        x = after(g, encoder.stack, layer, x, y)  # (Tx, B, M)
    outputs = g.op("Transpose", x, attributes={"perm": [1, 0, 2]})
    outputs = outputs.within_one() if x.bounded else outputs
    positions = g.op("Range", np.int64(0), g.op("Squeeze", g.size(x, 0)), np.int64(1))
    mask = g.op("Less", positions, g.op("Unsqueeze", lengths, int64(1)))  # (B, Tx)
    return Encoded(outputs, _last(g, encoder, x, lengths), mask)


def _last(g: Graph, encoder: RecurrentEncoder, x: Value, lengths: Value) -> Value:
    """Return the output of each direction at the end of its reading (B, M), of x (Tx, B, M)."""
    width = encoder.stack.layers[0].hidden_size
    parts = g.split(x, *[width] * (2 if encoder.bidirectional else 1))
    rows = g.op("Range", np.int64(0), g.op("Squeeze", g.size(lengths, 0)), np.int64(1))
    ends = g.op("Sub", lengths, np.int64(1))
    places = g.concat(*(g.op("Unsqueeze", each, int64(1)) for each in (ends, rows)))  # (B, 2)
    last = [g.op("GatherND", parts[0], places), *(g.op("Gather", part, np.int64(0)) for part in parts[1:])]
    return g.concat(*(each.within_one() if x.bounded else each for each in last))


def bridge(g: Graph, layer: Bridge, encoded: Encoded) -> list[Value]:
    """Return the decoder's first h (B, H) of each layer."""
    if layer.project is None:
        return [zeros(g, g.size(encoded.last, 0), layer.hidden_size)] * layer.layers
    s = encoded.last
    if layer.summary == "mean":
        mask = g.op("Unsqueeze", as_float(g, encoded.mask), int64(2))  # (B, Tx, 1)
        sums = g.op("ReduceSum", g.op("Mul", encoded.outputs, mask), int64(1), attributes={"keepdims": 0})
        s = g.op("Div", sums, g.op("ReduceSum", mask, int64(1), attributes={"keepdims": 0}))
        s = s.within_one() if encoded.outputs.bounded else s
    h = g.op("Tanh", linear(g, s, layer.project)).within_one()
    return g.split(h, *[layer.hidden_size] * layer.layers)
