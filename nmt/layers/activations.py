"""Functions of numbers whose results in inference do not depend on where in a tensor a number stands.

torch's sigmoid, pow and sum take the numbers behind the last whole vector another way than those before, with
another last bit: a sentence would depend on its neighbours. Its exp, log and tanh do not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def sigmoid(x: Tensor) -> Tensor:
    """Return σ(x); where `in_inference` as 1 / (1 + exp(−x))."""
    return x.neg().exp_().add_(1).reciprocal_() if in_inference(x) else x.sigmoid()


def sigmoid_(x: Tensor) -> Tensor:
    """Return σ(x), written over x; where `in_inference` as 1 / (1 + exp(−x))."""
    return x.neg_().exp_().add_(1).reciprocal_() if in_inference(x) else x.sigmoid_()


def tanh(x: Tensor) -> Tensor:
    """Return tanh x; in float32 and where `in_inference` as 2 σ(2x) − 1, to 2e-7 and in half the time."""
    return tanh_(x.clone()) if in_inference(x) else x.tanh()


def tanh_(x: Tensor) -> Tensor:
    """Return what `tanh` does, written over x."""
    if x.dtype == torch.float32 and in_inference(x):
        return sigmoid_(x.mul_(2)).mul_(2).sub_(1)
    return x.tanh_()


def mean(parts: Sequence[Tensor]) -> Tensor:
    """Return the mean of tensors of one shape, added one after the other."""
    return sum(parts[1:], start=parts[0]) / len(parts)


def in_inference(x: Tensor) -> bool:
    """Say whether x belongs to an inference on a CPU, in float32 or float64."""
    wide = x.dtype in (torch.float32, torch.float64)
    return wide and x.device.type == "cpu" and torch.is_inference_mode_enabled()
