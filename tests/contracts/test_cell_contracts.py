"""What every cell promises: one step, a whole sequence, step inputs, their gradients.

A new cell is one more name in CELLS. Plain path: float64 at 1e-10; what ships: float32 and bfloat16.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.layers.cells import Cell, CellType, LSTMCell
from nmt.layers.deep_transition import DeepTransitionCell
from nmt.layers.gru import GRUCell
from nmt.layers.initialization import identity
from nmt.layers.ln_lstm import LayerNormLSTMCell
from nmt.layers.rnn import RNNCell
from nmt.layers.sru import SRUCell
from nmt.machine import has_bfloat16

CELLS: dict[str, CellType] = {
    "rnn": RNNCell,
    "irnn": partial(RNNCell, activation="relu", recurrent_init=identity),
    "gru": GRUCell,
    "lstm": LSTMCell,
    "ln_lstm": LayerNormLSTMCell,
    "sru": SRUCell,
    "deep_transition": partial(DeepTransitionCell, GRUCell, 3),
    "deep_transition_lstm": partial(DeepTransitionCell, LSTMCell, 2),
}
B, T, D, L, H = 3, 5, 4, 2, 6
# Inputs and step inputs: some of each, as many inputs as outputs, as many step inputs, one kind alone.
SIZES = [(D, L), (D, 0), (H, 0), (0, L), (0, H), (H, L)]
every_cell = pytest.mark.parametrize("kind", CELLS)

# What this CPU lacks is refused before it is computed in: tests/builders/test_hardware.py.
SHIPPING = [(torch.float32, 1e-5)]
if has_bfloat16():
    SHIPPING.append((torch.bfloat16, 4e-2))


def made(kind: str, input_size: int = D, hidden_size: int = H, step_input_size: int = 0) -> Any:
    """Return a cell in float64, what a matrix is not drawn at random."""
    cell: Any = CELLS[kind](input_size, hidden_size, step_input_size)
    for parameter in cell.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter)
    return cell.double()


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def some_state(cell: Cell[Any]) -> Any:
    first = cell.initial_state(drawn(B, cell.hidden_size))
    return type(first)(*(torch.randn_like(part) for part in first))


def unroll(
    cell: Cell[Any], x: Tensor | None, state: Any, step_input: Tensor | None = None
) -> tuple[Tensor, Any]:
    """Return the outputs (B, T, H) and the last state of the cell's own step."""
    outputs = []
    for t in range(T):
        projected = None if x is None else cell.project(x)[:, t]
        y, state = cell.step(projected, state, None if step_input is None else step_input[:, t])
        outputs.append(y)
    return torch.stack(outputs, dim=1), state


def exactly(found: Any, expected: Any, atol: float = 1e-10) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)


@every_cell
@pytest.mark.parametrize("input_size", [D, H])
@pytest.mark.parametrize("given", [True, False])
def test_a_sequence_is_the_unrolled_step(kind: str, input_size: int, given: bool) -> None:
    cell, x = made(kind, input_size), drawn(B, T, input_size)
    state = some_state(cell) if given else None
    expected, last = unroll(cell, x, state or cell.initial_state(torch.zeros(B, H, dtype=torch.float64)))
    exactly(cell(x, state)[0], expected)
    y, after = cell(x, state)
    exactly(y, expected)
    exactly(tuple(after), tuple(last))
    with torch.no_grad():
        exactly(cell(x, state)[0], expected)


@every_cell
@pytest.mark.parametrize("input_size", [D, H])
def test_a_sequence_has_the_gradients_of_the_unrolled_step(kind: str, input_size: int) -> None:
    cell, weight = made(kind, input_size), drawn(B, T, H)
    x, state = drawn(B, T, input_size).requires_grad_(), [s.requires_grad_() for s in some_state(cell)]
    last = [torch.randn_like(part) for part in state]
    leaves = [x, *state, *cell.parameters()]

    def gradients(run: Callable[..., tuple[Tensor, Any]]) -> tuple[Tensor, ...]:
        y, after = run(x, type(cell.initial_state(x[:, 0, :1]))(*state))
        total = (y * weight).sum() + sum((a * b).sum() for a, b in zip(after, last, strict=True))
        return torch.autograd.grad(total, leaves)

    exactly(gradients(cell), gradients(lambda *arguments: unroll(cell, *arguments)))


@every_cell
@pytest.mark.parametrize(("input_size", "step_input_size"), SIZES)
def test_gradients_of_the_step_pass_gradcheck(kind: str, input_size: int, step_input_size: int) -> None:
    # As many as that: of two units, normalised, only the sign would be left.
    cell = made(kind, input_size, H, step_input_size)
    first = some_state(cell)
    x = drawn(2, input_size).requires_grad_() if input_size else None
    step_input = drawn(2, step_input_size).requires_grad_() if step_input_size else None
    state = [part[:2].requires_grad_() for part in first]
    arguments = [leaf for leaf in (x, step_input, *state) if leaf is not None] + list(cell.parameters())

    def step(*_: Tensor) -> tuple[Tensor, ...]:
        projected = None if x is None else cell.project(x)
        y, after = cell.step(projected, type(first)(*state), step_input)
        return y, *after

    assert torch.autograd.gradcheck(step, arguments, fast_mode=True)


