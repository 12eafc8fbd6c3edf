"""Steps of an optimiser, and sets of weights."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@torch.no_grad()
def step_if_finite(optimizer: torch.optim.Optimizer, finite: Tensor) -> None:
    """Step if `finite` (scalar, bool) is true; otherwise keep weights and optimiser state unchanged.

    Fused optimisers decide on the device; for any other the host waits for it.
    """
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        optimizer.found_inf = 1 - finite.float()  # type: ignore[attr-defined]
        optimizer.step()
    elif finite.item():
        optimizer.step()


@contextmanager
def weights_of(parameters: dict[str, nn.Parameter], weights: dict[str, Tensor] | None) -> Iterator[None]:
    """Replace the parameters' values within the context; None changes nothing."""
    if weights is None:
        yield
        return
    kept = {name: p.detach().clone() for name, p in parameters.items()}
    fill(parameters, weights)
    try:
        yield
    finally:
        fill(parameters, kept)


@torch.no_grad()
def fill(parameters: dict[str, nn.Parameter], weights: dict[str, Tensor]) -> None:
    """Copy the weights into the parameters of the same names."""
    for name, parameter in parameters.items():
        parameter.copy_(weights[name])


def mean_weights(sets: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of several sets of weights (Junczys-Dowmunt 2016), holding one at a time."""
    total: dict[str, Tensor] = {}
    count = 0
    for count, weights in enumerate(sets, start=1):  # noqa: B007
        for name, weight in weights.items():
            total[name] = total[name] + weight if name in total else weight.clone()
    return {name: weight / count for name, weight in total.items()}
