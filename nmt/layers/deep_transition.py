"""Deep transition: a cell that takes several steps of smaller cells for one of its own."""

from typing import Any

import torch
from torch import Tensor, nn

from nmt.layers.cells import Cell, CellType, stack
from nmt.layers.collecting import collecting


class DeepTransitionCell(nn.Module):
    """Deep transition (Miceli Barone et al. 2017, §2.2): s₁ = cell₁(x, s);  sᵢ = cellᵢ(sᵢ₋₁), i = 2 … depth.

    The state enters the first cell, which alone has inputs, x and late ones; each cell that follows takes
    the state of the one before it, all of it (an LSTM's h and c), and no input. y and the state are those
    of the last. The inner cell needs a matrix that multiplies its state: an SRU has none to go deeper with.
    A conditional decoder has two cells a step, and each is one of these; in the paper's decoder attention
    stands behind the first cell of all, so that it is deep behind the attention alone.
    """

    def __init__(
        self, cell: CellType, depth: int, input_size: int, hidden_size: int, late_size: int = 0, /
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.late_size = input_size, hidden_size, late_size
        self.first: Cell[Any] = cell(input_size, hidden_size, late_size)
        self.following = stack(cell, [0] * (depth - 1), hidden_size)

    def initial(self, h: Tensor) -> Any:
        """Return the first state of the inner cell that begins with h (N, H)."""
        return self.first.initial(h)

    def project(self, x: Tensor | None = None) -> Tensor:
        """Return what x (…, D) gives to the gates of the first cell (…, gates)."""
        return self.first.project(x)

    def advance(self, projected: Tensor, state: Any, late: Tensor | None = None) -> tuple[Tensor, Any]:
        """Take one step, of `depth` inner ones; return y (N, H) and the last one's state."""
        y, state = self.first.advance(projected, state, late)
        for cell in self.following:
            y, state = cell.advance(cell.project(), state)
        return y, state

    def sequence(self, x: Tensor, state: Any = None) -> Tensor:
        """Return the outputs (B, T, H) of `run`."""
        return self.run(x, state)[0]

    def run(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Take the step T times, from a zero state unless one is given; return y (B, T, H), last state.

        No kernel runs several cells in turn, so this loops, the weights' gradients collected to the end.
        """
        if state is None:
            state = self.initial(x.new_zeros(x.shape[0], self.hidden_size))
        loop = collecting(self) if torch.is_grad_enabled() else self
        outputs = []
        for projected in self.project(x.transpose(0, 1)).unbind(0):
            y, state = loop.advance(projected, state)
            outputs.append(y)
        return torch.stack(outputs, dim=1), state
