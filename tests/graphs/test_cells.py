"""nmt.graphs.cells: a step and a sequence of every cell are torch's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor, nn

from nmt.errors import UserError
from nmt.graphs.cells import bounded, initial_state, project, sequences, step
from nmt.graphs.graph import LARGEST, Graph, Precision, Value
from nmt.layers.cells import Cell
from tests.contracts.test_cell_contracts import CELLS, SIZES

B, T, H = 3, 5, 6
FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64
every_cell = pytest.mark.parametrize("kind", CELLS)


def made(kind: str, input_size: int, hidden_size: int, step_input_size: int = 0, *, seed: int = 1) -> Any:
    """Return a cell whose vectors, biases among them, are drawn at random."""
    torch.manual_seed(seed)
    cell: Any = CELLS[kind](input_size, hidden_size, step_input_size)
    for parameter in cell.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter)
    return cell.eval()


def some_state(cell: Cell[Any]) -> Any:
    """Return a state whose h lies in (−1, 1), as a bridge gives it."""
    first = cell.initial_state(torch.randn(B, cell.hidden_size).tanh())
    return type(first)(first[0], *(torch.randn_like(part) for part in first[1:]))


def run(g: Graph, given: dict[str, Any], outputs: Sequence[Value]) -> list[NDArray[Any]]:
    inputs = {name: np.asarray(each) for name, each in given.items()}
    declared = [
        (name, FLOAT if each.dtype == np.float32 else INT, each.shape) for name, each in inputs.items()
    ]
    model = g.model(declared, [(value, f"out_{i}", FLOAT) for i, value in enumerate(outputs)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: list[NDArray[Any]] = session.run(None, inputs)
    return found


def step_by_graph(
    cell: Any, x: Tensor | None, state: Any, step_input: Tensor | None, precision: Precision
) -> list[NDArray[Any]]:
    g = Graph(precision)
    values = [Value(f"state_{i}", g) for i, _ in enumerate(state)]
    given: dict[str, Any] = {value.name: part for value, part in zip(values, state, strict=True)}
    given |= {name: each for name, each in (("x", x), ("step", step_input)) if each is not None}
    projected = None if x is None else project(g, cell, Value("x", g))
    late = None if step_input is None else Value("step", g)
    y, after = step(g, cell, projected, tuple(values), late)
    return run(g, given, [y, *after])


@torch.no_grad()
def step_by_torch(cell: Any, x: Tensor | None, state: Any, step_input: Tensor | None) -> list[Tensor]:
    y, after = cell.step(None if x is None else cell.project(x), state, step_input)
    return [y, *after]


def close(found: Sequence[Any], expected: Sequence[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=1e-5)


@every_cell
@pytest.mark.parametrize(("input_size", "step_input_size"), SIZES)
def test_a_step_is_that_of_the_cell(kind: str, input_size: int, step_input_size: int) -> None:
    cell = made(kind, input_size, H, step_input_size)
    x, late = (torch.randn(B, size) if size else None for size in (input_size, step_input_size))
    state = some_state(cell)
    close(step_by_graph(cell, x, state, late, "float32"), step_by_torch(cell, x, state, late))


@every_cell
@pytest.mark.parametrize(("input_size", "step_input_size"), [(64, 0), (0, 64), (96, 64)])
def test_a_step_in_int8_is_that_of_the_rounded_cell(kind: str, input_size: int, step_input_size: int) -> None:
    """Of inputs far beyond 1, so that one of them taken for bounded, and clipped, would show."""
    cell = made(kind, input_size, 64, step_input_size)
    x, late = (5 * torch.randn(B, size) if size else None for size in (input_size, step_input_size))
    state = some_state(cell)
    if kind in ("irnn", "sru"):
        state = type(state)(5 * state[0])
    found = step_by_graph(cell, x, state, late, "int8")
    for one, other in zip(found, step_by_torch(rounded(cell), x, state, late), strict=True):
        assert np.abs(one - other.numpy()).max() < 0.2 * max(1, other.abs().max().item())


def rounded(cell: nn.Module) -> nn.Module:
    """Round matrices to the numbers that 8 bits can hold."""
    with torch.no_grad():
        for parameter in cell.parameters():
            if parameter.ndim == 2:
                scale = parameter.abs().amax(dim=1, keepdim=True) / LARGEST
                parameter.copy_((parameter / scale).round() * scale)
    return cell


@every_cell
@pytest.mark.parametrize("input_size", [4, H])
def test_both_directions_are_those_of_their_cells(kind: str, input_size: int) -> None:
    cells, lengths = [made(kind, input_size, H, seed=seed) for seed in (1, 2)], [5, 1, 3]
    x = torch.randn(B, T, input_size)
    g = Graph("float32")
    ys = sequences(g, cells, Value("x", g), Value("lengths", g))
    found = run(g, {"x": x.transpose(0, 1), "lengths": np.array(lengths)}, ys)  # (T, B, H) each
    for backward, (cell, y) in enumerate(zip(cells, found, strict=True)):
        for row, length in enumerate(lengths):
            alone = x[row : row + 1, :length].flip(1) if backward else x[row : row + 1, :length]
            expected = cell(alone)[0][0].detach()
            close([y[:length, row]], [expected.flip(0) if backward else expected])


@every_cell
def test_a_sequence_in_int8_is_made_of_its_steps(kind: str) -> None:
    cells, x = [made(kind, 64, 64, seed=seed) for seed in (1, 2)], torch.randn(T, B, 64)
    g = Graph("int8")
    ys = sequences(g, cells, Value("x", g), Value("lengths", g))
    found = run(g, {"x": x, "lengths": np.array([T] * B)}, ys)
    for backward, (cell, y) in enumerate(zip(cells, found, strict=True)):
        state = cell.initial_state(torch.zeros(B, 64))
        for t in reversed(range(T)) if backward else range(T):
            expected, *after = step_by_graph(cell, x[t], state, None, "int8")
            np.testing.assert_allclose(y[t], expected, rtol=1e-5, atol=1e-6)
            state = type(state)(*map(torch.tensor, after))


@every_cell
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_neighbours_change_nothing(kind: str, precision: Precision) -> None:
    cells, lengths, g = [made(kind, 64, 64) for _ in range(2)], [9, 4, 1, 7], Graph(precision)
    y = sequences(g, cells, Value("x", g), Value("lengths", g))[1]
    shapes = [("x", FLOAT, ("T", "B", 64)), ("lengths", INT, ("B",))]
    model = g.model(shapes, [(y, "y", FLOAT)]).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    x = torch.randn(9, 4, 64).numpy()
    (together,) = session.run(None, {"x": x, "lengths": np.array(lengths)})
    for row, length in enumerate(lengths):
        given = {"x": x[:length, row : row + 1], "lengths": np.array([length])}
        np.testing.assert_array_equal(together[:length, row], session.run(None, given)[0][:, 0])


@every_cell
def test_what_is_called_bounded_is(kind: str) -> None:
    cell = made(kind, 8, 16)
    for parameter in cell.parameters():
        parameter.detach().mul_(20)
    x, state = 20 * torch.randn(B, 8), cell.initial_state(torch.randn(B, 16).tanh())
    y = torch.stack(_outputs(cell, x, state, 4))
    g = Graph("float32")
    h = initial_state(g, cell, Value("h", g))
    declared = step(g, cell, project(g, cell, Value("x", g)), h)[0].bounded
    assert declared == bounded(cell) == bool(y.abs().max() <= 1)


@torch.no_grad()
def _outputs(cell: Any, x: Tensor, state: Any, steps: int) -> list[Tensor]:
    outputs = []
    for _ in range(steps):
        y, state = cell.step(cell.project(x), state)
        outputs.append(y)
    return outputs


class Unknown(Cell[Any]):
    pass


def test_a_cell_without_a_graph_is_named() -> None:
    g = Graph("float32")
    for emit in (
        lambda: project(g, _unknown(), Value("x", g)),
        lambda: initial_state(g, Unknown(4, 4), Value("h", g)),
        lambda: step(g, Unknown(4, 4), None, (Value("h", g),)),
        lambda: sequences(g, [_unknown()], Value("x", g), Value("lengths", g)),
    ):
        with pytest.raises(UserError, match="Unknown cannot be exported"):
            emit()


def _unknown() -> Unknown:
    cell = Unknown(4, 4)
    cell.input_proj = nn.Linear(4, 4)
    return cell
