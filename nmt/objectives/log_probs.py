"""Log-probabilities of logits, and of the true tokens without a gradient, in chunks of rows."""

from collections.abc import Callable

import torch
from torch import Tensor

from nmt.objectives.chunks import CHUNK
from nmt.objectives.teacher_forcing import TeacherForced
from nmt.shapes import Float, Int


def log_probs_of(logits: Float[Tensor, "*rows V"]) -> Float[Tensor, "*rows V"]:
    """Return log-probabilities, in float32 at least."""
    # Widened first: told to widen by itself, log_softmax is six times slower on a CPU.
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)


def chosen(log_probs: Float[Tensor, "n V"], targets: Int[Tensor, "n"]) -> Float[Tensor, "n"]:
    """Return the log-probability of each target."""
    return log_probs.gather(1, targets.unsqueeze(1)).squeeze(1)


@torch.no_grad()
def at_each_position(
    forced: TeacherForced, function: Callable[[Tensor, Tensor], tuple[Tensor, ...]]
) -> list[Tensor]:
    """Return what a function makes of log-probabilities (n, V) and targets (n,), each as (B, Ty).

    No gradient is kept. Also after padding, where the values have no meaning.
    """
    rows = zip(forced.features.flatten(0, 1).split(CHUNK), forced.targets.flatten().split(CHUNK), strict=True)
    found = [function(log_probs_of(forced.head(features)), targets) for features, targets in rows]
    forget_casts()
    return [torch.cat(parts).view_as(forced.targets) for parts in zip(*found, strict=True)]


def forget_casts() -> None:
    """Forget weights that autocast cast without a gradient; used again, they would get none."""
    torch.clear_autocast_cache()
