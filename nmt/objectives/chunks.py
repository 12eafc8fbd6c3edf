"""A loss over the vocabulary, computed in chunks of rows: the logits of a batch are never all in memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nmt.shapes import Float, Shaped

CHUNK = 256  # rows whose logits are in memory at a time

LossOfRows = Callable[..., Tensor]  # logits (n, …, V), then each of `others` (n, …) → sums (F,)


def sum_over_chunks(
    loss_of_rows: LossOfRows,
    features: Float[Tensor, "R *each H"],
    head: nn.Module,
    *others: Shaped[Tensor, "R ..."],
    chunk: int = CHUNK,
) -> Float[Tensor, "F"]:
    """Return the sum of loss_of_rows(head(features), *others) over chunks of rows.

    Features and others are cut along their R rows. `loss_of_rows` returns sums over its rows: the first is
    the loss and has a gradient, which autograd finds; the others are figures and have none. The gradient of
    a chunk is formed while its logits are there. It reaches the features and the head's parameters, and
    nothing that `loss_of_rows` closes over. There is no second derivative.
    """
    if torch.is_grad_enabled():
        parameters = [parameter for parameter in head.parameters() if parameter.requires_grad]
        loss, figures = _Chunks.apply(loss_of_rows, head, others, chunk, features, *parameters)  # type: ignore[no-untyped-call]
        return torch.cat([loss.unsqueeze(0), figures])
    parts = zip(features.split(chunk), *(other.split(chunk) for other in others), strict=True)
    return torch.stack([loss_of_rows(head(part), *rest) for part, *rest in parts]).sum(dim=0)


class _Chunks(torch.autograd.Function):
    """The sums over all chunks; the gradients are those that autograd finds for each chunk, added up."""

    @staticmethod
    def forward(
        ctx: Any,
        loss_of_rows: LossOfRows,
        head: nn.Module,
        others: tuple[Tensor, ...],
        chunk: int,
        features: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        # Summed in the parameters' own precision, whatever the products are in.
        of_features, of_parameters = torch.empty_like(features), [torch.zeros_like(p) for p in parameters]
        sums = []
        parts = zip(*(rows.split(chunk) for rows in (features, of_features, *others)), strict=True)
        for part, of_part, *rest in parts:
            part = part.detach().requires_grad_()
            with torch.enable_grad():
                loss, *figures = loss_of_rows(head(part), *rest).unbind()
            gradient, *of_chunk = torch.autograd.grad(
                loss, (part, *parameters), allow_unused=True, materialize_grads=True
            )
            of_part.copy_(gradient)
            for of_parameter, each in zip(of_parameters, of_chunk, strict=True):
                of_parameter += each
            sums.append(torch.stack([loss, *figures]).detach())
        ctx.save_for_backward(of_features, *of_parameters)
        total = torch.stack(sums).sum(dim=0)
        its_loss, its_figures = total[0].clone(), total[1:].clone()
        ctx.mark_non_differentiable(its_figures)
        return its_loss, its_figures

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():
            raise NotImplementedError("a loss in chunks has no second derivative")
        return None, None, None, None, *(formed * grads[0].to(formed.dtype) for formed in ctx.saved_tensors)