@every_cell
def test_gradients_of_the_sequence_pass_gradcheck(kind: str) -> None:
    cell = made(kind)
    x, first = drawn(2, 3, D).requires_grad_(), some_state(cell)
    state = [part[:2].requires_grad_() for part in first]

    def run(*_: Tensor) -> tuple[Tensor, ...]:
        y, after = cell(x, type(first)(*state))
        return y, *after

    assert torch.autograd.gradcheck(run, [x, *state, *cell.parameters()], fast_mode=True)


@pytest.mark.parametrize("kind", ["rnn", "irnn", "gru", "lstm"])
def test_a_step_input_is_an_input(kind: str) -> None:
    """With the same weights it does what it would beside x; the others normalise or pass it on apart."""
    cell, joined = made(kind, D, H, L), made(kind, D + L, H)
    with torch.no_grad():
        of_step_input = cell.step_input_proj.weight if kind == "gru" else cell.recurrent_proj.weight[:, :L]
        joined.input_proj.weight.copy_(torch.cat([cell.input_proj.weight, of_step_input], dim=1))
        joined.recurrent_proj.weight.copy_(cell.recurrent_proj.weight[:, -H:])
        for name, parameter in cell.named_parameters():
            if parameter.ndim == 1:
                joined.get_parameter(name).copy_(parameter)
    x, step_input, state = drawn(B, T, D), drawn(B, T, L), some_state(cell)
    exactly(unroll(cell, x, state, step_input), unroll(joined, torch.cat([x, step_input], dim=-1), state))


@every_cell
def test_what_follows_changes_nothing_before(kind: str) -> None:
    cell, x = made(kind), drawn(B, T, D)
    other = torch.cat([x[:, :3], 1e3 * drawn(B, T + 2, D)], dim=1)
    exactly(cell(other)[0][:, :3], cell(x)[0][:, :3], atol=1e-12)


@every_cell
def test_a_row_is_alone(kind: str) -> None:
    cell, x, state = made(kind), drawn(B, T, D), some_state(made(kind))
    together = cell(x, state)[0]
    for b in range(B):
        alone = cell(x[b : b + 1], type(state)(*(part[b : b + 1] for part in state)))[0]
        exactly(together[b], alone[0], atol=1e-12)


@every_cell
def test_the_first_state_begins_with_the_bridges_h(kind: str) -> None:
    cell, h = made(kind), drawn(B, H)
    first, *rest = cell.initial_state(h)
    assert torch.equal(first, h)
    assert not any(part.any() for part in rest)


@pytest.mark.parametrize("kind", ["sru"])
def test_a_second_derivative_is_refused_and_not_wrong(kind: str) -> None:
    cell, x = made(kind), drawn(B, D).requires_grad_()
    y, _ = cell.step(cell.project(x), some_state(cell))
    with pytest.raises(NotImplementedError, match="no second derivative"):
        torch.autograd.grad(y.sum(), x, create_graph=True)


@every_cell
def test_a_fresh_bias_is_zero_but_for_the_forget_gate(kind: str) -> None:
    cell: Any = CELLS[kind](D, H)
    for name, bias in cell.named_parameters():
        if name.rpartition(".")[2] == "bias":
            expected = torch.zeros_like(bias)
            if kind.endswith("lstm"):
                expected[H : 2 * H] = 1
            assert torch.equal(bias, expected)


@every_cell
@pytest.mark.parametrize(("dtype", "tolerance"), SHIPPING)
@pytest.mark.parametrize("unrolled", [False, True])
def test_what_ships(kind: str, dtype: torch.dtype, tolerance: float, unrolled: bool) -> None:
    """The error of outputs and of gradients, as a share of their norm."""
    exact, shipping = made(kind, 16, 32), made(kind, 16, 32).float()
    if kind == "irnn":  # what is near 0 may be rounded to the other side of a ReLU, and have another gradient
        nn.init.uniform_(exact.recurrent_proj.bias, 4, 5)
    shipping.load_state_dict(exact.state_dict())
    x, h, weight = drawn(4, T, 16), drawn(4, 32).tanh(), drawn(4, T, 32)

    def run(cell: Any) -> list[Tensor]:
        own = next(cell.parameters()).dtype
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16 and own == torch.float32):
            before = cell.initial_state(h.to(own))
            y = unroll(cell, x.to(own), before)[0] if unrolled else cell(x.to(own), before)[0]
            loss = (y.double() * weight).sum()
        return [part.double() for part in (y, *torch.autograd.grad(loss, tuple(cell.parameters())))]

    for found, expected in zip(run(shipping), run(exact), strict=True):
        assert (found - expected).norm() <= tolerance * expected.norm()
