"""Recurrent cells: one step, and a whole sequence.

B sentences (in a step N rows), T positions, D input width, H hidden width, G width of all gates. A state is a
tuple of values, in the order of the cell's own.
"""

from typing import Any

import numpy as np
from onnx import TensorProto
from torch import nn

from nmt.errors import UserError
from nmt.graphs.graph import Attribute, Graph, Value, int64, scan
from nmt.graphs.linear import linear, zeros
from nmt.layers.cells import Cell, LSTMCell
from nmt.layers.gru import GRUCell

State = tuple[Value, ...]


def project(g: Graph, cell: Cell[Any], x: Value) -> Value:
    """Return what x (…, D) gives to the gates: (…, G)."""
    assert cell.input_proj is not None
    match cell:
        case GRUCell():
            bias = np.zeros(3 * cell.hidden_size, np.float32)
            bias[2 * cell.hidden_size :] = g.array(cell.bias_n)
            return g.op("Add", linear(g, x, cell.input_proj), bias)
        case LSTMCell():
            return linear(g, x, cell.input_proj)
        case _:
            raise cannot_export(cell)


def initial_state(g: Graph, cell: Cell[Any], h: Value) -> State:
    """Return the state that begins with h (N, H)."""
    match cell:
        case GRUCell():
            return (h,)
        case LSTMCell():
            return h, zeros(g, g.size(h, 0), cell.hidden_size)
        case _:
            raise cannot_export(cell)


def step(
    g: Graph, cell: Cell[Any], projected: Value | None, state: State, step_input: Value | None = None
) -> tuple[Value, State]:
    """Return y (N, H) and the next state. projected: of `project`, None for a cell without x."""
    match cell:
        case GRUCell():
            return _gru(g, cell, projected, state, step_input)
        case LSTMCell():
            return _lstm(g, cell, projected, state, step_input)
        case _:
            raise cannot_export(cell)


def cannot_export(part: object) -> UserError:
    """Return the error for a layer without an ONNX graph."""
    return UserError(
        f"{type(part).__name__} cannot be exported: there is no ONNX graph for it; translate with torch"
    )


def _gru(
    g: Graph, cell: GRUCell, projected: Value | None, state: State, step_input: Value | None
) -> tuple[Value, State]:
    width = cell.hidden_size
    h = state[0].within_one()
    a, u = _gru_inputs(g, cell, projected, step_input), linear(g, h, cell.recurrent_proj)  # (N, 3H)
    a_gates, a_n = g.split(a, 2 * width, width)
    u_gates, u_n = g.split(u, 2 * width, width)
    r, z = g.split(g.op("Sigmoid", g.op("Add", a_gates, u_gates)), width, width)
    n = g.op("Tanh", g.op("Add", a_n, g.op("Mul", r, u_n)))
    after = g.op("Add", n, g.op("Mul", z, g.op("Sub", h, n))).within_one()
    return after, (after,)


def _gru_inputs(g: Graph, cell: GRUCell, projected: Value | None, step_input: Value | None) -> Value:
    parts = [] if projected is None else [projected]
    if cell.step_input_proj is not None and step_input is not None:
        parts.append(linear(g, step_input, cell.step_input_proj))
    if projected is None:  # `project` adds it
        parts.append(g.constant(np.pad(g.array(cell.bias_n), (2 * cell.hidden_size, 0))))
    return parts[0] if len(parts) == 1 else g.op("Add", *parts)


def _lstm(
    g: Graph, cell: LSTMCell, projected: Value | None, state: State, step_input: Value | None
) -> tuple[Value, State]:
    width = cell.hidden_size
    h, c = state[0].within_one(), state[1]
    a = linear(g, h if step_input is None else g.concat(step_input, h), cell.recurrent_proj)  # (N, 4H)
    if projected is not None:
        a = g.op("Add", a, projected)
    gates, candidate, out = g.split(a, 2 * width, width, width)
    i, f = g.split(g.op("Sigmoid", gates), width, width)
    c = g.op("Add", g.op("Mul", f, c), g.op("Mul", i, g.op("Tanh", candidate)))
    y = g.op("Mul", g.op("Sigmoid", out), g.op("Tanh", c)).within_one()
    return y, (y, c)


def sequence(g: Graph, cell: Cell[Any], x: Value, lengths: Value, *, backward: bool = False) -> Value:
    """Return y of all positions of x (T, B, D): (T, B, H). lengths (B,); backward: each row from its own end.

    Where ONNX has the cell, one operator runs all positions; else a loop does.
    """
    if type(cell) is GRUCell:
        return _fused(g, "GRU", cell, x, lengths, backward=backward)
    if type(cell) is LSTMCell:
        return _fused(g, "LSTM", cell, x, lengths, backward=backward)
    mirror = {"batch_axis": 1, "time_axis": 0}
    x = g.op("ReverseSequence", x, lengths, attributes=mirror) if backward else x
    projected, first = (
        project(g, cell, x),
        initial_state(g, cell, zeros(g, g.size(lengths, 0), cell.hidden_size)),
    )

    def one(body: Graph, x_t: Value, state: list[Value]) -> tuple[Value, State]:
        return step(body, cell, x_t, tuple(state))

    y = scan(g, projected, first, one)
    y = g.op("ReverseSequence", y, lengths, attributes=mirror) if backward else y
    return y.within_one() if bounded(cell) else y


def bounded(cell: Cell[Any]) -> bool:
    """Say whether what a cell gives lies in [−1, 1] when its first h does."""
    return isinstance(cell, GRUCell | LSTMCell)


# The order of the gates in ONNX, by their places in torch.
_ORDER = {"GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}


def _fused(g: Graph, kind: str, cell: Any, x: Value, lengths: Value, *, backward: bool) -> Value:
    """Return y by ONNX's operator of this kind; its weights are in float32 when it runs."""
    gates, width = len(_ORDER[kind]), cell.hidden_size

    def by_gate(x: Value) -> Value:
        parts = g.split(x, *[width] * gates, axis=0)
        return g.op("Unsqueeze", g.concat(*(parts[i] for i in _ORDER[kind]), axis=0), int64(0))

    def matrix(layer: nn.Linear) -> Value:
        return by_gate(g.op("Transpose", g.weight(layer.weight), attributes={"perm": [1, 0]}))

    of_input = np.zeros(gates * width, np.float32)
    attributes: dict[str, Attribute] = {
        "hidden_size": width,
        "direction": "reverse" if backward else "forward",
    }
    if kind == "GRU":
        of_input[2 * width :] = g.array(cell.bias_n)
        attributes["linear_before_reset"] = 1
    biases = [by_gate(g.constant(each)) for each in (of_input, g.array(cell.recurrent_proj.bias))]
    weights = matrix(cell.input_proj), matrix(cell.recurrent_proj)
    y = g.op(kind, x, *weights, g.concat(*biases), g.cast(lengths, TensorProto.INT32), attributes=attributes)
    return g.op("Squeeze", y, int64(1)).within_one()  # (T, 1, B, H) → (T, B, H)
