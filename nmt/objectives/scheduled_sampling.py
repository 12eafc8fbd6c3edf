"""Scheduled sampling: in training a model reads some of its own predictions, as it will in a search."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Generic, TypeVar

import torch
from torch import nn

from nmt.data.batches import Batch
from nmt.objectives.chunks import CHUNK
from nmt.objectives.cross_entropy import cross_entropy
from nmt.objectives.objective import Loss
from nmt.objectives.teacher_forcing import TeacherForced
from nmt.objectives.token_loss import loss_over_tokens

M = TypeVar("M", bound=nn.Module)


class ScheduledSampling(Generic[M]):
    """Cross-entropy after inputs of which a fraction are the model's own predictions.

    In two passes (Mihaylova & Martins 2019, §3, with the most probable token): the first is teacher-forced
    and predicts all tokens at once, the second reads the true tokens mixed with these and has the gradient.

    forward: gives features and targets of a batch, as the kind of model has them. smoothing: as in
    `cross_entropy`. rate: the probability that a token is the model's own.
    """

    figures: tuple[str, ...] = (
        "nll",
        "exposure_gap",
    )  # the second: how much larger nll is than teacher-forced

    def __init__(
        self, forward: Callable[[M, Batch], TeacherForced], *, smoothing: float, rate: float
    ) -> None:
        self.forward, self.rate = forward, rate
        self.loss_of_rows = partial(cross_entropy, smoothing=smoothing)

    def __call__(self, model: M, batch: Batch) -> Loss:
        """Return the loss of a model on a batch."""
        with torch.no_grad():
            forced = self.forward(model, batch)
            rows = forced.features.flatten(0, 1).split(CHUNK)
            own = torch.cat([forced.head(part).argmax(dim=-1) for part in rows]).view_as(batch.trg_out)
            expected = loss_over_tokens(forced, self.loss_of_rows, ("nll",)).figures["nll"]
        # Else weights that were cast without a gradient would be used again, and get none.
        torch.clear_autocast_cache()
        mixed = batch.trg_in.clone()
        chosen = torch.rand(own[:, :-1].shape, device=own.device) < self.rate
        mixed[:, 1:] = torch.where(chosen, own[:, :-1], mixed[:, 1:])
        loss = loss_over_tokens(
            self.forward(model, replace(batch, trg_in=mixed)), self.loss_of_rows, ("nll",)
        )
        nll = loss.figures["nll"]
        return replace(loss, figures={"nll": nll, "exposure_gap": nll - expected})
