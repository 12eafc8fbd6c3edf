"""Which weights are validated and kept: the current ones, or an average."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from nmt.training.checkpoint import Checkpoints, DamagedCheckpoint
from nmt.training.optim import mean_weights

Parameters = dict[str, nn.Parameter]


class Averaging:
    """Which weights are validated and kept as the model: here the current ones."""

    def update(self) -> None:
        """Note that an update was made."""

    def weights(self, update: int) -> dict[str, Tensor] | None:
        """Return the weights to validate after an update; None for the current ones."""
        return None

    def state(self) -> tuple[dict[str, Tensor], int]:
        """Return what a checkpoint stores: tensors by parameter name, possibly none, and a count."""
        return {}, 0

    def load_state(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Continue from a saved state."""


class Ema(Averaging):
    """An exponential moving average of the weights: average ← d · average + (1 − d) · weights.

    d rises as (1 + n) / (10 + n) up to the configured decay, so that the first weights lose influence soon.
    """

    def __init__(self, parameters: Parameters, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.parameters = parameters
        self.average = {name: p.detach().clone() for name, p in parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(list(self.average.values()), list(self.parameters.values()), weight)

    def weights(self, update: int) -> dict[str, Tensor] | None:
        return self.average

    def state(self) -> tuple[dict[str, Tensor], int]:
        return self.average, self.updates

    def load_state(self, tensors: dict[str, Tensor], updates: int) -> None:
        # Keep the existing tensors: `update` pairs by order, which a file does not preserve.
        for name, tensor in self.average.items():
            tensor.copy_(tensors[name])
        self.updates = updates


class CheckpointAveraging(Averaging):
    """The mean of the current weights and those of the newest regular checkpoints, `last` in all.

    log: gets a line for each damaged checkpoint, which is left out.
    """

    def __init__(
        self, parameters: Parameters, checkpoints: Checkpoints, last: int, log: Callable[[str], None]
    ) -> None:
        self.parameters, self.checkpoints, self.last, self.log = parameters, checkpoints, last, log

    def weights(self, update: int) -> dict[str, Tensor] | None:
        earlier = [step for step in self.checkpoints.due() if step < update]
        return mean_weights(self._each(earlier[-(self.last - 1) :]))

    def _each(self, steps: list[int]) -> Iterator[dict[str, Tensor]]:
        for step in steps:
            try:
                saved = self.checkpoints.load(step, only="model")[0]["model"]
            except DamagedCheckpoint as error:
                self.log(f"damaged, not averaged: {error}")
                continue
            yield {name: weight.to(self.parameters[name].device) for name, weight in saved.items()}
        yield {name: p.detach() for name, p in self.parameters.items()}
