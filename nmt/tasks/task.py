"""Tasks: what a kind of model minimises, how it is validated, what counts as better."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import torch

from nmt.data.batches import Batch
from nmt.evaluation.alignment import Attended
from nmt.layers.losses import LossSum
from nmt.models import Seq2Seq


class Validation(NamedTuple):
    """figures by name, some (source, reference, output) to look at, and where the model looked in each."""

    figures: dict[str, float]
    samples: list[tuple[str, str, str]]
    attended: Sequence[Attended] = ()  # none unless asked for


class Task(Protocol):
    """All that the trainer knows of what it trains."""

    def loss(self, model: torch.nn.Module, batch: Batch) -> LossSum:
        """Return what is minimised, as a sum over the batch, and its count."""

    def validate(self, model: torch.nn.Module) -> Validation:
        """Measure a model in evaluation mode."""

    def better(self, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
        """Say whether figures a are better than figures b."""


SAMPLES = 5


class Translate(Protocol):
    """Gives a model's translations of raw lines; with `attention` also where it looked, part by part."""

    def __call__(
        self, model: Seq2Seq, lines: Sequence[str], *, attention: bool = False
    ) -> tuple[list[str], list[Attended]]: ...


def lower_loss(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    """Say whether figures a have the lower loss; any number is lower than NaN."""
    return a["loss"] < b["loss"] or (math.isnan(b["loss"]) and not math.isnan(a["loss"]))
