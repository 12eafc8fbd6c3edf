"""An objective over tokens: any loss of logits and targets, summed over the real tokens."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from nmt.data.batches import Batch
from nmt.objectives.chunks import CHUNK, LossOfRows, sum_over_chunks
from nmt.objectives.objective import Loss
from nmt.objectives.teacher_forcing import TeacherForced

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
    forced: TeacherForced, loss_of_rows: LossOfRows, figures: Sequence[str], *, chunk: int = CHUNK
) -> Loss:
    """Return a loss of logits (n, V) and targets (n,), summed over the real tokens, plus the auxiliary loss.

    figures: names of the sums that `loss_of_rows` returns behind the loss. Padding never reaches the head.
    """
    real = forced.mask.flatten().nonzero().squeeze(1)
    features = forced.features.flatten(0, 1).index_select(0, real)  # (R, …)
    targets = forced.targets.flatten().index_select(0, real)  # (R,)
    loss, *rest = sum_over_chunks(loss_of_rows, features, forced.head, targets, chunk=chunk).unbind()
    found = {name: figure.detach() for name, figure in zip(figures, rest, strict=True)}
    return Loss(loss + forced.auxiliary, real.numel(), found)
