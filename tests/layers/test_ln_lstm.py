"""nmt.layers.ln_lstm: against a slow reading of Ba et al. 2016 in NumPy. Contracts: tests/contracts."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nmt.layers.cells import LSTMState
from nmt.layers.ln_lstm import LayerNormLSTMCell

B, T, D, L, H = 3, 5, 4, 2, 6
Array = np.ndarray


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def normalised(x: Array, gain: Array, bias: Array | float) -> Array:
    """Eq. 4: LN(x; α, β) of one vector."""
    return gain * (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).mean() + 1e-5) + bias


def reading(
    w: dict[str, Array], x: Array, step_input: Array, h: Array, c: Array
) -> tuple[Array, Array, Array]:
    """Eq. 20 to 22 of the paper: outputs, last h and c of one sentence."""
    outputs = []
    for x_t, step_input_t in zip(x, step_input, strict=True):
        a = normalised(w["input_proj.weight"] @ x_t, w["input_norm.weight"], 0.0)
        a = a + normalised(
            w["recurrent_proj.weight"] @ np.concatenate([step_input_t, h]),
            w["recurrent_norm.weight"],
            w["recurrent_norm.bias"],
        )
        i, f, g, o = np.split(a, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(normalised(c, w["cell_norm.weight"], w["cell_norm.bias"]))
        outputs.append(h)
    return np.stack(outputs), h, c


@pytest.mark.parametrize("step_input_size", [0, L])
def test_against_the_paper(step_input_size: int) -> None:
    cell: Any = LayerNormLSTMCell(D, H, step_input_size).double()
    for parameter in cell.parameters():
        nn.init.normal_(parameter)
    x, step_input = (
        torch.randn(B, T, D, dtype=torch.float64),
        torch.randn(B, T, step_input_size, dtype=torch.float64),
    )
    state = LSTMState(*torch.randn(2, B, H, dtype=torch.float64))
    outputs, after = [], state
    for t, projected in enumerate(cell.project(x).unbind(1)):
        y, after = cell.step(projected, after, step_input[:, t] if step_input_size else None)
        outputs.append(y)
    found = [torch.stack(outputs, dim=1), *after]
    weights = {name: p.detach().numpy() for name, p in cell.named_parameters()}
    for b in range(B):
        sentence = (x[b].numpy(), step_input[b].numpy(), *(part[b].numpy() for part in state))
        for part, expected in zip(found, reading(weights, *sentence), strict=True):
            np.testing.assert_allclose(part[b].detach(), expected, rtol=0, atol=1e-10)
        if not step_input_size:
            expected = reading(weights, *sentence)[0]
            np.testing.assert_allclose(cell(x, state)[0][b].detach(), expected, rtol=0, atol=1e-10)


def test_the_scale_of_the_products_is_no_matter() -> None:
    cell = LayerNormLSTMCell(D, H).double()
    x = torch.randn(B, T, D, dtype=torch.float64)
    before = cell(x)[0]
    with torch.no_grad():
        cell.input_proj.weight.mul_(1e3)
    torch.testing.assert_close(cell(x)[0], before, rtol=0, atol=1e-3)  # but for what is added to a variance
    with torch.no_grad():
        cell.input_proj.weight.div_(1e3)
        cell.input_norm.weight.mul_(2)
    assert (cell(x)[0] - before).abs().max() > 1e-2
