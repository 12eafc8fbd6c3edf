"""nmt.layers.losses: torch's label-smoothed cross-entropy is the reference."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.losses import LossSum, smoothed_cross_entropy

B, Ty, H, V = 3, 5, 4, 7
MASK = torch.arange(Ty) < torch.tensor([5, 2, 3]).unsqueeze(1)


def case() -> tuple[Tensor, nn.Linear, Tensor]:
    features = torch.randn(B, Ty, H, dtype=torch.float64, requires_grad=True)
    return features, nn.Linear(H, V, dtype=torch.float64), torch.randint(V, (B, Ty))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_it_is_torchs_times_the_tokens(smoothing: float) -> None:
    features, head, targets = case()
    found = smoothed_cross_entropy(features, head, targets, MASK, smoothing=smoothing)
    logits, wanted = head(features)[MASK], targets[MASK]
    expected = F.cross_entropy(logits, wanted, label_smoothing=smoothing, reduction="sum")
    nll = F.cross_entropy(logits, wanted, reduction="sum")
    torch.testing.assert_close(found.loss, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.nll, nll.detach(), rtol=0, atol=1e-10)
    assert found.count == 10
    leaves = (features, head.weight, head.bias)
    torch.testing.assert_close(
        torch.autograd.grad(3.0 * found.loss, leaves),
        torch.autograd.grad(3.0 * expected, leaves),
        rtol=0,
        atol=1e-10,
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_gradients_pass_gradcheck(smoothing: float) -> None:
    features, head, targets = case()

    def loss(features: Tensor, *_: Tensor) -> Tensor:
        return smoothed_cross_entropy(features, head, targets, MASK, smoothing=smoothing).loss

    assert torch.autograd.gradcheck(loss, (features, head.weight, head.bias))


def test_padding_is_not_even_computed() -> None:
    features, head, targets = case()
    seen: list[int] = []

    def watching(rows: Tensor) -> Tensor:
        seen.append(len(rows))
        return head(rows)

    plain = smoothed_cross_entropy(features, watching, targets, MASK, smoothing=0.1)
    garbage = torch.where(MASK.unsqueeze(-1), features, float("nan"))
    other = smoothed_cross_entropy(garbage, watching, targets.where(MASK, V - 1), MASK, smoothing=0.1)
    assert seen == [10, 10]
    assert (other.loss, other.nll) == (plain.loss, plain.nll)


def test_pieces_add_up_to_the_whole() -> None:
    features, head, targets = case()

    def piece(part: slice) -> LossSum:
        return smoothed_cross_entropy(features[part], head, targets[part], MASK[part], smoothing=0.1)

    whole, parts = piece(slice(None)), [piece(slice(b, b + 1)) for b in range(B)]
    torch.testing.assert_close(sum(p.loss for p in parts), whole.loss, rtol=0, atol=1e-12)
    torch.testing.assert_close(sum(p.nll for p in parts), whole.nll, rtol=0, atol=1e-12)
    assert sum(p.count for p in parts) == whole.count


def test_nothing_real_costs_nothing() -> None:
    features, head, targets = case()
    found = smoothed_cross_entropy(features, head, targets, torch.zeros_like(MASK), smoothing=0.1)
    found.loss.backward()
    assert (found.loss.item(), found.nll.item(), found.count) == (0.0, 0.0, 0)
    assert features.grad is not None
    assert not features.grad.any()


def test_bfloat16_logits_are_summed_in_float32() -> None:
    """Given the same bf16 logits, the loss is exact to 1e-5 and the gradient to bf16's own step."""
    logits = (4 * torch.randn(40, 3000)).bfloat16().requires_grad_()
    targets, mask = torch.randint(3000, (1, 40)), torch.ones(1, 40, dtype=torch.bool)
    found = smoothed_cross_entropy(logits.unsqueeze(0), lambda rows: rows, targets, mask, smoothing=0.1)
    exact = logits.detach().double().requires_grad_()
    expected = F.cross_entropy(exact, targets[0], label_smoothing=0.1, reduction="sum")
    assert found.loss.dtype == torch.float32
    torch.testing.assert_close(found.loss.double(), expected, rtol=1e-5, atol=0)
    found.loss.backward()
    expected.backward()
    assert logits.grad is not None
    assert exact.grad is not None
    assert logits.grad.dtype == torch.bfloat16
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=2**-8, atol=1e-7)


def test_large_logits_stay_finite() -> None:
    logits = torch.tensor([[[1e4, -1e4, 0.0]]], requires_grad=True)
    mask = torch.ones(1, 1, dtype=torch.bool)
    found = smoothed_cross_entropy(logits, lambda rows: rows, torch.tensor([[1]]), mask, smoothing=0.0)
    found.loss.backward()
    assert found.loss.item() == 2e4
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == [1.0, -1.0, 0.0]


def test_a_second_derivative_is_refused_and_not_wrong() -> None:
    features, head, targets = case()
    found = smoothed_cross_entropy(features, head, targets, MASK, smoothing=0.1)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        torch.autograd.grad(found.loss, features, create_graph=True)
