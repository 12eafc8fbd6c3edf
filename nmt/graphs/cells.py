"""Recurrent cells: one step, and a whole sequence.

B sentences (in a step N rows), T positions, D input width, S step-input width, H hidden width, G width of all
gates. A state is a tuple of values, in the order of the cell's own.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from onnx import TensorProto
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.errors import CannotExport
from nmt.graphs.graph import Attribute, Graph, Value, int64, scan
from nmt.graphs.linear import layer_norm, linear, product, zeros
from nmt.layers.cells import AnyCell, LSTMCell
from nmt.layers.deep_transition import DeepTransitionCell
from nmt.layers.gru import GRUCell
from nmt.layers.ln_lstm import LayerNormLSTMCell
from nmt.layers.rnn import RNNCell
from nmt.layers.sru import HIGHWAY, SRUCell

State = tuple[Value, ...]


def project(g: Graph, cell: AnyCell, x: Value) -> Value:
    """Return what x (…, D) gives to the gates: (…, G)."""
    match cell:
        case DeepTransitionCell():
            return project(g, cell.first, x)
        case GRUCell():
            return product(g, x, _input(cell).weight, _gru_bias(cell))
        case SRUCell():
            return _sru_products(g, cell, _input(cell), x, F.pad(cell.bias, (0, 2 * cell.hidden_size)))
        case LayerNormLSTMCell():
            assert cell.input_norm is not None
            return layer_norm(g, linear(g, x, _input(cell)), cell.input_norm)
        case LSTMCell() | RNNCell():
            return linear(g, x, _input(cell))
        case _:
            raise CannotExport.of(cell)


def initial_state(g: Graph, cell: AnyCell, h: Value) -> State:
    """Return the state that begins with h (N, H); its other parts are zero."""
    match cell:
        case DeepTransitionCell():
            return initial_state(g, cell.first, h)
        case GRUCell() | RNNCell() | SRUCell():
            return (h,)
        case LSTMCell():
            return h, zeros(g, g.size(h, 0), cell.hidden_size)
        case _:
            raise CannotExport.of(cell)


def step(
    g: Graph, cell: AnyCell, projected: Value | None, state: State, step_input: Value | None = None
) -> tuple[Value, State]:
    """Return y (N, H) and the next state.

    projected: of `project`, None for a cell without x. step_input (N, S): None for a cell without one.
    """
    match cell:
        case DeepTransitionCell():
            y, state = step(g, cell.first, projected, state, step_input)
            for following in cell.following:
                y, state = step(g, cast("AnyCell", following), None, state)
            return y, state
        case GRUCell():
            return _gru(g, cell, projected, state, step_input)
        case LSTMCell():
            return _lstm(g, cell, projected, state, step_input)
        case RNNCell():
            return _rnn(g, cell, projected, state, step_input)
        case SRUCell():
            return _sru(g, cell, projected, state, step_input)
        case _:
            raise CannotExport.of(cell)


def bounded(cell: AnyCell) -> bool:
    """Say whether what a cell gives lies in [−1, 1] when its first h does."""
    match cell:
        case DeepTransitionCell():
            return bounded(cell.first)
        case RNNCell():
            return cell.activation == "tanh"
        case _:  # c, which is all that an SRU has, is an average of products
            return isinstance(cell, GRUCell | LSTMCell)


def _input(cell: AnyCell) -> nn.Linear:
    assert cell.input_proj is not None
    return cell.input_proj


def _joined(g: Graph, step_input: Value | None, h: Value) -> Value:
    """Return [step_input; h], which one matrix multiplies."""
    return h if step_input is None else g.concat(step_input, h)


def _rnn(
    g: Graph, cell: RNNCell, projected: Value | None, state: State, step_input: Value | None
) -> tuple[Value, State]:
    h = state[0].within_one() if bounded(cell) else state[0]
    a = linear(g, _joined(g, step_input, h), cell.recurrent_proj)  # (N, H)
    if projected is not None:
        a = g.op("Add", a, projected)
    y = g.op("Tanh", a).within_one() if bounded(cell) else g.op("Relu", a)
    return y, (y,)


def _gru(
    g: Graph, cell: GRUCell, projected: Value | None, state: State, step_input: Value | None
) -> tuple[Value, State]:
    width, h = cell.hidden_size, state[0].within_one()
    u = linear(g, h, cell.recurrent_proj)  # (N, 3H)
    a = _gru_inputs(g, cell, projected, step_input)
    y = _gru_gates(g, width, g.constant(g.array(_gru_bias(cell))) if a is None else a, u, h)
    return y, (y,)


def _gru_gates(g: Graph, width: int, a: Value, u: Value, h: Value) -> Value:
    """Return y (N, H) from h and what the inputs, a, and h, u, give to the gates (N, 3H)."""
    u_gates, u_n = g.split(u, 2 * width, width)
    a_gates, a_n = g.split(a, 2 * width, width)
    r, z = g.split(g.op("Sigmoid", g.op("Add", a_gates, u_gates)), width, width)
    n = g.op("Tanh", g.op("Add", a_n, g.op("Mul", r, u_n)))
    return g.op("Add", n, g.op("Mul", z, g.op("Sub", h, n))).within_one()


def _gru_inputs(g: Graph, cell: GRUCell, projected: Value | None, step_input: Value | None) -> Value | None:
    """Return what both inputs and the bias give to the gates (N, 3H), None for a cell without inputs."""
    if cell.step_input_proj is None or step_input is None:
        return projected
    weight = cell.step_input_proj.weight
    if projected is None:
        return product(g, step_input, weight, _gru_bias(cell))
    return g.op("Add", projected, product(g, step_input, weight))


def _gru_bias(cell: GRUCell) -> Tensor:
    """Return the bias of what enters the gates (3H,): n alone has one."""
    return F.pad(cell.bias_n, (2 * cell.hidden_size, 0))


def _lstm(
    g: Graph, cell: LSTMCell, projected: Value | None, state: State, step_input: Value | None
) -> tuple[Value, State]:
    width, h, c = cell.hidden_size, state[0].within_one(), state[1]
    a = linear(g, _joined(g, step_input, h), cell.recurrent_proj)  # (N, 4H)
    if isinstance(cell, LayerNormLSTMCell):
        a = layer_norm(g, a, cell.recurrent_norm)
    if projected is not None:
        a = g.op("Add", a, projected)
    gates, candidate, out = g.split(a, 2 * width, width, width)
    i, f = g.split(g.op("Sigmoid", gates), width, width)
    c = g.op("Add", g.op("Mul", f, c), g.op("Mul", i, g.op("Tanh", candidate)))
    shown = layer_norm(g, c, cell.cell_norm) if isinstance(cell, LayerNormLSTMCell) else c
    y = g.op("Mul", g.op("Sigmoid", out), g.op("Tanh", shown)).within_one()
    return y, (y, c)


def _sru(
    g: Graph, cell: SRUCell, projected: Value | None, state: State, step_input: Value | None
) -> tuple[Value, State]:
    width, (c,) = cell.hidden_size, state
    u = _sru_inputs(g, cell, projected, step_input)  # (N, 4H)
    u_gates, candidate, highway = g.split(u, 2 * width, width, width)
    of_c = g.op("Mul", g.concat(c, c), g.array(cell.weight_c))  # (N, 2H)
    f, r = g.split(g.op("Sigmoid", g.op("Add", u_gates, of_c)), width, width)
    c = g.op("Add", candidate, g.op("Mul", f, g.op("Sub", c, candidate)))
    return g.op("Add", highway, g.op("Mul", r, g.op("Sub", c, highway))), (c,)


def _sru_inputs(g: Graph, cell: SRUCell, projected: Value | None, step_input: Value | None) -> Value:
    """Return the products of both inputs and the gates' biases (N, 4H)."""
    if cell.step_input_proj is None or step_input is None:
        assert projected is not None
        return projected
    bias = F.pad(cell.bias, (0, 2 * cell.hidden_size)) if projected is None else None
    products = _sru_products(g, cell, cell.step_input_proj, step_input, bias)
    return products if projected is None else g.op("Add", products, projected)


