"""nmt.layers.activations against torch's own, and everything in a search that is taken number by number.

Where a number stands, in the body of vectors or behind the last whole one, must not show in its result.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nmt.decoding.candidates import LengthPenalty
from nmt.layers.activations import mean, sigmoid, sigmoid_, tanh, tanh_
from nmt.layers.attention import entmax15, softmax, sparsemax
from nmt.layers.cells import Cell, LSTMCell
from nmt.layers.gru import GRUCell
from nmt.layers.ln_lstm import LayerNormLSTMCell
from nmt.layers.sru import SRUCell

X = torch.cat([torch.linspace(-12, 12, 5001), torch.tensor([0.0, 1e-20, -1e-4, 100.0, -1000.0])]).double()
PRECISIONS = [torch.float32, torch.float64, torch.bfloat16]
WIDE = [torch.float32, torch.float64]
LARGEST = 40
precisions = pytest.mark.parametrize("dtype", PRECISIONS, ids=str)
wide = pytest.mark.parametrize("dtype", WIDE, ids=str)


@pytest.mark.parametrize(
    ("dtype", "atol"), [(torch.float64, 0.0), (torch.float32, 2e-7), (torch.bfloat16, 4e-3)]
)
def test_tanh_in_training_and_in_inference(dtype: torch.dtype, atol: float) -> None:
    x = X.to(dtype, copy=True)
    expected = x.double().tanh()
    with torch.no_grad():  # as inside of an autograd function, which is training
        assert torch.equal(tanh(x), x.tanh())
    with torch.inference_mode():
        x = x.clone()
        assert (tanh(x).double() - expected).abs().max() <= atol
        before = x.clone()
        assert tanh_(x) is x
        assert torch.equal(x, tanh(before))


@pytest.mark.parametrize(
    ("dtype", "atol"), [(torch.float64, 1e-15), (torch.float32, 1e-7), (torch.bfloat16, 4e-3)]
)
def test_sigmoid_in_training_and_in_inference(dtype: torch.dtype, atol: float) -> None:
    x = X.to(dtype, copy=True)
    expected = x.double().sigmoid()
    with torch.no_grad():
        assert torch.equal(sigmoid_(x.clone()), x.sigmoid())
        assert torch.equal(sigmoid(x), x.sigmoid())
    with torch.inference_mode():
        x = x.clone()
        found = sigmoid(x)
        assert sigmoid_(x) is x
        assert torch.equal(x, found)
        assert (x.double() - expected).abs().max() <= atol


BY_NUMBER: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": sigmoid,
    "sigmoid_": lambda x: sigmoid_(x.clone()),
    "tanh": tanh,
    "tanh_": lambda x: tanh_(x.clone()),
    "torch.tanh": torch.tanh,  # of the bridge and the lexical head
    "relu": torch.relu,
    "exp": torch.exp,
    "log": lambda x: x.abs().add(1e-3).log(),
    "round": torch.round,
    "divide": lambda x: x / 1.7,
    "scale": lambda x: (x * 0.37).add(0.7),
    "addcmul": lambda x: torch.addcmul(x * 0.3, x, x * 1.3),
    "lerp": lambda x: torch.lerp(x, x * 1.7, x.abs().clamp(max=1)),
    "gnmt": lambda x: LengthPenalty(0.6, 5.0)(-x.abs(), (x.abs() * 10).long() + 1),
    "mean": lambda x: mean([x, x * 0.3, x * 0.7, x * 1.1, x * 1.3]),
}


@precisions
@pytest.mark.parametrize("name", BY_NUMBER)
@torch.inference_mode()
def test_a_number_has_one_result_wherever_it_stands(name: str, dtype: torch.dtype) -> None:
    function = BY_NUMBER[name]
    x = (3 * torch.randn(2048)).to(dtype)
    alone = torch.cat([function(number.clone()) for number in x.split(1)])
    assert torch.equal(function(x), alone)
    for size in range(1, LARGEST + 1):
        for begin in range(1, len(x) - size, 41):  # even and odd, on and off the bounds of vectors
            assert torch.equal(function(x[begin : begin + size]), alone[begin : begin + size])
    strided = x.view(64, 32)[:, 3:26]
    assert torch.equal(function(strided), alone.view(64, 32)[:, 3:26])


ROWS = 9


def step_of(kind: type[Cell[Any]], gates: int, parts: int) -> Callable[[Tensor], Tensor]:
    """A cell's step of what stands side by side in rows: the projected input, then the state.

    The cell's matrices are identities, gate by gate, so that their products are exact; the rest is fixed.
    """

    def function(x: Tensor) -> Tensor:
        width = x.shape[1] // (gates + parts)
        cell = kind(width, width).to(x.dtype)
        for parameter in cell.parameters():
            rows = torch.eye(width, dtype=x.dtype).repeat(len(parameter) // width, 1)
            line = torch.linspace(-0.9, 1.1, parameter.numel(), dtype=x.dtype)
            parameter.copy_(rows if parameter.ndim == 2 else line)
        projected, *state = x.split([gates * width] + [width] * parts, dim=1)
        y, after = cell.step(projected, type(cell.initial_state(x))(*(part.contiguous() for part in state)))
        return torch.cat([y, *after], dim=1)

    return function


def layer_norm(x: Tensor) -> Tensor:
    gain, bias = (torch.linspace(low, 2, x.shape[1], dtype=x.dtype) for low in (0.5, -1))
    return F.layer_norm(x, x.shape[1:], gain, bias)


BY_ROW: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": softmax,
    "sparsemax": sparsemax,
    "entmax15": entmax15,
    "log_softmax": partial(torch.log_softmax, dim=-1),
    "layer_norm": layer_norm,
    "lstm": step_of(LSTMCell, 4, 2),
    "gru": step_of(GRUCell, 3, 1),
    "ln_lstm": step_of(LayerNormLSTMCell, 4, 2),
    "sru": step_of(SRUCell, 4, 1),
}


@wide
@pytest.mark.parametrize("name", BY_ROW)
@torch.inference_mode()
def test_a_row_has_one_result_whatever_stands_beside_it(name: str, dtype: torch.dtype) -> None:
    """Widths 1 to 40; of cells, whose gates stand side by side in a row, the width of a gate."""
    function, gates = BY_ROW[name], {"lstm": 6, "gru": 4, "ln_lstm": 6, "sru": 5}.get(name, 1)
    for width in range(1, LARGEST + 1):
        x = (3 * torch.randn(ROWS, gates * width)).to(dtype)
        together = function(x)
        for begin, end in [(0, 1), (1, 2), (1, 4), (3, ROWS), (ROWS - 1, ROWS)]:
            assert torch.equal(function(x[begin:end]), together[begin:end]), width
            assert torch.equal(function(x[begin:end].clone()), together[begin:end]), width
