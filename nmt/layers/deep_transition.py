"""Deep transition: a cell that takes several steps of smaller cells for one of its own."""

from typing import Any

from torch import Tensor, nn

from nmt.layers.cells import Cell, CellType
from nmt.shapes import Float


class DeepTransitionCell(Cell[Any]):
    """Deep transition (Miceli Barone et al. 2017, §2.2): s₁ = cell₁(x, s);  sᵢ = cellᵢ(sᵢ₋₁), i = 2 … depth.

    The state enters the first cell, and only the first cell has inputs. Each cell that follows takes the
    whole state of the one before it (an LSTM's h and c). y and the state are those of the last cell. The
    inner cell needs a matrix that multiplies its state; an SRU has none.
    In a conditional decoder both cells of a step are deep-transition cells. The paper instead attends after
    the first inner cell, so that only the part after attention is deep.
    """

    def __init__(
        self, cell: CellType, depth: int, input_size: int, hidden_size: int, step_input_size: int = 0, /
    ) -> None:
        super().__init__(input_size, hidden_size, step_input_size)
        self.first = cell(input_size, hidden_size, step_input_size)
        self.following = nn.ModuleList(cell(0, hidden_size) for _ in range(depth - 1))

    def initial_state(self, h: Float[Tensor, "N H"]) -> Any:
        """Return the first state of the inner cell that begins with h."""
        return self.first.initial_state(h)

    def project(self, x: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows G"]:
        """Return what x gives to the gates of the first cell."""
        return self.first.project(x)

    def step(
        self,
        projected: Float[Tensor, "N G"] | None,
        state: Any,
        step_input: Float[Tensor, "N S"] | None = None,
    ) -> tuple[Float[Tensor, "N H"], Any]:
        """Take `depth` inner steps; return y and the last one's state."""
        y, state = self.first.step(projected, state, step_input)
        for cell in self.following:
            y, state = cell.step(None, state)  # type: ignore[operator]
        return y, state
