"""Consistency: two passes over a batch, through different noise, should give the same distributions."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from nmt.data.batches import Batch
from nmt.objectives.chunks import LossOfRows
from nmt.objectives.cross_entropy import smoothed_nll
from nmt.objectives.log_probs import log_probs_of
from nmt.objectives.objective import Loss
from nmt.objectives.teacher_forcing import TeacherForced
from nmt.objectives.token_loss import loss_over_tokens
from nmt.shapes import Float, Int

M = TypeVar("M", bound=nn.Module)


def consistency(
    logits: Float[Tensor, "n 2 V"], targets: Int[Tensor, "n"], *, smoothing: float, weight: float, passes: int
) -> Float[Tensor, "3"]:
    """Return cross-entropy + weight · D, the negative log-likelihood, and D, each summed over the n rows.

    The first two are means over the first `passes` of the two passes; the cross-entropy is smoothed as in
    `smoothed_nll`. D = ½ KL(p ‖ q) + ½ KL(q ‖ p) = ½ Σ (p − q)(log p − log q), in nats.
    """
    p, q = log_probs_of(logits).unbind(dim=1)
    divergence = ((p.exp() - q.exp()) * (p - q)).sum() / 2
    judged = [smoothed_nll(each, targets, smoothing=smoothing) for each in (p, q)[:passes]]
    loss, nll = torch.stack(judged).mean(dim=0)
    return torch.stack([loss + weight * divergence, nll, divergence])


class Consistency(Generic[M]):
    """A loss of the logits of two passes over each batch.

    R-Drop (Wu et al. 2021, eq. 4): both passes differ by their dropout alone and both are judged; half of
    the paper's sum, so that it is a loss per token. SimCut (Gao et al. 2022, §3.2): the second pass reads
    cut text and the first alone is judged. The gradient goes through both passes.

    forward: gives features and targets of a batch, as the kind of model has them. loss_of_rows: of logits
    (n, 2, V) and targets (n,), such as `consistency`. noise: the context of the second pass.
    """

    figures: tuple[str, ...] = ("nll", "divergence")

    def __init__(
        self,
        forward: Callable[[M, Batch], TeacherForced],
        loss_of_rows: LossOfRows,
        noise: Callable[[M], AbstractContextManager[None]] = lambda model: nullcontext(),
    ) -> None:
        self.forward, self.loss_of_rows, self.noise = forward, loss_of_rows, noise

    def __call__(self, model: M, batch: Batch) -> Loss:
        """Return the loss of a model on a batch."""
        with self.noise(model):
            second = self.forward(model, batch)
        first = self.forward(model, batch)  # the last, because recurrent states after a window are its own
        both = first._replace(
            features=torch.stack([first.features, second.features], dim=2),  # (B, Ty, 2, F)
            auxiliary=(first.auxiliary + second.auxiliary) / 2,
        )
        return loss_over_tokens(both, self.loss_of_rows, self.figures)


@contextmanager
def cut_tokens(model: nn.Module, rate: float) -> Iterator[None]:
    """Within this context, every embedded token of the model is 0 with probability `rate`.

    Token cutoff (Shen et al. 2020), on both sides of a translation model.
    """

    def cut(module: nn.Module, inputs: Any, embedded: Tensor) -> Tensor:
        kept = torch.rand(embedded.shape[:-1], device=embedded.device) >= rate
        return embedded * kept.unsqueeze(-1)

    hooks = [part.register_forward_hook(cut) for part in model.modules() if isinstance(part, nn.Embedding)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
