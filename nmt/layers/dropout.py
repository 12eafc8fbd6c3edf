"""Dropout at the price of a few passes over memory."""

import torch
from torch import Tensor


def dropout(x: Tensor, share: float, *, training: bool) -> Tensor:
    """Return x with `share` of its elements at 0, the rest scaled to keep the mean (Srivastava 2014).

    Random bytes decide, eight of them to a draw; on a CPU that takes a quarter of the time of a Bernoulli
    draw an element. So the share is rounded to 1/256 and is at most 255/256.
    """
    threshold = min(round(share * 256), 255)
    if not training or not threshold:
        return x
    draws = torch.empty((x.numel() + 7) // 8, dtype=torch.int64, device=x.device).random_(-(2**63), None)
    kept = draws.view(torch.uint8)[: x.numel()].view(x.shape) >= threshold
    return x * kept * (256 / (256 - threshold))
