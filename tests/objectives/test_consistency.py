"""nmt.objectives.consistency: against a plain reading of both papers."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from nmt.data.batches import Batch
from nmt.objectives.consistency import Consistency, consistency, cut_tokens
from nmt.objectives.teacher_forcing import TeacherForced, translate_forced
from tests.objectives.support import batch_of_pairs, small_model


def plain_kl(p: Tensor, q: Tensor) -> Tensor:
    return torch.stack([p[v] * (p[v].log() - q[v].log()) for v in range(len(p))]).sum()


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_it_is_the_papers_formula(smoothing: float, passes: int) -> None:
    logits = torch.randn(4, 2, 6, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 5, 2, 2])
    loss, nll, divergence = consistency(logits, targets, smoothing=smoothing, weight=3.0, passes=passes)
    p = logits.softmax(dim=-1)
    kl = sum((plain_kl(a, b) + plain_kl(b, a)) / 2 for a, b in p)
    of_passes = [
        nn.functional.cross_entropy(logits[:, n], targets, label_smoothing=smoothing, reduction="sum")
        for n in range(passes)
    ]
    expected = sum(of_passes) / passes + 3.0 * kl
    torch.testing.assert_close(loss, torch.as_tensor(expected))
    torch.testing.assert_close(divergence, torch.as_tensor(kl))
    torch.testing.assert_close(
        nll, sum(-p[torch.arange(4), n, targets].log().sum() for n in range(passes)) / passes
    )
    torch.testing.assert_close(*(torch.autograd.grad(each, logits)[0] for each in (loss, expected)))


def test_without_noise_it_is_cross_entropy() -> None:
    model, batch = small_model(dropout=0.0), batch_of_pairs()
    loss = partial(consistency, smoothing=0.1, weight=5.0, passes=2)
    found = Consistency(translate_forced, loss)(model, batch)
    logits = model.head(translate_forced(model, batch).features)[batch.trg_mask]
    wanted = batch.trg_out[batch.trg_mask]
    expected = nn.functional.cross_entropy(logits, wanted, label_smoothing=0.1, reduction="sum")
    torch.testing.assert_close(found.sum, expected)
    assert (found.count, found.figures["divergence"].item()) == (len(wanted), 0.0)


def test_the_gradient_goes_through_both_passes() -> None:
    features = [torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    head, targets = nn.Linear(4, 5, dtype=torch.float64), torch.randint(5, (2, 3))
    passes = iter(features)

    def forward(model: nn.Linear, batch: Batch) -> TeacherForced:
        each = next(passes)
        return TeacherForced(each, model, targets, torch.ones_like(targets).bool(), each.new_zeros(()))

    loss = partial(consistency, smoothing=0.0, weight=1.0, passes=1)
    found = Consistency(forward, loss)(head, batch_of_pairs())
    logits = torch.stack([head(each).flatten(0, 1) for each in reversed(features)], dim=1)
    expected = loss(logits, targets.flatten())[0]
    leaves = (*features, head.weight)
    torch.testing.assert_close(torch.autograd.grad(found.sum, leaves), torch.autograd.grad(expected, leaves))


def test_tokens_are_cut_in_the_context_alone() -> None:
    embedding = nn.Embedding(5, 3)
    ids = torch.randint(5, (40, 50))
    with cut_tokens(nn.Sequential(embedding), 0.25):
        cut = embedding(ids)
    zero = (cut == 0).all(dim=-1)
    assert 0.2 < zero.double().mean() < 0.3
    torch.testing.assert_close(cut[~zero], embedding(ids)[~zero])  # neither scaled, nor cut any more
