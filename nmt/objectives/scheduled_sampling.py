"""Scheduled sampling: in training a model reads some of its own predictions, as it will in a search."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Generic, TypeVar

import torch
from torch import nn

from nmt.data.batches import Batch
from nmt.objectives.cross_entropy import cross_entropy
from nmt.objectives.log_probs import at_each_position, chosen
from nmt.objectives.objective import Loss
from nmt.objectives.teacher_forcing import TeacherForced
from nmt.objectives.token_loss import loss_over_tokens

M = TypeVar("M", bound=nn.Module)


class ScheduledSampling(Generic[M]):
    """Cross-entropy after inputs of which a fraction are the model's own predictions.

    In two passes (Mihaylova & Martins 2019, §3, with the most probable token): the first is teacher-forced
    and predicts all tokens at once, the second reads the true tokens mixed with these and has the gradient.

    forward: gives features and targets of a batch, as the kind of model has them. smoothing: as in
    `smoothed_nll`. rate: the probability that a token is the model's own. The figure exposure_gap is how much
    larger nll is than teacher-forced.
    """

    figures: tuple[str, ...] = ("nll", "exposure_gap")

    def __init__(
        self, forward: Callable[[M, Batch], TeacherForced], *, smoothing: float, rate: float
    ) -> None:
        self.forward, self.rate = forward, rate
        self.loss_of_rows = partial(cross_entropy, smoothing=smoothing)

    def __call__(self, model: M, batch: Batch) -> Loss:
        """Return the loss of a model on a batch."""
        with torch.no_grad():
            forced = self.forward(model, batch)
        own, expected = at_each_position(
            forced, lambda log_probs, targets: (log_probs.argmax(dim=-1), chosen(log_probs, targets))
        )
        mixed = batch.trg_in.clone()
        replaced = torch.rand(own[:, :-1].shape, device=own.device) < self.rate
        mixed[:, 1:] = torch.where(replaced, own[:, :-1], mixed[:, 1:])
        loss = loss_over_tokens(
            self.forward(model, replace(batch, trg_in=mixed)), self.loss_of_rows, ("nll",)
        )
        nll = loss.figures["nll"]
        return replace(loss, figures={"nll": nll, "exposure_gap": nll + (expected * forced.mask).sum()})
