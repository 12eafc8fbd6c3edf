"""nmt.layers.gru: torch's own GRU is the reference. What every cell promises is in tests/contracts."""

import torch
from torch import Tensor, nn

from nmt.layers.cells import HiddenState
from nmt.layers.gru import GRUCell

B, T, D, H = 3, 5, 4, 6


def pair() -> tuple[GRUCell, nn.GRU]:
    """Return ours and torch's with the same weights."""
    ours = GRUCell(D, H).double()
    nn.init.normal_(ours.recurrent_proj.bias)
    nn.init.normal_(ours.bias_n)
    theirs = nn.GRU(D, H, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(
        {
            "weight_ih_l0": ours.input_proj.weight.detach(),
            "weight_hh_l0": ours.recurrent_proj.weight.detach(),
            "bias_ih_l0": torch.cat([torch.zeros(2 * H, dtype=torch.float64), ours.bias_n.detach()]),
            "bias_hh_l0": ours.recurrent_proj.bias.detach(),
        }
    )
    return ours, theirs


def unroll(ours: GRUCell, x: Tensor, state: HiddenState) -> Tensor:
    outputs = []
    for projected in ours.project(x).unbind(1):
        y, state = ours.step(projected, state)
        outputs.append(y)
    return torch.stack(outputs, dim=1)


def test_step_and_sequence_are_torchs() -> None:
    ours, theirs = pair()
    x, h = torch.randn(B, T, D, dtype=torch.float64), torch.randn(B, H, dtype=torch.float64)
    expected = theirs(x, h.unsqueeze(0))[0]
    torch.testing.assert_close(ours(x, HiddenState(h))[0], expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(unroll(ours, x, HiddenState(h)), expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=0, atol=1e-10)


def test_gradients_are_torchs() -> None:
    ours, theirs = pair()
    x, h = torch.randn(B, T, D, dtype=torch.float64), torch.randn(B, H, dtype=torch.float64)
    weight = torch.randn(B, T, H, dtype=torch.float64)
    (theirs(x, h.unsqueeze(0))[0] * weight).sum().backward()
    expected = (theirs.weight_ih_l0.grad, theirs.weight_hh_l0.grad, theirs.bias_hh_l0.grad)
    assert isinstance(theirs.bias_ih_l0.grad, Tensor)
    for run in (lambda x, state: ours(x, state)[0], lambda x, state: unroll(ours, x, state)):
        found = torch.autograd.grad(
            (run(x, HiddenState(h)) * weight).sum(),
            [ours.input_proj.weight, ours.recurrent_proj.weight, ours.recurrent_proj.bias, ours.bias_n],
        )
        torch.testing.assert_close(found, (*expected, theirs.bias_ih_l0.grad[2 * H :]), rtol=0, atol=1e-10)


def test_the_reset_gate_leaves_step_inputs_alone() -> None:
    """With r = 0 nothing of h reaches the candidate, and all of what came step_input."""
    ours = GRUCell(0, H, 2).double()
    with torch.no_grad():
        ours.recurrent_proj.bias[: 2 * H] = -1e3  # r = z = 0, so h' = n
    step_input, h = torch.randn(B, 2, dtype=torch.float64), torch.randn(B, H, dtype=torch.float64)
    y, _ = ours.step(None, HiddenState(h), step_input)
    torch.testing.assert_close(
        y, torch.tanh(step_input @ ours.step_input_proj.weight[2 * H :].mT), rtol=0, atol=1e-10
    )


def test_fresh_gates_have_orthogonal_matrices() -> None:
    for gate in GRUCell(D, H, 2).recurrent_proj.weight.chunk(3):
        torch.testing.assert_close(gate @ gate.mT, torch.eye(H))


def test_h_is_kept_in_the_weights_own_precision() -> None:
    ours = GRUCell(D, H)
    with torch.autocast("cpu", torch.bfloat16):
        y, state = ours.step(
            ours.project(torch.randn(B, D)), ours.initial_state(torch.randn(B, H, dtype=torch.bfloat16))
        )
    assert (y.dtype, state.h.dtype) == (torch.bfloat16, torch.float32)
