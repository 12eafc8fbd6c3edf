"""Optimiser, learning rate, clipping and averaged weights."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nmt.config.training import OptimizerConfig, ScheduleConfig


def make_optimizer(config: OptimizerConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return torch's fused Adam or AdamW (decoupled weight decay) over the parameters."""
    kind: type[torch.optim.Adam] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.kind]
    return kind(
        parameters,
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        fused=True,
    )


@torch.no_grad()
def step_if_finite(optimizer: torch.optim.Optimizer, finite: Tensor) -> None:
    """Step where `finite` (scalar, bool) is true; else leave weights and the optimiser's state alone.

    An optimiser that torch knows to skip by itself (the fused ones) decides on the device; any other waits
    for it.
    """
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        optimizer.found_inf = 1 - finite.float()  # type: ignore[attr-defined]
        optimizer.step()
    elif finite.item():
        optimizer.step()


class Schedule:
    """The learning rate as a share of the configured one.

    A linear warm-up over `warmup` updates, then what the configuration says: constant, inverse square
    root (Vaswani 2017), linear, cosine (Loshchilov & Hutter 2017) or plateau. Linear and cosine run
    from the last update of the warm-up to where the budget ends, which is after the last update: each
    has a rate above the final one.
    """

    def __init__(self, config: ScheduleConfig) -> None:
        self.config = config
        self.reductions = 0
        self.waited = 0

    def factor(self, update: int, progress: float) -> float:
        """Return the factor for the given update, counted from 1.

        progress: the largest share of updates, epochs or minutes that was used up before it, 0 … 1.
        """
        config = self.config
        if update < config.warmup:
            return update / config.warmup
        # At the pace so far, this share of the budget was used before the last update of the warm-up.
        warm = progress * (max(config.warmup, 1) - 1) / max(update - 1, 1)
        done = 1.0 if progress >= 1.0 else (progress - warm) / (1.0 - warm)
        match config.kind:
            case "constant":
                return 1.0
            case "inverse_sqrt":
                return float((config.warmup / update) ** 0.5)
            case "linear":
                return 1.0 - (1.0 - config.final) * done
            case "cosine":
                half = 0.5 + 0.5 * math.cos(math.pi * done)
                return config.final + (1.0 - config.final) * half
            case "plateau":
                return max(config.factor**self.reductions, config.minimum)

    def validated(self, *, improved: bool) -> None:
        """Hear of a validation; the plateau schedule falls after `patience` without improvement."""
        if self.config.kind != "plateau":
            return
        self.waited = 0 if improved else self.waited + 1
        if self.waited >= self.config.patience:
            self.reductions, self.waited = self.reductions + 1, 0

    def state(self) -> dict[str, int]:
        """Return what a resumed run needs."""
        return {"reductions": self.reductions, "waited": self.waited}

    def load_state(self, state: dict[str, int]) -> None:
        """Go on from a saved state."""
        self.reductions, self.waited = state["reductions"], state["waited"]


class Ema:
    """An exponential moving average of the weights: average ← d · average + (1 − d) · weights.

    d rises as (1 + n) / (10 + n) to the configured decay, so that the first weights are soon forgotten.
    """

    def __init__(self, parameters: dict[str, nn.Parameter], decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.parameters = parameters
        self.average = {name: p.detach().clone() for name, p in parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the present weights."""
        self.updates += 1
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.average.values()), list(self.parameters.values()), weight)

    def load(self, average: dict[str, Tensor], updates: int) -> None:
        """Go on from a saved average."""
        # Into the tensors that are there: a file has an order of its own, and update pairs by order.
        for name, tensor in self.average.items():
            tensor.copy_(average[name])
        self.updates = updates


@contextmanager
def weights_of(parameters: dict[str, nn.Parameter], weights: dict[str, Tensor] | None) -> Iterator[None]:
    """Let the parameters hold other weights for a while; None changes nothing."""
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
    """Copy the weights of the same names into the parameters."""
    for name, parameter in parameters.items():
        parameter.copy_(weights[name])


def mean_weights(sets: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of several sets of weights (Junczys-Dowmunt 2016); one at a time is held."""
    total: dict[str, Tensor] = {}
    count = 0
    for count, weights in enumerate(sets, start=1):  # noqa: B007
        for name, weight in weights.items():
            total[name] = total[name] + weight if name in total else weight.clone()
    return {name: weight / count for name, weight in total.items()}
