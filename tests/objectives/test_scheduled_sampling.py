"""nmt.objectives.scheduled_sampling: what is read, and what has the gradient."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from nmt.machine import has_bfloat16
from nmt.objectives.scheduled_sampling import ScheduledSampling
from nmt.objectives.teacher_forcing import translate_forced
from tests.objectives.support import batch_of_pairs, small_model


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_it_is_cross_entropy_after_mixed_inputs(rate: float) -> None:
    model, batch = small_model(dropout=0.0), batch_of_pairs()
    found = ScheduledSampling(translate_forced, smoothing=0.1, rate=rate)(model, batch)
    first = model.head(translate_forced(model, batch).features)
    trg_in = batch.trg_in
    if rate:
        trg_in = torch.cat([trg_in[:, :1], first.argmax(dim=-1)[:, :-1]], dim=1)
    logits = model.head(translate_forced(model, replace(batch, trg_in=trg_in)).features)[batch.trg_mask]
    wanted = batch.trg_out[batch.trg_mask]
    expected = nn.functional.cross_entropy(logits, wanted, label_smoothing=0.1, reduction="sum")
    torch.testing.assert_close(found.sum, expected)
    nll, forced = (
        nn.functional.cross_entropy(each, wanted, reduction="sum").detach()
        for each in (logits, first[batch.trg_mask])
    )
    torch.testing.assert_close(found.figures["exposure_gap"], nll - forced)
    leaves = tuple(model.parameters())
    torch.testing.assert_close(torch.autograd.grad(found.sum, leaves), torch.autograd.grad(expected, leaves))


def test_a_fraction_of_the_inputs_is_the_models() -> None:
    model, batch, read = small_model(dropout=0.0), batch_of_pairs(), []

    def forward(model, batch):  # type: ignore[no-untyped-def]
        read.append(batch.trg_in)
        return translate_forced(model, batch)

    objective = ScheduledSampling(forward, smoothing=0.0, rate=0.5)
    for _ in range(50):
        objective(model, batch)
    before = torch.stack(read[::2]), torch.stack(read[1::2])
    changed = (before[0] != before[1])[:, :, 1:].double().mean()
    own = (
        batch.trg_in[:, 1:] != model.head(translate_forced(model, batch).features).argmax(-1)[:, :-1]
    ).double()
    assert changed == pytest.approx(0.5 * own.mean().item(), abs=0.08)


@pytest.mark.skipif(not has_bfloat16(), reason="this CPU has no bfloat16")
def test_weights_get_their_gradient_under_autocast() -> None:
    model, batch = small_model(dropout=0.0).float(), batch_of_pairs()
    with torch.autocast("cpu", torch.bfloat16):
        found = ScheduledSampling(translate_forced, smoothing=0.0, rate=0.5)(model, batch)
    found.sum.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
