"""nmt.objectives.distillation: against a plain reading of the paper."""

import pytest
import torch
from torch import nn

from nmt.objectives.distillation import Distillation
from nmt.objectives.teacher_forcing import translate_forced
from tests.objectives.support import batch_of_pairs, small_model


@pytest.mark.parametrize("count", [1, 2])
def test_it_is_the_papers_formula(count: int) -> None:
    model, batch = small_model(dropout=0.0), batch_of_pairs()
    teachers = [small_model(seed=2 + n).eval() for n in range(count)]
    found = Distillation(translate_forced, teachers, smoothing=0.1, weight=0.3)(model, batch)

    def logits(of: nn.Module) -> torch.Tensor:
        return of.head(translate_forced(of, batch).features)[batch.trg_mask]

    wanted, own = batch.trg_out[batch.trg_mask], logits(model)
    q = sum(logits(teacher).softmax(dim=-1) for teacher in teachers).detach() / count
    of_truth = nn.functional.cross_entropy(own, wanted, label_smoothing=0.1, reduction="sum")
    of_teachers = nn.functional.cross_entropy(own, q, reduction="sum")
    expected = 0.7 * of_truth + 0.3 * of_teachers
    torch.testing.assert_close(found.sum, expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.figures["teachers"], of_teachers.detach(), rtol=1e-6, atol=1e-6)
    leaves = tuple(model.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(found.sum, leaves), torch.autograd.grad(expected, leaves), rtol=1e-6, atol=1e-6
    )


def test_teachers_get_no_gradient() -> None:
    model, teacher = small_model(), small_model(seed=2).eval()
    Distillation(translate_forced, [teacher], smoothing=0.0, weight=1.0)(
        model, batch_of_pairs()
    ).sum.backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert any(
        parameter.grad.abs().sum() > 0 for parameter in model.parameters() if parameter.grad is not None
    )