def _sru_products(g: Graph, cell: SRUCell, layer: nn.Linear, x: Value, bias: Tensor | None) -> Value:
    """Return the products of an input (…, 4H); the fourth is the input itself where it is passed on."""
    rows = len(layer.weight)
    products = product(g, x, layer.weight, None if bias is None else bias[:rows])
    if rows == 4 * cell.hidden_size:
        return products
    return g.concat(products, g.op("Mul", x, np.float32(HIGHWAY)))


def sequences(g: Graph, cells: Sequence[AnyCell], x: Value, lengths: Value) -> list[Value]:
    """Return y of all positions of x (T, B, D) by each cell: (T, B, H).

    The first cell reads forward, the second back, each row from its own end. lengths (B,). In float32 one
    operator of ONNX runs all positions, where there is one for the cell. Else, and in 8 bits, which those
    operators lack, one loop runs both cells. ONNX's RNN is left out: in ONNX Runtime its results depend on
    the neighbours in the last bit.
    """
    if all(_is_fused(g, cell) for cell in cells):
        return [_fused(g, cell, x, lengths, backward=i == 1) for i, cell in enumerate(cells)]
    projected = [project(g, cell, _reversed(g, x, lengths) if i else x) for i, cell in enumerate(cells)]
    both = len(cells) == 2 and all(type(cell) is GRUCell for cell in cells)
    ys = (_gru_sequences if both else _sequences)(g, cells, projected, g.size(lengths, 0))
    ys = [y.within_one() if bounded(cell) else y for cell, y in zip(cells, ys, strict=True)]
    return [_reversed(g, y, lengths) if i else y for i, y in enumerate(ys)]


