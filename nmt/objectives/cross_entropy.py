"""Cross-entropy, label-smoothed or not: the objective unless another is asked for."""

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

import torch
from torch import Tensor

from nmt.data.batches import Batch
from nmt.objectives.chunks import CHUNK, sum_over_chunks
from nmt.objectives.objective import Loss
from nmt.objectives.teacher_forcing import TeacherForced

M = TypeVar("M")


class CrossEntropy(Generic[M]):
    """Label-smoothed cross-entropy (Szegedy et al. 2016) of the real tokens, and the auxiliary loss.

    forward: gives features and targets of a batch, as the kind of model has them. smoothing: ε in 0 … 1.
    """

    figures: tuple[str, ...] = ("nll",)

    def __init__(self, forward: Callable[[M, Batch], TeacherForced], *, smoothing: float) -> None:
        self.forward, self.smoothing = forward, smoothing

    def __call__(self, model: M, batch: Batch) -> Loss:
        """Return the loss and the figure nll, the sum of −log p of the true tokens in nats."""
        return cross_entropy(self.forward(model, batch), smoothing=self.smoothing)


def cross_entropy(forced: TeacherForced, *, smoothing: float, chunk: int = CHUNK) -> Loss:
    """Return the label-smoothed cross-entropy over the real tokens alone, plus the auxiliary loss.

    The smoothed target puts 1 − ε on the true token and spreads ε evenly over all V tokens. Padding never
    reaches the head.
    """
    real = forced.mask.flatten().nonzero().squeeze(1)
    features = forced.features.flatten(0, 1).index_select(0, real)  # (R, …)
    targets = forced.targets.flatten().index_select(0, real)  # (R,)
    loss_of_rows = partial(_loss_of_rows, smoothing=smoothing)
    loss, nll = sum_over_chunks(loss_of_rows, features, forced.head, targets, chunk=chunk).unbind()
    return Loss(loss + forced.auxiliary, real.numel(), {"nll": nll.detach()})


def _loss_of_rows(logits: Tensor, targets: Tensor, *, smoothing: float) -> Tensor:
    """Return Σ −(1 − ε) log p(y) − ε/V Σ_v log p(v), and Σ −log p(y), over the rows (2,)."""
    # Widened first: told to widen by itself, log_softmax is six times slower on a CPU.
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    log_probs = wide.log_softmax(dim=-1)  # (n, V)
    nll = -log_probs.gather(1, targets.unsqueeze(1)).sum()
    uniform = -log_probs.sum() / log_probs.shape[-1]
    return torch.stack([(1 - smoothing) * nll + smoothing * uniform, nll])
