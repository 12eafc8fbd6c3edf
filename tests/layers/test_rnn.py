"""nmt.layers.rnn: torch's own RNN is the reference. What every cell promises is in tests/contracts."""

from typing import Any, Literal

import pytest
import torch
from torch import nn

from nmt.layers.cells import HiddenState
from nmt.layers.initialization import identity
from nmt.layers.rnn import RNNCell

B, T, D, H = 3, 5, 4, 6


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_step_and_sequence_are_torchs(activation: Literal["tanh", "relu"]) -> None:
    ours = RNNCell(D, H, activation=activation).double()
    nn.init.normal_(ours.bias)
    theirs = nn.RNN(D, H, nonlinearity=activation, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(
        {
            "weight_ih_l0": ours.weight_ih.detach(),
            "weight_hh_l0": ours.weight_hh.detach(),
            "bias_ih_l0": ours.bias.detach(),
            "bias_hh_l0": torch.zeros(H, dtype=torch.float64),
        }
    )
    x, h = torch.randn(B, T, D, dtype=torch.float64), torch.randn(B, H, dtype=torch.float64)
    expected, last = theirs(x, h.unsqueeze(0))
    torch.testing.assert_close(ours.sequence(x, HiddenState(h)), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(ours.sequence(x), theirs(x)[0], rtol=0, atol=1e-10)
    state = HiddenState(h)
    for t, projected in enumerate(ours.project(x).unbind(1)):
        y, state = ours.advance(projected, state)
        torch.testing.assert_close(y, expected[:, t], rtol=0, atol=1e-10)
    torch.testing.assert_close(state.h, last[0], rtol=0, atol=1e-10)


def test_a_fresh_irnn_keeps_what_is_not_negative() -> None:
    """Le et al. 2015, §2: without inputs a ReLU network with the identity keeps its state."""
    fresh = RNNCell(D, H, activation="relu", recurrent=identity)
    h = torch.rand(B, H)
    assert torch.equal(fresh.sequence(torch.zeros(B, T, D), HiddenState(h)), h.unsqueeze(1).expand(B, T, H))


@pytest.mark.parametrize("late_size", [0, 3])
def test_a_fresh_tanh_network_has_an_orthogonal_matrix(late_size: int) -> None:
    fresh: Any = RNNCell(D, H, late_size)
    own = fresh.weight_hh[:, late_size:]
    torch.testing.assert_close(own @ own.mT, torch.eye(H))
