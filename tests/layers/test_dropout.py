"""Dropout by random bytes."""

import pytest
import torch

from nmt.layers.dropout import dropout


@pytest.mark.parametrize("share", [0.1, 0.25, 0.4, 0.9])
def test_the_share_is_dropped_and_the_mean_stays(share: float) -> None:
    x = torch.ones(500, 401, dtype=torch.float64)
    y = dropout(x, share, training=True)
    assert (y == 0).double().mean().item() == pytest.approx(share, abs=0.005)
    assert y.mean().item() == pytest.approx(1.0, abs=0.02)
    assert len(y.unique()) == 2


def test_nothing_is_dropped_in_evaluation_or_at_share_zero() -> None:
    x = torch.randn(3, 5)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x


def test_the_same_seed_drops_the_same_elements_and_the_next_draw_others() -> None:
    x = torch.ones(50, 50)
    torch.manual_seed(3)
    first, second = dropout(x, 0.3, training=True), dropout(x, 0.3, training=True)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(x, 0.3, training=True))
    assert not torch.equal(first, second)


def test_the_gradient_passes_where_the_element_does() -> None:
    x = torch.randn(7, 9, dtype=torch.float64).t().requires_grad_()  # not contiguous
    y = dropout(x, 0.5, training=True)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad * x.detach(), y.detach())
    assert (dropout(torch.ones(1000), 0.999999, training=True) <= 256).all()


def test_elements_are_dropped_independently_of_their_neighbours() -> None:
    y = dropout(torch.ones(200_000), 0.5, training=True).bool().double()
    for lag in (1, 2, 8):
        assert torch.corrcoef(torch.stack([y[:-lag], y[lag:]]))[0, 1].abs() < 0.02
