"""Matrix products and embeddings.

B sentences, N rows, D input width, O output width, V vocabulary, E embedding.
"""

import numpy as np
from onnx import TensorProto
from torch import Tensor, nn

from nmt.graphs.graph import MICROSOFT, TINY, ZERO, Graph, Input, Value, int64

LARGEST_TABLE = 16_000_000  # numbers: what an embedding becomes in the layer above it, 64 MB


def linear(g: Graph, x: Value, layer: nn.Linear) -> Value:
    """Return W x + b for x (…, D): (…, O).

    In 8 bits each row of x has a scale of its own, or 1/127 where x lies in [−1, 1]: no row depends on
    another.
    """
    return product(g, x, layer.weight, layer.bias)


def product(g: Graph, x: Value, weight: Tensor, bias: Tensor | None = None) -> Value:
    """Return W x + b for x (…, D) and W (O, D): (…, O)."""
    b = None if bias is None else g.array(bias)
    if x.constant or not g.in_int8(weight):
        y = g.op("MatMul", x, g.weight(weight))
        return y if b is None else g.op("Add", y, b)
    if x.bounded:
        return _integer_product(g, g.quantised(x), weight, b)
    largest = g.op("ReduceMax", g.op("Abs", x), int64(-1), attributes={"keepdims": 1})
    largest = g.op("Max", largest, TINY)
    y = _integer_product(g, g.quantised(g.op("Div", x, largest)), weight, None)
    y = g.op("Mul", y, largest)
    return y if b is None else g.op("Add", y, b)


def _integer_product(g: Graph, x: Value, weight: Tensor, bias: Input) -> Value:
    """Return W x + b in float32 for 8-bit x of scale 1/127."""
    integers, scales = g.integers(weight)
    inputs: list[Input] = [x, integers, np.float32(1 / 127), scales, ZERO, np.int8(0)]
    return g.op("MatMulIntegerToFloat", *inputs, *([] if bias is None else [bias]), domain=MICROSOFT)


def embedding(g: Graph, layer: nn.Embedding) -> Value:
    """Return the embeddings of all tokens (V, E)."""
    return g.op("Transpose", g.weight(layer.weight), attributes={"perm": [1, 0]})


def rows_of(g: Graph, table: Value, ids: Value) -> Value:
    """Return the rows of a table (V, E) for tokens (…): (…, E)."""
    return g.op("Gather", table, ids)


def layer_norm(g: Graph, x: Value, layer: nn.LayerNorm) -> Value:
    """Return x normalised over its last dimension."""
    shift = [] if layer.bias is None else [g.array(layer.bias)]
    return g.op(
        "LayerNormalization", x, g.array(layer.weight), *shift, attributes={"axis": -1, "epsilon": layer.eps}
    )


def zeros(g: Graph, rows: Value, *sizes: int) -> Value:
    """Return zeros of a number of rows (a list of one number) and further sizes."""
    shape = g.concat(rows, g.constant(int64(*sizes)), axis=0) if sizes else rows
    return g.op("Expand", np.zeros([1] * (1 + len(sizes)), np.float32), shape).within_one()


def as_float(g: Graph, x: Value) -> Value:
    """Return x in float32."""
    return g.cast(x, TensorProto.FLOAT)
