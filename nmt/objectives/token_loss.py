"""An objective over tokens: any loss of logits and targets, summed over the real tokens."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from torch import Tensor

from nmt.data.batches import Batch
from nmt.objectives.chunks import CHUNK, LossOfRows, sum_over_chunks
from nmt.objectives.objective import Loss
from nmt.objectives.teacher_forcing import TeacherForced
from nmt.shapes import Shaped

M = TypeVar("M")


class TokenLoss(Generic[M]):
    """A loss of each real token by its logits, and the auxiliary loss of the model.

    forward: gives features and targets of a batch, as the kind of model has them. loss_of_rows, figures: see
    `loss_over_tokens`.
    """

    def __init__(
        self, forward: Callable[[M, Batch], TeacherForced], loss_of_rows: LossOfRows, figures: tuple[str, ...]
    ) -> None:
        self.forward, self.loss_of_rows, self.figures = forward, loss_of_rows, figures

    def __call__(self, model: M, batch: Batch) -> Loss:
        """Return the loss of a model on a batch."""
        return loss_over_tokens(self.forward(model, batch), self.loss_of_rows, self.figures)


def loss_over_tokens(
    forced: TeacherForced,
    loss_of_rows: LossOfRows,
    figures: Sequence[str],
    *others: Shaped[Tensor, "B Ty *_"],
    chunk: int = CHUNK,
) -> Loss:
    """Return a loss of logits (n, V) and targets (n,), summed over the real tokens, plus the auxiliary loss.

    figures: names of the sums that `loss_of_rows` returns behind the loss. others: what it is given of each
    token behind the target. Padding never reaches the head.
    """
    real = forced.mask.flatten().nonzero().squeeze(1)
    features = forced.features.flatten(0, 1).index_select(0, real)  # (R, …)
    targets = forced.targets.flatten().index_select(0, real)  # (R,)
    rows = [other.flatten(0, 1).index_select(0, real) for other in others]
    loss, *rest = sum_over_chunks(loss_of_rows, features, forced.head, targets, *rows, chunk=chunk).unbind()
    found = {name: figure.detach() for name, figure in zip(figures, rest, strict=True)}
    return Loss(loss + forced.auxiliary, real.numel(), found)
