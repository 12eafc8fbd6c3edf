"""nmt.layers.deep_transition: against torch's own cells, taken in turn."""

from functools import partial

import pytest
import torch
from torch import nn

from nmt.layers.cells import HiddenState, LSTMCell, LSTMState
from nmt.layers.deep_transition import DeepTransitionCell
from nmt.layers.gru import GRUCell

B, T, D, H, DEPTH = 3, 4, 5, 6, 3


def exactly(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def torch_gru(cell: GRUCell) -> nn.GRUCell:
    """The same cell by torch; one without inputs reads a zero."""
    theirs = nn.GRUCell(cell.input_size or 1, H).double()
    with torch.no_grad():
        if cell.input_proj is not None:
            theirs.weight_ih.copy_(cell.input_proj.weight)
        theirs.weight_hh.copy_(cell.recurrent_proj.weight)
        theirs.bias_ih.zero_()
        theirs.bias_ih[2 * H :] = cell.bias_n
        theirs.bias_hh.copy_(cell.recurrent_proj.bias)
    return theirs


def torch_lstm(cell: LSTMCell) -> nn.LSTMCell:
    theirs = nn.LSTMCell(cell.input_size or 1, H).double()
    with torch.no_grad():
        if cell.input_proj is not None:
            theirs.weight_ih.copy_(cell.input_proj.weight)
        theirs.weight_hh.copy_(cell.recurrent_proj.weight)
        theirs.bias_ih.copy_(cell.recurrent_proj.bias)
        theirs.bias_hh.zero_()
    return theirs


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_cells_in_turn_by_torch(kind: str) -> None:
    deep = DeepTransitionCell(GRUCell if kind == "gru" else LSTMCell, DEPTH, D, H).double()
    for parameter in deep.parameters():
        nn.init.normal_(parameter)
    cells = [deep.first, *deep.following]
    theirs = [torch_gru(c) if isinstance(c, GRUCell) else torch_lstm(c) for c in cells]  # type: ignore[arg-type]
    x, nothing = torch.randn(B, T, D, dtype=torch.float64), torch.zeros(B, 1, dtype=torch.float64)
    h, c = torch.randn(2, B, H, dtype=torch.float64)
    state = HiddenState(h) if kind == "gru" else LSTMState(h, c)
    found, last = deep(x, state)
    for t in range(T):
        for depth, cell in enumerate(theirs):
            reads = nothing if depth else x[:, t]
            if isinstance(cell, nn.GRUCell):
                h = cell(reads, h)
            else:
                h, c = cell(reads, (h, c))
        exactly(found[:, t], h)
    exactly(last.h, h)
    if kind == "lstm":
        exactly(last.c, c)


def test_only_the_first_cell_has_inputs() -> None:
    make = partial(DeepTransitionCell, GRUCell, DEPTH)
    first, *following = (c for c in make(D, H, 2).children())
    assert (first.input_size, first.step_input_size) == (D, 2)
    assert [(c.input_size, c.step_input_size) for c in following[0]] == [(0, 0)] * (DEPTH - 1)  # type: ignore[union-attr]
