"""Distillation: a model learns the distributions of its teachers, token by token."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from nmt.data.batches import Batch
from nmt.objectives.cross_entropy import smoothed_nll
from nmt.objectives.log_probs import log_probs_of
from nmt.objectives.objective import Loss
from nmt.objectives.teacher_forcing import TeacherForced
from nmt.objectives.token_loss import loss_over_tokens
from nmt.shapes import Float, Int

M = TypeVar("M", bound=nn.Module)


class Distillation(Generic[M]):
    """Word-level distillation (Kim & Rush 2016, §3.1): (1 − w) · cross-entropy + w · Σ −q(v) log p(v).

    q is the mean of the teachers' distributions (an ensemble). The cross-entropy is smoothed.

    forward: gives features and targets of a batch, as the kind of model has them. teachers: models in
    evaluation mode, which read the same ids. smoothing: as in `smoothed_nll`. weight: w.
    """

    figures: tuple[str, ...] = ("nll", "teachers")  # the second: Σ −q(v) log p(v)

    def __init__(
        self,
        forward: Callable[[M, Batch], TeacherForced],
        teachers: Sequence[M],
        *,
        smoothing: float,
        weight: float,
    ) -> None:
        self.forward, self.teachers = forward, tuple(teachers)
        self.smoothing, self.weight = smoothing, weight

    def __call__(self, model: M, batch: Batch) -> Loss:
        """Return the loss of a model on a batch."""
        with torch.no_grad():
            taught = [self.forward(teacher, batch) for teacher in self.teachers]
        heads = [each.head for each in taught]

        def loss_of_rows(
            logits: Float[Tensor, "n V"], targets: Int[Tensor, "n"], *features: Float[Tensor, "n _"]
        ) -> Float[Tensor, "3"]:
            with torch.no_grad():
                given = [head(each).float() for head, each in zip(heads, features, strict=True)]
                q = torch.stack([each.softmax(dim=-1) for each in given]).mean(dim=0)  # (n, V)
            log_probs = log_probs_of(logits)
            loss, nll = smoothed_nll(log_probs, targets, smoothing=self.smoothing)
            of_teachers = -(q * log_probs).sum()
            return torch.stack([(1 - self.weight) * loss + self.weight * of_teachers, nll, of_teachers])

        features = [each.features for each in taught]
        return loss_over_tokens(self.forward(model, batch), loss_of_rows, self.figures, *features)
