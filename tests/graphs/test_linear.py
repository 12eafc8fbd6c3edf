"""nmt.graphs.linear: 8-bit products are exact and of each row by itself."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import nn

from nmt.graphs.graph import LARGEST, Graph, Precision, Value
from nmt.graphs.linear import linear

IN, OUT = 192, 128


def run(layer: nn.Linear, x: NDArray[np.float32], precision: Precision, *, bounded: bool) -> NDArray[Any]:
    g = Graph(precision)
    y = linear(g, Value("x", g, bounded=bounded), layer)
    model = g.model([("x", TensorProto.FLOAT, ("N", IN))], [(y, "y", TensorProto.FLOAT)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: NDArray[Any] = session.run(None, {"x": x})[0]
    return found


def layer_of(weight: NDArray[np.float32]) -> nn.Linear:
    layer = nn.Linear(IN, OUT, bias=False)
    layer.weight = nn.Parameter(torch.from_numpy(weight))
    return layer


@pytest.mark.parametrize("fill", ["largest", "signs", "random"])
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_products_of_extreme_numbers_are_exact(fill: str, rows: int) -> None:
    """u8 · s8 saturates on a CPU without VNNI where weights go beyond 64; random ones seldom show it."""
    numbers = np.random.default_rng(1)
    weight, x = np.ones((OUT, IN), np.float32), np.ones((rows, IN), np.float32)
    if fill == "signs":
        weight *= np.where(numbers.random((OUT, IN)) < 0.5, -1, 1).astype(np.float32)
    elif fill == "random":
        weight = (numbers.integers(-LARGEST, LARGEST + 1, (OUT, IN)) / LARGEST).astype(np.float32)
        weight[:, 0] = 1  # every row of W has the same scale
        x = (numbers.integers(-127, 128, (rows, IN)) / 127).astype(np.float32)
    integers = np.rint(x.astype(np.float64) * 127) @ np.rint(weight.astype(np.float64) * LARGEST).T
    found = run(layer_of(weight), x, "int8", bounded=True)
    np.testing.assert_allclose(found, integers / (127 * LARGEST), rtol=3e-7, atol=1e-6)


@pytest.mark.parametrize("bounded", [True, False])
def test_int8_is_near_float32(bounded: bool) -> None:
    torch.manual_seed(1)
    layer = nn.Linear(IN, OUT)
    x = (torch.rand(9, IN) * 2 - 1) * torch.tensor([[1.0 if bounded else 10.0**k] for k in range(9)])
    expected = layer(x).detach().numpy()
    found = run(layer, x.numpy(), "int8", bounded=bounded)
    error = np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)
    assert error.max() < 0.03
    np.testing.assert_allclose(
        run(layer, x.numpy(), "float32", bounded=bounded), expected, rtol=1e-4, atol=1e-5
    )


def test_small_matrices_stay_in_float32() -> None:
    layer = nn.Linear(IN, 3)
    x = torch.rand(2, IN)
    np.testing.assert_allclose(
        run(layer, x.numpy(), "int8", bounded=True), layer(x).detach().numpy(), rtol=1e-4, atol=1e-5
    )
