"""Losses: a sum over tokens and their count, so that pieces of a batch add up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class LossSum:
    """loss: Σ over real tokens of what is minimised; nll: Σ −log p(token), nats; count: of those tokens."""

    loss: Tensor
    nll: Tensor
    count: int


class _SmoothedCrossEntropy(torch.autograd.Function):
    """Σ −(1 − ε) log p(y) − ε/V Σ_v log p(v), its gradient formed in one piece of memory."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        wide = logits.float() if logits.dtype == torch.bfloat16 else logits
        log_z = wide.logsumexp(dim=-1, keepdim=True)  # (n, 1)
        picked = wide.gather(1, targets.unsqueeze(1))
        nll = (log_z - picked).sum()
        uniform = (log_z.squeeze(1) - wide.mean(dim=-1)).sum()
        ctx.save_for_backward(logits, log_z, targets)
        ctx.smoothing = smoothing
        ctx.mark_non_differentiable(nll)
        return (1 - smoothing) * nll + smoothing * uniform, nll.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        if torch.is_grad_enabled():
            raise NotImplementedError("the smoothed cross-entropy has no second derivative here")
        logits, log_z, targets = ctx.saved_tensors
        gradient = (logits - log_z).exp_()
        gradient -= ctx.smoothing / logits.shape[-1]
        gradient.scatter_add_(
            1, targets.unsqueeze(1), torch.full_like(log_z, ctx.smoothing - 1, dtype=gradient.dtype)
        )
        return gradient.mul_(grads[0]).to(logits.dtype), None, None


def smoothed_cross_entropy(
    features: Tensor, head: Callable[[Tensor], Tensor], targets: Tensor, mask: Tensor, *, smoothing: float
) -> LossSum:
    """Return the label-smoothed cross-entropy (Szegedy 2016) over the real tokens alone.

    features (B, Ty, H), targets (B, Ty), mask (B, Ty), True = a real token. The smoothed target puts
    1 − ε on the token and spreads ε evenly over all V pieces. Padding never reaches the head.
    """
    real = mask.flatten().nonzero().squeeze(1)
    logits = head(features.flatten(0, 1).index_select(0, real))  # (n, V)
    loss, nll = _SmoothedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        logits, targets.flatten().index_select(0, real), smoothing
    )
    return LossSum(loss, nll.detach(), real.numel())
