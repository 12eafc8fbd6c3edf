"""Tasks: how a kind of model is validated, and what counts as better."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import torch

from nmt.data.batches import Batch
from nmt.evaluation.alignment import Detail
from nmt.models import Seq2Seq
from nmt.objectives.cross_entropy import FIGURES, cross_entropy
from nmt.objectives.teacher_forcing import TeacherForced
from nmt.objectives.token_loss import loss_over_tokens

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)


class Validation(NamedTuple):
    """figures by name, some (source, reference, output) to look at, and where the model looked in each."""

    figures: dict[str, float]
    samples: list[tuple[str, str, str]]
    details: Sequence[Detail] = ()  # none unless asked for


class Task(Protocol[M_contra]):
    """How a kind of model is validated; the trainer knows no more of it."""

    def validate(self, model: M_contra) -> Validation:
        """Measure a model in evaluation mode."""

    def better(self, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
        """Say whether figures a are better than figures b."""


SAMPLES = 5


class Translate(Protocol):
    """Gives a model's translations of raw lines; with `details` also those of each part."""

    def __call__(
        self, model: Seq2Seq, lines: Sequence[str], *, details: bool = False
    ) -> tuple[list[str], list[Detail]]: ...


def lower_loss(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    """Say whether figures a have the lower loss; any number is lower than NaN."""
    return a["loss"] < b["loss"] or (math.isnan(b["loss"]) and not math.isnan(a["loss"]))


class TokenLosses(NamedTuple):
    """Sums over the real tokens of a split, in nats; loss is label-smoothed, with the auxiliary loss."""

    loss: float
    nll: float
    tokens: int

    def means(self) -> dict[str, float]:
        """Return loss and nll of a token."""
        return {"loss": self.loss / self.tokens, "nll": self.nll / self.tokens}


def token_losses(
    model: M,
    forward: Callable[[M, Batch], TeacherForced],
    batches: Iterable[Batch],
    device: torch.device,
    *,
    smoothing: float,
) -> TokenLosses:
    """Return the losses over a split: those that validations measure, whatever objective a training has."""
    loss, nll, tokens = 0.0, 0.0, 0
    loss_of_rows = partial(cross_entropy, smoothing=smoothing)
    for batch in batches:
        found = loss_over_tokens(forward(model, batch.to(device)), loss_of_rows, FIGURES)
        loss, nll = loss + found.sum.item(), nll + found.figures["nll"].item()
        tokens += found.count
    return TokenLosses(loss, nll, tokens)
