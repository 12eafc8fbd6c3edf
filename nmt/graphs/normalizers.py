"""What makes an alignment of scores over the source."""

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from nmt.graphs.graph import Graph, Value, int64
from nmt.layers.attention import Normalize, entmax15, softmax, sparsemax


def normalizer(function: Normalize | None) -> Callable[[Graph, Value], Value] | None:
    """Return what emits a function of `nmt.layers.attention`: scores (…, Tx), −∞ at padding → alignment.

    None where there is no graph for it.
    """
    known: dict[Normalize, Callable[[Graph, Value], Value]] = {
        softmax: _softmax,
        sparsemax: _sparsemax,
        entmax15: _entmax15,
    }
    return None if function is None else known.get(function)


def _softmax(g: Graph, scores: Value) -> Value:
    return g.op("Softmax", scores, attributes={"axis": -1})


def _sparsemax(g: Graph, scores: Value) -> Value:
    """Martins & Astudillo 2016, algorithm 1: max(z − τ, 0), with τ as large as the k largest allow.

    (z₁ + … + z_k − 1) / k grows with k as long as z_k belongs to the support, and falls from there on.
    """
    z = _below_zero(g, scores)
    largest, k = _sorted(g, z)
    sums = g.op("CumSum", largest, np.int64(-1))
    each = g.op("Div", g.op("Sub", sums, np.float32(1)), k)
    return g.op("Relu", g.op("Sub", z, _largest(g, each)))


def _entmax15(g: Graph, scores: Value) -> Value:
    """Peters et al. 2019, algorithm 2: max(z / 2 − τ, 0)², with τ of the k largest that are at least τ.

    τ = M − √((1 − S) / k), with M the mean of the k largest halves and S their summed square distances.
    """
    z = _below_zero(g, g.op("Mul", scores, np.float32(0.5)))
    largest, k = _sorted(g, z)
    mean = g.op("Div", g.op("CumSum", largest, np.int64(-1)), k)
    squares = g.op("Div", g.op("CumSum", g.op("Mul", largest, largest), np.int64(-1)), k)
    variance = g.op("Sub", squares, g.op("Mul", mean, mean))
    distance = g.op("Relu", g.op("Sub", g.op("Reciprocal", k), variance))
    each = g.op("Sub", mean, g.op("Sqrt", distance))
    # Inside the support τ grows with k.
    each = g.op("Where", g.op("LessOrEqual", each, largest), each, np.float32(-1))
    root = g.op("Relu", g.op("Sub", z, _largest(g, each)))
    return g.op("Mul", root, root)


def _below_zero(g: Graph, scores: Value) -> Value:
    """Return scores less their largest, −2 at least: no support goes beyond −1."""
    return g.op("Max", g.op("Sub", scores, _largest(g, scores)), np.float32(-2))


def _largest(g: Graph, x: Value) -> Value:
    return g.op("ReduceMax", x, int64(-1))


def _sorted(g: Graph, z: Value) -> tuple[Value, Value]:
    """Return the scores from the largest down, and the numbers 1, 2, … Tx in float32."""
    size = g.size(z, -1)
    largest, _ = g.ops("TopK", z, size, outputs=2)
    count = g.op("Range", np.int64(1), g.op("Add", g.op("Squeeze", size), np.int64(1)), np.int64(1))
    return largest, g.cast(count, TensorProto.FLOAT)
