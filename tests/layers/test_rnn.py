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
    nn.init.normal_(ours.recurrent_proj.bias)
    theirs = nn.RNN(D, H, nonlinearity=activation, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(
        {
            "weight_ih_l0": ours.input_proj.weight.detach(),
            "weight_hh_l0": ours.recurrent_proj.weight.detach(),
            "bias_ih_l0": ours.recurrent_proj.bias.detach(),
            "bias_hh_l0": torch.zeros(H, dtype=torch.float64),
        }
    )
    x, h = torch.randn(B, T, D, dtype=torch.float64), torch.randn(B, H, dtype=torch.float64)
    expected, last = theirs(x, h.unsqueeze(0))
    torch.testing.assert_close(ours(x, HiddenState(h))[0], expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=0, atol=1e-10)
    state = HiddenState(h)
    for t, projected in enumerate(ours.project(x).unbind(1)):
        y, state = ours.step(projected, state)
        torch.testing.assert_close(y, expected[:, t], rtol=0, atol=1e-10)
    torch.testing.assert_close(state.h, last[0], rtol=0, atol=1e-10)


def test_a_fresh_irnn_keeps_what_is_not_negative() -> None:
    """Le et al. 2015, §2: without inputs a ReLU network with the identity keeps its state."""
    fresh = RNNCell(D, H, activation="relu", recurrent_init=identity)
    h = torch.rand(B, H)
    assert torch.equal(fresh(torch.zeros(B, T, D), HiddenState(h))[0], h.unsqueeze(1).expand(B, T, H))


@pytest.mark.parametrize("step_input_size", [0, 3])
def test_a_fresh_tanh_network_has_an_orthogonal_matrix(step_input_size: int) -> None:
    fresh: Any = RNNCell(D, H, step_input_size)
    own = fresh.recurrent_proj.weight[:, step_input_size:]
    torch.testing.assert_close(own @ own.mT, torch.eye(H))