def _sequences(g: Graph, cells: Sequence[AnyCell], projected: Sequence[Value], rows: Value) -> list[Value]:
    """Return y of all positions by each cell, which take their steps one after the other."""
    first = [initial_state(g, cell, zeros(g, rows, cell.hidden_size)) for cell in cells]

    def one(body: Graph, x_t: list[Value], state: list[Value]) -> tuple[list[Value], list[Value]]:
        parts = iter(state)
        stepped = [
            step(body, cell, each, tuple(next(parts) for _ in before))
            for cell, each, before in zip(cells, x_t, first, strict=True)
        ]
        return [y for y, _ in stepped], [part for _, after in stepped for part in after]

    return scan(g, projected, [part for state in first for part in state], one)


def _gru_sequences(g: Graph, cells: Sequence[Any], projected: Sequence[Value], rows: Value) -> list[Value]:
    """Return y of all positions by two GRUs, whose rows take a step at once, save for their products."""
    width = cells[0].hidden_size

    def parts(body: Graph, x: Value, axis: int) -> list[Value]:
        return body.ops("Split", x, outputs=2, attributes={"axis": axis, "num_outputs": 2})

    def one(body: Graph, x_t: list[Value], state: list[Value]) -> tuple[list[Value], list[Value]]:
        h = state[0].within_one()
        each = zip(parts(body, h, 0), cells, strict=True)
        u = body.concat(
            *(linear(body, part.within_one(), cell.recurrent_proj) for part, cell in each), axis=0
        )
        y = _gru_gates(body, width, x_t[0], u, h)
        return [y], [y]

    first = zeros(g, g.op("Mul", rows, int64(2)), width)
    return parts(g, scan(g, [g.concat(*projected, axis=1)], [first], one)[0], 1)


def _reversed(g: Graph, x: Value, lengths: Value) -> Value:
    """Return x (T, B, …) with each row reversed within its own length."""
    y = g.op("ReverseSequence", x, lengths, attributes={"batch_axis": 1, "time_axis": 0})
    return y.within_one() if x.bounded else y


class _Fused(NamedTuple):
    """An operator of ONNX. gates: the order of its gates, by their places in torch."""

    kind: str
    gates: tuple[int, ...]


_FUSED: dict[type[AnyCell], _Fused] = {
    GRUCell: _Fused("GRU", (1, 0, 2)),
    LSTMCell: _Fused("LSTM", (0, 3, 1, 2)),
}


def _is_fused(g: Graph, cell: Any) -> bool:
    return type(cell) in _FUSED and not g.in_int8(cell.recurrent_proj.weight)


def _fused(g: Graph, cell: Any, x: Value, lengths: Value, *, backward: bool) -> Value:
    """Return y by ONNX's operator for the cell, which multiplies in float32."""
    (kind, order), width = _FUSED[type(cell)], cell.hidden_size

    def by_gate(x: Value) -> Value:
        parts = g.split(x, *[width] * len(order), axis=0)
        return g.op("Unsqueeze", g.concat(*(parts[i] for i in order), axis=0), int64(0))

    def matrix(layer: nn.Linear) -> Value:
        return by_gate(g.op("Transpose", g.weight(layer.weight), attributes={"perm": [1, 0]}))

    of_input = np.zeros(len(order) * width, np.float32)
    attributes: dict[str, Attribute] = {
        "hidden_size": width,
        "direction": "reverse" if backward else "forward",
    }
    if isinstance(cell, GRUCell):
        of_input = g.array(_gru_bias(cell))
        attributes["linear_before_reset"] = 1
    biases = [by_gate(g.constant(each)) for each in (of_input, g.array(cell.recurrent_proj.bias))]
    weights = matrix(cell.input_proj), matrix(cell.recurrent_proj)
    y = g.op(kind, x, *weights, g.concat(*biases), g.cast(lengths, TensorProto.INT32), attributes=attributes)
    return g.op("Squeeze", y, int64(1)).within_one()  # (T, 1, B, H) → (T, B, H)
