"""Two problems that nothing but memory over a known lag solves."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class Examples(NamedTuple):
    """x (B, T, D) and what is to be read from its last positions: (B, last, …)."""

    x: Tensor
    targets: Tensor


class Problem(Protocol):
    """A stream of sequences and what a wrong reading of them costs."""

    name: str
    lag: int
    input_size: int
    output_size: int
    last: int  # positions that are read
    length: int  # T
    measure: str  # what `error` is
    guessing: float  # the error of the best answer that remembers nothing
    solved: float  # an error below which the problem counts as solved

    def draw(self, rows: int, generator: torch.Generator) -> Examples:
        """Return fresh sequences."""

    def loss(self, read: Tensor, targets: Tensor) -> Tensor:
        """Return what training minimises, the mean over all that is read (B, last, O)."""

    def error(self, read: Tensor, targets: Tensor) -> Tensor:
        """Return the figure that is reported."""


class AddingProblem:
    """Say the sum of two marked numbers (Hochreiter & Schmidhuber 1997, experiment 4; Le et al. 2015, §4.1).

    A sequence of `lag` numbers from U(0, 1), each beside a mark that is 1 at two places, one in each half,
    and 0 elsewhere; at its end the sum of the two is read. Who always says 1 has a mean squared error of 1/6.
    """

    name = "adding"
    input_size, output_size, last = 2, 1, 1
    measure = "mean squared error"
    guessing, solved = 1 / 6, 0.01
    least = 2

    def __init__(self, lag: int) -> None:
        self.lag = self.length = lag

    def draw(self, rows: int, generator: torch.Generator) -> Examples:
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
    """Say ten symbols again after `lag` blanks (Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016, §5.1).

    Ten symbols of eight kinds, lag − 1 blanks, a sign to begin, ten blanks, during which the symbols are to
    be said in their order. Only these ten positions are read: in Arjovsky et al. the blanks before them,
    which ask for no memory, count too. Who remembers nothing gets 7 of 8 wrong.
    """

    name = "copying"
    symbols, kinds = 10, 8
    input_size, output_size, last = kinds + 2, kinds, symbols
    measure = "share of symbols wrong"
    guessing, solved = 1 - 1 / kinds, 0.01
    least = 1

    def __init__(self, lag: int) -> None:
        self.lag, self.length = lag, lag + 2 * self.symbols

    def draw(self, rows: int, generator: torch.Generator) -> Examples:
        """Return x (B, T, 10), one of ten kinds at each position, and the symbols (B, 10)."""
        symbols = torch.randint(self.kinds, (rows, self.symbols), generator=generator)
        kinds = torch.full((rows, self.length), self.kinds)
        kinds[:, : self.symbols] = symbols
        kinds[:, -self.symbols - 1] = self.kinds + 1
        return Examples(F.one_hot(kinds, self.input_size).float(), symbols)

    def loss(self, read: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy, nats a symbol."""
        return F.cross_entropy(read.flatten(0, 1), targets.flatten())

    def error(self, read: Tensor, targets: Tensor) -> Tensor:
        """Return the share of symbols that are not the most probable ones."""
        return (read.argmax(-1) != targets).float().mean()
