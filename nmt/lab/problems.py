"""Two problems that can only be solved by memory over a known lag."""

from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F


class Examples(NamedTuple):
    """Inputs x (B, T, D) and the targets (B, last, …) of the last positions."""

    x: Tensor
    targets: Tensor


class AddingProblem:
    """Add two marked numbers (Hochreiter & Schmidhuber 1997, experiment 4; Le et al. 2015, §4.1).

    The input is a sequence of `lag` numbers from U(0, 1), each with a mark. The mark is 1 at two positions,
    one in each half, and 0 elsewhere. The target after the last position is the sum of the two marked
    numbers. The constant answer 1 has a mean squared error of 1/6.
    """

    name = "adding"
    input_size, output_size = 2, 1
    last = 1  # number of positions with a target
    measure = "mean squared error"  # the name of `error`, which is reported
    guessing = 1 / 6  # the error of the best answer without memory
    solved = 0.01  # an error below which the problem counts as solved
    least = 2  # the shortest lag

    def __init__(self, lag: int) -> None:
        self.lag = self.length = lag

    def sample(self, rows: int, generator: torch.Generator) -> Examples:
        """Return x (B, T, 2) = (number, mark) and sums (B, 1, 1)."""
        numbers = torch.rand(rows, self.length, generator=generator)
        half = self.length // 2
        first = torch.randint(half, (rows, 1), generator=generator)
        second = half + torch.randint(self.length - half, (rows, 1), generator=generator)
        marks = torch.zeros_like(numbers).scatter_(1, torch.cat([first, second], dim=1), 1.0)
        return Examples(torch.stack([numbers, marks], dim=-1), (numbers * marks).sum(1).view(rows, 1, 1))

    def loss(self, read: Tensor, targets: Tensor) -> Tensor:
        """Return the mean squared error."""
        return F.mse_loss(read, targets)

    error = loss


class CopyingMemory:
    """Copy ten symbols after `lag` blanks (Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016, §5.1).

    The input is ten symbols of eight kinds, lag − 1 blanks, a start sign and ten blanks, at which the symbols
    must be repeated in order. Only these ten positions count; Arjovsky et al. also count the blanks before
    them, which need no memory. A guess without memory gets 7 of 8 symbols wrong.
    """

    name = "copying"
    symbols, kinds = 10, 8
    input_size, output_size, last = kinds + 2, kinds, symbols
    measure = "fraction of symbols wrong"
    guessing, solved = 1 - 1 / kinds, 0.01
    least = 1

    def __init__(self, lag: int) -> None:
        self.lag, self.length = lag, lag + 2 * self.symbols

    def sample(self, rows: int, generator: torch.Generator) -> Examples:
        """Return one-hot x (B, T, 10) and the symbols (B, 10)."""
        symbols = torch.randint(self.kinds, (rows, self.symbols), generator=generator)
        kinds = torch.full((rows, self.length), self.kinds)
        kinds[:, : self.symbols] = symbols
        kinds[:, -self.symbols - 1] = self.kinds + 1
        return Examples(F.one_hot(kinds, self.input_size).float(), symbols)

    def loss(self, read: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy, in nats per symbol."""
        return F.cross_entropy(read.flatten(0, 1), targets.flatten())

    def error(self, read: Tensor, targets: Tensor) -> Tensor:
        """Return the fraction of wrong symbols."""
        return (read.argmax(-1) != targets).float().mean()


Problem: TypeAlias = AddingProblem | CopyingMemory
