"""Learning rate schedules: a factor on the configured rate for every update."""

import math


class Schedule:
    """A linear warm-up over `warmup` updates, then the configured rate.

    Subclasses define what follows the warm-up. A decaying schedule reaches its final value after the last
    update, so every update has a higher rate.
    """

    def __init__(self, warmup: int = 0) -> None:
        self.warmup = warmup

    def factor(self, update: int, progress: float) -> float:
        """Return the factor for an update, counted from 1.

        progress: the largest fraction used of the updates, epochs or minutes before this update, 0 … 1.
        """
        if update < self.warmup:
            return update / self.warmup
        # The estimated fraction of the budget used before the last update of the warm-up.
        warm = progress * (max(self.warmup, 1) - 1) / max(update - 1, 1)
        return self._after(update, 1.0 if progress >= 1.0 else (progress - warm) / (1.0 - warm))

    def _after(self, update: int, done: float) -> float:
        """Return the factor after the warm-up; done: the fraction used of the rest of the budget."""
        return 1.0

    def validated(self, *, improved: bool) -> None:
        """Note a validation."""

    def state(self) -> dict[str, int]:
        """Return the state for a checkpoint."""
        return {}

    def load_state(self, state: dict[str, int]) -> None:
        """Continue from a saved state."""


class InverseSquareRootSchedule(Schedule):
    """√(warmup / update) after the warm-up (Vaswani et al. 2017)."""

    def _after(self, update: int, done: float) -> float:
        return float((self.warmup / update) ** 0.5)


class LinearSchedule(Schedule):
    """A straight line down to `final` at the end of the budget."""

    def __init__(self, warmup: int, final: float) -> None:
        super().__init__(warmup)
        self.final = final

    def _after(self, update: int, done: float) -> float:
        return 1.0 - (1.0 - self.final) * done


class CosineSchedule(LinearSchedule):
    """Half a cosine down to `final` at the end of the budget (Loshchilov & Hutter 2017)."""

    def _after(self, update: int, done: float) -> float:
        return self.final + (1.0 - self.final) * (0.5 + 0.5 * math.cos(math.pi * done))


class PlateauSchedule(Schedule):
    """The factor is multiplied by `factor` after `patience` validations without improvement."""

    def __init__(self, warmup: int, factor: float, patience: int, minimum: float) -> None:
        super().__init__(warmup)
        self.by, self.patience, self.minimum = factor, patience, minimum
        self.reductions = self.waited = 0

    def _after(self, update: int, done: float) -> float:
        return max(self.by**self.reductions, self.minimum)

    def validated(self, *, improved: bool) -> None:
        """Note a validation; the rate falls after too many without improvement."""
        self.waited = 0 if improved else self.waited + 1
        if self.waited >= self.patience:
            self.reductions, self.waited = self.reductions + 1, 0

    def state(self) -> dict[str, int]:
        """Return the number of reductions and of validations without improvement since."""
        return {"reductions": self.reductions, "waited": self.waited}

    def load_state(self, state: dict[str, int]) -> None:
        self.reductions, self.waited = state["reductions"], state["waited"]
