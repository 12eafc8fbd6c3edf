"""nmt.objectives.minimum_risk: value and gradient against a plain reading of the paper."""

import pytest
import torch

from nmt.data.batches import Batch
from nmt.machine import has_bfloat16
from nmt.models import Seq2Seq, Source
from nmt.objectives.minimum_risk import Ids, MinimumRisk
from nmt.tokenization.vocabulary import BOS, EOS
from tests.objectives.support import batch_of_pairs, small_model

SAMPLED = [
    [[4, 5], [7], [7]],
    [[6, 7], [8]],
    [[4], [5, 5, 5]],
]  # of the first, one is the truth, one is twice
SETS = [[[4, 5], [7]], [[6, 7, 8, 9], [6, 7], [8]], [[], [4], [5, 5, 5]]]
SHARPNESS = 0.3


def risk(ids: Ids, reference: Ids) -> float:
    return len(set(ids) ^ set(reference)) / 10


def sampler(model: Seq2Seq, batch: Batch) -> list[list[Ids]]:
    return SAMPLED


def log_prob(model: Seq2Seq, source: list[int], ids: Ids) -> torch.Tensor:
    """Of one sentence by itself."""
    src = torch.tensor([[*source, EOS]])
    output = model(Source(src, torch.tensor([src.shape[1]])), torch.tensor([[BOS, *ids]]))
    log_probs = model.head(output.features)[0].log_softmax(dim=-1)
    return torch.stack([log_probs[t, token] for t, token in enumerate([*ids, EOS])]).sum()


def test_value_and_gradient_are_the_papers() -> None:
    model, batch = small_model(dropout=0.0), batch_of_pairs()
    found = MinimumRisk(sampler, risk, sharpness=SHARPNESS)(model, batch)
    sources, truth = [[5, 6, 7], [8], [9, 10]], [[4, 5], [6, 7, 8, 9], []]
    total = torch.zeros((), dtype=torch.float64)
    for source, reference, candidates in zip(sources, truth, SETS, strict=True):
        scores = torch.stack([log_prob(model, source, ids) for ids in candidates])
        q = (SHARPNESS * scores).exp() / (SHARPNESS * scores).exp().sum()
        total = total + (q * torch.tensor([risk(ids, reference) for ids in candidates])).sum()
    expected = total / 3 * found.count  # the mean over the sentences, times the tokens
    assert found.count == 3 + 5 + 1
    torch.testing.assert_close(found.sum, expected)
    nll = -sum(log_prob(model, source, ids) for source, ids in zip(sources, truth, strict=True))
    torch.testing.assert_close(found.figures["nll"], nll.detach())
    leaves = tuple(model.parameters())
    torch.testing.assert_close(torch.autograd.grad(found.sum, leaves), torch.autograd.grad(expected, leaves))


def test_it_lowers_the_risk() -> None:
    model, batch = small_model(dropout=0.0), batch_of_pairs()
    objective = MinimumRisk(sampler, risk, sharpness=1.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    risks = []
    for _ in range(60):
        loss = objective(model, batch)
        optimizer.zero_grad()
        loss.sum.backward()
        optimizer.step()
        risks.append(loss.sum.item() / loss.count)
    assert risks[-1] < 0.5 * risks[0]


def test_a_candidate_alone_has_no_gradient() -> None:
    model, batch = small_model(dropout=0.0), batch_of_pairs()
    found = MinimumRisk(lambda *_: [[], [], []], risk, sharpness=1.0)(model, batch)
    found.sum.backward()
    assert found.sum.item() == 0
    assert all((parameter.grad == 0).all() for parameter in model.parameters() if parameter.grad is not None)


@pytest.mark.skipif(not has_bfloat16(), reason="this CPU has no bfloat16")
def test_weights_get_their_gradient_under_autocast() -> None:
    model, batch = small_model(dropout=0.0).float(), batch_of_pairs()
    with torch.autocast("cpu", torch.bfloat16):
        found = MinimumRisk(sampler, risk, sharpness=1.0)(model, batch)
    found.sum.backward()
    assert sum(parameter.grad.abs().sum() for parameter in model.parameters()) > 0
