"""nmt.layers.sru: against a slow reading of Lei et al. 2018 in NumPy. Contracts: tests/contracts."""

import numpy as np
import pytest
import torch
from torch import nn

from nmt.layers.sru import SRUCell, SRUState

B, T, H = 3, 5, 6
Array = np.ndarray


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def reading(w: dict[str, Array], x: Array, c: Array, *, passes_on: bool) -> tuple[Array, Array]:
    """Eq. 1 to 4 with the scaling of §3.2: outputs and last c of one sentence."""
    rows = np.split(w["weight"], 3 if passes_on else 4)
    (v_f, v_r), (b_f, b_r) = np.split(w["weight_c"], 2), np.split(w["bias"], 2)
    outputs = []
    for x_t in x:
        f = sigmoid(rows[0] @ x_t + v_f * c + b_f)
        r = sigmoid(rows[1] @ x_t + v_r * c + b_r)
        c = f * c + (1 - f) * (rows[2] @ x_t)
        outputs.append(r * c + (1 - r) * (np.sqrt(3) * x_t if passes_on else rows[3] @ x_t))
    return np.stack(outputs), c


@pytest.mark.parametrize(
    ("input_size", "step_input_size"), [(4, 0), (H, 0), (4, 2), (H, 2), (0, H), (0, 3), (4, H)]
)
def test_against_the_paper(input_size: int, step_input_size: int) -> None:
    cell = SRUCell(input_size, H, step_input_size).double()
    for parameter in cell.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(B, T, input_size, dtype=torch.float64)
    step_input = torch.randn(B, T, step_input_size, dtype=torch.float64)
    start = SRUState(torch.randn(B, H, dtype=torch.float64))
    outputs, state = [], start
    for t in range(T):
        projected = cell.project(x[:, t]) if input_size else None
        y, state = cell.step(projected, state, step_input[:, t] if step_input_size else None)
        outputs.append(y)
    weights = {name: p.detach().numpy() for name, p in cell.named_parameters()}
    parts = [weights[name] for name in ("input_proj.weight", "step_input_proj.weight") if name in weights]
    weights["weight"] = np.concatenate(parts, axis=1)
    passes_on = sorted((input_size, step_input_size)) == [0, H]
    for b in range(B):
        together = torch.cat([x, step_input], dim=-1)[b].numpy()
        expected, last = reading(weights, together, start.c[b].numpy(), passes_on=passes_on)
        np.testing.assert_allclose(torch.stack(outputs, dim=1)[b].detach(), expected, rtol=0, atol=1e-10)
        np.testing.assert_allclose(state.c[b].detach(), last, rtol=0, atol=1e-10)
        if not step_input_size:
            np.testing.assert_allclose(cell(x, start)[0][b].detach(), expected, rtol=0, atol=1e-10)


def test_a_product_stands_for_x_only_where_the_widths_differ() -> None:
    assert SRUCell(H, H).input_proj.weight.shape == (3 * H, H)
    assert SRUCell(4, H).input_proj.weight.shape == (4 * H, 4)


def test_a_fresh_layer_keeps_the_variance_of_its_inputs() -> None:
    """§3.2: so that layer may stand upon layer."""
    x = torch.randn(64, 30, 256)
    for _ in range(3):
        x = SRUCell(256, 256)(x)[0]
        assert 0.6 < x[:, 10:].std() < 1.6


def test_c_is_kept_in_the_weights_own_precision() -> None:
    cell = SRUCell(4, H)
    with torch.autocast("cpu", torch.bfloat16):
        first = cell.initial_state(torch.randn(B, H, dtype=torch.bfloat16))
        y, state = cell.step(cell.project(torch.randn(B, 4)), first)
    assert (y.dtype, state.c.dtype) == (torch.bfloat16, torch.float32)
