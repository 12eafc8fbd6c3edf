"""nmt.layers.activations against torch's own, whichever way they are computed."""

import pytest
import torch

from nmt.layers.activations import tanh, tanh_

X = torch.cat([torch.linspace(-12, 12, 5001), torch.tensor([0.0, 1e-20, -1e-4, 100.0, -1000.0])]).double()


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


def test_in_float32_a_number_of_its_own_has_one_result_wherever_it_stands() -> None:
    x = torch.randn(1000)
    with torch.inference_mode():
        assert torch.equal(torch.cat([tanh(part) for part in x.split([1, 7, 16, 976])]), tanh(x))
