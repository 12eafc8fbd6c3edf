"""nmt.objectives: torch's label-smoothed cross-entropy is the reference, whatever the chunks."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.heads import TiedHead
from nmt.objectives.chunks import sum_over_chunks
from nmt.objectives.cross_entropy import FIGURES, cross_entropy
from nmt.objectives.objective import Loss
from nmt.objectives.teacher_forcing import TeacherForced
from nmt.objectives.token_loss import loss_over_tokens

B, Ty, H, V = 3, 5, 4, 7
MASK = torch.arange(Ty) < torch.tensor([5, 2, 3]).unsqueeze(1)


def case() -> tuple[Tensor, nn.Linear, Tensor]:
    features = torch.randn(B, Ty, H, dtype=torch.float64, requires_grad=True)
    return features, nn.Linear(H, V, dtype=torch.float64), torch.randint(V, (B, Ty))


def smoothed(
    features: Tensor, head: nn.Module, targets: Tensor, mask: Tensor, *, smoothing: float, chunk: int = 512
) -> Loss:
    forced = TeacherForced(features, head, targets, mask, features.new_zeros(()))
    loss_of_rows = partial(cross_entropy, smoothing=smoothing)
    return loss_over_tokens(forced, loss_of_rows, FIGURES, chunk=chunk)


class Watching(nn.Module):
    """A head that remembers how many rows it was given each time."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head
        self.seen: list[int] = []

    def forward(self, rows: Tensor) -> Tensor:
        self.seen.append(len(rows))
        return self.head(rows)


@pytest.mark.parametrize("rows", [1, 4, 10, 512])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_it_is_torchs_times_the_tokens(smoothing: float, rows: int) -> None:
    features, head, targets = case()
    found = smoothed(features, head, targets, MASK, smoothing=smoothing, chunk=rows)
    logits, wanted = head(features)[MASK], targets[MASK]
    expected = F.cross_entropy(logits, wanted, label_smoothing=smoothing, reduction="sum")
    nll = F.cross_entropy(logits, wanted, reduction="sum")
    torch.testing.assert_close(found.sum, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.figures["nll"], nll.detach(), rtol=0, atol=1e-10)
    assert found.count == 10
    leaves = (features, head.weight, head.bias)
    torch.testing.assert_close(
        torch.autograd.grad(3.0 * found.sum, leaves),
        torch.autograd.grad(3.0 * expected, leaves),
        rtol=0,
        atol=1e-10,
    )


@pytest.mark.parametrize("rows", [4, 512])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_gradients_pass_gradcheck(smoothing: float, rows: int) -> None:
    features, head, targets = case()

    def loss(features: Tensor, *_: Tensor) -> Tensor:
        return smoothed(features, head, targets, MASK, smoothing=smoothing, chunk=rows).sum

    assert torch.autograd.gradcheck(loss, (features, head.weight, head.bias))


def test_padding_is_not_even_computed() -> None:
    features, head, targets = case()
    watching = Watching(head)
    plain = smoothed(features, watching, targets, MASK, smoothing=0.1)
    garbage = torch.where(MASK.unsqueeze(-1), features, float("nan"))
    other = smoothed(garbage, watching, targets.where(MASK, V - 1), MASK, smoothing=0.1)
    assert watching.seen == [10, 10]
    assert (other.sum, other.figures["nll"]) == (plain.sum, plain.figures["nll"])


@pytest.mark.parametrize("learning", [True, False])
def test_the_logits_are_there_a_piece_at_a_time(learning: bool) -> None:
    features, head, targets = case()
    watching = Watching(head)
    with torch.set_grad_enabled(learning):
        smoothed(features, watching, targets, MASK, smoothing=0.1, chunk=4)
    assert watching.seen == [4, 4, 2]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_the_numbers_are_the_same(mode: type) -> None:
    features, head, targets = case()
    expected = smoothed(features, head, targets, MASK, smoothing=0.1, chunk=4)
    with mode():
        found = smoothed(features * 1, head, targets, MASK, smoothing=0.1, chunk=4)
    assert not found.sum.requires_grad
    assert found.sum.item() == expected.sum.item()
    assert found.figures["nll"].item() == expected.figures["nll"].item()


def test_a_tied_embedding_learns_from_both_sides() -> None:
    _, _, targets = case()
    embedding = nn.Embedding(V, 3, dtype=torch.float64)
    head = TiedHead(3, embedding).double()
    features = torch.tanh(embedding(targets))
    found = smoothed(features, head, targets, MASK, smoothing=0.1, chunk=4).sum
    expected = F.cross_entropy(head(features)[MASK], targets[MASK], label_smoothing=0.1, reduction="sum")
    leaves = list(head.parameters())
    wanted = torch.autograd.grad(expected, leaves, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(found, leaves), wanted, rtol=0, atol=1e-10)


def test_frozen_parts_stay_frozen() -> None:
    features, head, targets = case()
    head.weight.requires_grad_(False)
    smoothed(features.detach(), head, targets, MASK, smoothing=0.1).sum.backward()
    logits = head(features.detach())[MASK]
    expected = F.cross_entropy(logits, targets[MASK], label_smoothing=0.1, reduction="sum")
    assert head.weight.grad is None
    assert head.bias.grad is not None
    torch.testing.assert_close(
        head.bias.grad, torch.autograd.grad(expected, head.bias)[0], rtol=0, atol=1e-10
    )


