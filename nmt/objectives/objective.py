"""The contract of an objective: a loss over a batch as a sum and a count, so that micro-batches add up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

from nmt.data.batches import Batch
from nmt.shapes import Float

M_contra = TypeVar("M_contra", contravariant=True)


@dataclass(frozen=True)
class Loss:
    """What is minimised, summed over the real tokens of a batch.

    sum: has a gradient. count: the real tokens. figures: other sums over the same tokens, to log beside it.
    """

    sum: Float[Tensor, ""]
    count: int
    figures: Mapping[str, Float[Tensor, ""]]


class Objective(Protocol[M_contra]):
    """What a training minimises; the trainer knows no more of it. figures: the names of what it reports."""

    figures: tuple[str, ...]

    def __call__(self, model: M_contra, batch: Batch) -> Loss:
        """Return the loss of a model on a batch."""
