"""Losses: a sum over tokens and their count, so that pieces of a batch add up."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LossSum:
    """loss: Σ over real tokens of what is minimised; nll: Σ −log p(token), nats; count: of those tokens."""

    loss: Tensor
    nll: Tensor
    count: int


def smoothed_cross_entropy(
    features: Tensor, head: nn.Module, targets: Tensor, mask: Tensor, *, smoothing: float, chunk: int = 512
) -> LossSum:
    """Return the label-smoothed cross-entropy (Szegedy 2016) over the real tokens alone.

    features (B, Ty, H), targets (B, Ty), mask (B, Ty), True = a real token. The smoothed target puts
    1 − ε on the token and spreads ε evenly over all V pieces. Padding never reaches the head, and the
    logits of `chunk` rows at most are in memory. Gradients reach the features and the head's parameters.
    """
    real = mask.flatten().nonzero().squeeze(1)
    rows, wanted = features.flatten(0, 1).index_select(0, real), targets.flatten().index_select(0, real)
    if torch.is_grad_enabled():
        parameters = [parameter for parameter in head.parameters() if parameter.requires_grad]
        loss, nll = _InPieces.apply(head, wanted, smoothing, chunk, rows, *parameters)  # type: ignore[no-untyped-call]
    else:
        pieces = zip(rows.split(chunk), wanted.split(chunk), strict=True)
        sums = [_loss_and_nll(_log_probs(head(part)), w, smoothing) for part, w in pieces]
        loss, nll = torch.stack(sums).sum(dim=0)
    return LossSum(loss, nll, real.numel())


def _log_probs(logits: Tensor) -> Tensor:
    """Return log p (n, V) for logits (n, V), in float32 at least."""
    # Widened first: told to do it by itself, log_softmax is six times slower on a CPU.
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)


def _loss_and_nll(log_probs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Return Σ −(1 − ε) log p(y) − ε/V Σ_v log p(v) and Σ −log p(y) over the rows (2,)."""
    nll = -log_probs.gather(1, targets.unsqueeze(1)).sum()
    uniform = -log_probs.sum() / log_probs.shape[-1]
    return torch.stack([(1 - smoothing) * nll + smoothing * uniform, nll])


def _into_gradient(log_probs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Return the loss's gradient with respect to the logits (n, V), written over log p."""
    gradient = log_probs.exp_().sub_(smoothing / log_probs.shape[-1])
    targets = targets.unsqueeze(1)  # (n, 1)
    return gradient.scatter_add_(1, targets, gradient.new_full(targets.shape, smoothing - 1))


class _InPieces(torch.autograd.Function):
    """The loss and nll of rows (n, H); gradients are formed on the way, while a piece's logits are there."""

    @staticmethod
    def forward(
        ctx: Any,
        head: nn.Module,
        targets: Tensor,
        smoothing: float,
        chunk: int,
        rows: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        # Summed in the parameters' own precision, whatever the products are in.
        of_rows, of_parameters = torch.empty_like(rows), [torch.zeros_like(p) for p in parameters]
        sums = []
        pieces = zip(rows.split(chunk), targets.split(chunk), of_rows.split(chunk), strict=True)
        for part, wanted, of_part in pieces:
            part = part.detach().requires_grad_()
            with torch.enable_grad():
                logits = head(part)  # (n, V)
            log_probs = _log_probs(logits.detach())
            sums.append(_loss_and_nll(log_probs, wanted, smoothing))
            gradient = _into_gradient(log_probs, wanted, smoothing).to(logits.dtype)
            leaves = (part, *parameters)
            found, *shares = torch.autograd.grad(
                logits, leaves, gradient, allow_unused=True, materialize_grads=True
            )
            of_part.copy_(found)
            for of_parameter, share in zip(of_parameters, shares, strict=True):
                of_parameter += share
        ctx.save_for_backward(of_rows, *of_parameters)
        loss, nll = torch.stack(sums).sum(dim=0)
        ctx.mark_non_differentiable(nll)
        return loss, nll

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise NotImplementedError("the smoothed cross-entropy has no second derivative here")
        return None, None, None, None, *(formed * grads[0].to(formed.dtype) for formed in ctx.saved_tensors)
