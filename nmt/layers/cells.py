"""Recurrent cells: one step, and a whole sequence with the same numbers on the fastest kernel there is.

B sentences (in a step N rows), T positions, D input width, S step-input width, H hidden width, G width of all
gates.
"""

from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from nmt.layers.activations import sigmoid, tanh
from nmt.layers.initialization import Initializer, glorot, linear_by_gate, orthogonal
from nmt.shapes import Float

State = TypeVar("State")


class HiddenState(NamedTuple):
    """The output is the whole state."""

    h: Float[Tensor, "N H"]


class LSTMState(NamedTuple):
    """The output and the memory cell."""

    h: Float[Tensor, "N H"]
    c: Float[Tensor, "N H"]


class Cell(nn.Module, Generic[State]):
    """A recurrence (x, state) → (y, state); a state is a NamedTuple of batch-first tensors.

    A cell has two kinds of input. `x` is known for all positions and is projected once before the loop.
    The step input (such as the attentional vector that is fed back) is known inside the loop only.
    Either width may be 0; a cell without x has no `input_proj`.
    """

    input_proj: nn.Linear | None

    def __init__(self, input_size: int, hidden_size: int, step_input_size: int = 0) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.step_input_size = input_size, hidden_size, step_input_size

    def initial_state(self, h: Float[Tensor, "N H"]) -> State:
        """Return the state that begins with h; its other parts are zero."""
        raise NotImplementedError

    def project(self, x: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows G"]:
        """Return what x gives to the gates, W x; it needs no state."""
        assert self.input_proj is not None
        projected: Tensor = self.input_proj(x)
        return projected

    def step(
        self,
        projected: Float[Tensor, "N G"] | None,
        state: State,
        step_input: Float[Tensor, "N S"] | None = None,
    ) -> tuple[Float[Tensor, "N H"], State]:
        """Return y and the next state.

        projected: of `project`; None for a cell without x. step_input: None for a cell without one.
        """
        raise NotImplementedError

    def forward(
        self, x: Float[Tensor, "B T D"], state: State | None = None
    ) -> tuple[Float[Tensor, "B T H"], State]:
        """Return y for all positions of x, and the state after the last one.

        The first state is zero unless it is given. Padding counts as positions.
        """
        state = self.zero_state(x) if state is None else state
        outputs = []
        for projected in self.project(x.transpose(0, 1)).unbind(0):
            y, state = self.step(projected, state)
            outputs.append(y)
        return torch.stack(outputs, dim=1), state

    def zero_state(self, x: Float[Tensor, "B T D"]) -> State:
        """Return the state of rows that have read nothing."""
        return self.initial_state(x.new_zeros(x.shape[0], self.hidden_size))


AnyCell: TypeAlias = Cell[Any]  # any state


class CellType(Protocol):
    """What makes a cell of given widths; a cell's class is one."""

    def __call__(self, input_size: int, hidden_size: int, step_input_size: int = 0, /) -> AnyCell:
        """Return a freshly initialised cell."""


def joined(step_input: Float[Tensor, "N S"] | None, h: Float[Tensor, "N H"]) -> Float[Tensor, "N W"]:
    """Return [step_input; h], which one matrix multiplies."""
    return h if step_input is None else torch.cat([step_input, h], dim=-1)


class LSTMCell(Cell[LSTMState]):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

    i, f, o = σ(a), g = tanh(a) of a = W x + U [s; h] + b with the step input s;  c' = f ⊙ c + i ⊙ g;
    h' = o ⊙ tanh c'. Gates stand in torch's order i, f, g, o. The forget gate's bias begins at
    `forget_bias`; with `chrono`, the longest dependency to expect in steps, T > 2, at log U(1, T − 1), and
    the input gate's at minus that (Tallec & Ollivier 2018). c is kept in the weights' own precision.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        step_input_size: int = 0,
        *,
        input_init: Initializer = glorot,
        recurrent_init: Initializer = orthogonal,
        forget_bias: float = 1.0,
        chrono: int | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, step_input_size)
        self.input_proj = linear_by_gate(4, hidden_size, (input_size, input_init)) if input_size else None
        columns = (step_input_size, input_init), (hidden_size, recurrent_init)
        self.recurrent_proj = linear_by_gate(4, hidden_size, *columns, bias=True)
        with torch.no_grad():
            i, f, _, _ = self.recurrent_proj.bias.split(hidden_size)
            f.fill_(forget_bias)
            if chrono is not None:
                f.uniform_(1, chrono - 1).log_()
                i.copy_(-f)

    def initial_state(self, h: Float[Tensor, "N H"]) -> LSTMState:
        """Return (h, c = 0)."""
        return LSTMState(h, torch.zeros_like(h, dtype=self.recurrent_proj.weight.dtype))

    def step(
        self,
        projected: Float[Tensor, "N G"] | None,
        state: LSTMState,
        step_input: Float[Tensor, "N S"] | None = None,
    ) -> tuple[Float[Tensor, "N H"], LSTMState]:
        """Return h' twice, as y and in the state, and c'."""
        a = self._sums(projected, state.h, step_input)  # (N, 4H)
        wide, width = a.to(state.c.dtype), self.hidden_size
        i, f = sigmoid(wide[:, : 2 * width]).chunk(2, dim=-1)
        g, o = tanh(wide[:, 2 * width : 3 * width]), sigmoid(wide[:, 3 * width :])
        c = torch.addcmul(i * g, f, state.c)
        h = (o * tanh(self._shown(c))).to(a.dtype)
        return h, LSTMState(h, c)

    def gates(
        self,
        projected: Float[Tensor, "N G"] | None,
        state: LSTMState,
        step_input: Float[Tensor, "N S"] | None = None,
    ) -> dict[str, Float[Tensor, "N H"]]:
        """Return the gates of `step` by name, each 0 to 1."""
        i, f, _, o = self._sums(projected, state.h, step_input).sigmoid().chunk(4, dim=-1)
        return {"input": i, "forget": f, "output": o}

    def forward(
        self, x: Float[Tensor, "B T D"], state: LSTMState | None = None
    ) -> tuple[Float[Tensor, "B T H"], LSTMState]:
        """Run torch's fused kernel; return y and the last state."""
        assert self.input_proj is not None
        state = self.zero_state(x) if state is None else state
        h, c = (part.to(x.dtype).unsqueeze(0).contiguous() for part in state)  # (1, B, H)
        bias = self.recurrent_proj.bias
        weights = [self.input_proj.weight, self.recurrent_proj.weight, bias, torch.zeros_like(bias)]
        y, h, c = torch.lstm(x, (h, c), weights, True, 1, 0.0, self.training, False, True)
        return y, LSTMState(h[0], c[0].to(bias.dtype))

    def _sums(self, projected: Tensor | None, h: Tensor, step_input: Tensor | None) -> Tensor:
        """Return a (N, 4H)."""
        a: Tensor = self.recurrent_proj(joined(step_input, h))
        return a if projected is None else a.add_(projected)

    def _shown(self, c: Tensor) -> Tensor:
        """Return what the output gate sees of c (N, H)."""
        return c