def test_under_autocast_many_pieces_are_added_in_float32() -> None:
    """Each piece's share is 1/500 of the whole: added in bfloat16, it would be lost."""
    head, targets, mask = nn.Linear(16, V), torch.zeros(1, 2000, dtype=torch.int64), torch.ones(1, 2000) > 0
    features = 1 + 0.1 * torch.randn(1, 2000, 16).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = smoothed(features, head, targets, mask, smoothing=0.1, chunk=4)
    expected = F.cross_entropy(head(features)[0], targets[0], label_smoothing=0.1, reduction="sum")
    torch.testing.assert_close(found.sum, expected, rtol=5e-3, atol=0)
    leaves = (features, head.weight, head.bias)
    wanted = torch.autograd.grad(expected, leaves, retain_graph=True)
    for share, exact in zip(torch.autograd.grad(found.sum, leaves), wanted, strict=True):
        assert share.dtype == torch.float32
        assert (share - exact).norm() <= 0.01 * exact.norm()


def test_a_loss_can_be_differentiated_twice_over() -> None:
    """retain_graph: what was formed on the way is not used up."""
    features, head, targets = case()
    found = smoothed(features, head, targets, MASK, smoothing=0.1)
    leaves = (features, head.weight, head.bias)
    first = torch.autograd.grad(found.sum, leaves, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(found.sum, leaves), first, rtol=0, atol=0)


def test_pieces_add_up_to_the_whole() -> None:
    features, head, targets = case()

    def piece(part: slice) -> Loss:
        return smoothed(features[part], head, targets[part], MASK[part], smoothing=0.1)

    whole, parts = piece(slice(None)), [piece(slice(b, b + 1)) for b in range(B)]
    torch.testing.assert_close(sum(p.sum for p in parts), whole.sum, rtol=0, atol=1e-12)
    torch.testing.assert_close(sum(p.figures["nll"] for p in parts), whole.figures["nll"], rtol=0, atol=1e-12)
    assert sum(p.count for p in parts) == whole.count


def test_nothing_real_costs_nothing() -> None:
    features, head, targets = case()
    found = smoothed(features, head, targets, torch.zeros_like(MASK), smoothing=0.1)
    found.sum.backward()
    assert (found.sum.item(), found.figures["nll"].item(), found.count) == (0.0, 0.0, 0)
    assert features.grad is not None
    assert not features.grad.any()


def test_bfloat16_logits_are_summed_in_float32() -> None:
    """Given the same bf16 logits, the loss is exact to 1e-5 and the gradient to bf16's own step."""
    logits = (4 * torch.randn(40, 3000)).bfloat16().requires_grad_()
    targets, mask = torch.randint(3000, (1, 40)), torch.ones(1, 40, dtype=torch.bool)
    found = smoothed(logits.unsqueeze(0), nn.Identity(), targets, mask, smoothing=0.1)
    exact = logits.detach().double().requires_grad_()
    expected = F.cross_entropy(exact, targets[0], label_smoothing=0.1, reduction="sum")
    assert found.sum.dtype == torch.float32
    torch.testing.assert_close(found.sum.double(), expected, rtol=1e-5, atol=0)
    found.sum.backward()
    expected.backward()
    assert logits.grad is not None
    assert exact.grad is not None
    assert logits.grad.dtype == torch.bfloat16
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=2**-8, atol=1e-7)


def test_large_logits_stay_finite() -> None:
    logits = torch.tensor([[[1e4, -1e4, 0.0]]], requires_grad=True)
    mask = torch.ones(1, 1, dtype=torch.bool)
    found = smoothed(logits, nn.Identity(), torch.tensor([[1]]), mask, smoothing=0.0)
    found.sum.backward()
    assert found.sum.item() == 2e4
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == [1.0, -1.0, 0.0]


def test_a_second_derivative_is_refused_and_not_wrong() -> None:
    features, head, targets = case()
    found = smoothed(features, head, targets, MASK, smoothing=0.1)
    with pytest.raises(NotImplementedError, match="no second derivative"):
        torch.autograd.grad(found.sum, features, create_graph=True)


def test_any_loss_of_the_logits_fits_in_chunks() -> None:
    """A consistency loss over pairs of rows: the divergence of one prediction from another."""
    features = torch.randn(11, 2, H, dtype=torch.float64, requires_grad=True)  # (n, 2, H)
    head = nn.Linear(H, V, dtype=torch.float64)

    def divergence(logits: Tensor, weights: Tensor) -> Tensor:
        p, q = logits.log_softmax(-1).unbind(dim=1)  # (n, V)
        each = (F.kl_div(q, p, log_target=True, reduction="none")).sum(-1)
        return torch.stack([(weights * each).sum(), each.sum()])

    weights = torch.rand(11, dtype=torch.float64)
    found, plain = sum_over_chunks(divergence, features, head, weights, chunk=4).unbind()
    expected = divergence(head(features), weights)
    torch.testing.assert_close(torch.stack([found, plain]), expected, rtol=0, atol=1e-12)
    leaves = (features, head.weight, head.bias)
    torch.testing.assert_close(
        torch.autograd.grad(found, leaves), torch.autograd.grad(expected[0], leaves), rtol=0, atol=1e-12
    )
