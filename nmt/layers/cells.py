"""Recurrent cells: one step, and a whole sequence with the same numbers on the fastest kernel there is.

B sentences (in a step N rows), T positions, D input width, H hidden width.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.activations import sigmoid_, tanh, tanh_
from nmt.layers.initialization import Draw, draw_by_gate, glorot, orthogonal

State = TypeVar("State")


class Cell(Protocol[State]):
    """A recurrence (x, state) → (y, state); state tensors are batch-first.

    Of its inputs, x (input_size) can be projected before a loop; late (late_size) is known in the step
    alone, as is h, and a cell may multiply the two together. Either size may be 0.
    """

    input_size: int
    hidden_size: int
    late_size: int

    def initial(self, h: Tensor) -> State:
        """Return the state that begins with h (N, H); what else a cell keeps is zero."""

    def project(self, x: Tensor | None = None) -> Tensor:
        """Return what x (…, D) gives to the gates (…, gates), bias included; without x the bias (gates,).

        It needs no state, so that a loop can take it once for all positions.
        """

    def advance(self, projected: Tensor, state: State, late: Tensor | None = None) -> tuple[Tensor, State]:
        """Take one step from projected inputs (N, gates) and late ones (N, L); return y (N, H), state."""

    def sequence(self, x: Tensor, state: State | None = None) -> Tensor:
        """Return the outputs (B, T, H) of all positions of x (B, T, D), of a cell without late inputs."""

    def run(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return what `sequence` does, and the state after the last position, padding counted."""


class CellType(Protocol):
    """What makes a cell of given widths; a cell's class is one."""

    def __call__(self, input_size: int, hidden_size: int, late_size: int = 0, /) -> Cell[Any]:
        """Return a freshly drawn cell."""


def stack(
    cell: CellType, input_sizes: Sequence[int], hidden_size: int, *, late_size: int = 0
) -> Sequence[Cell[Any]]:
    """Return one cell for each input width, in a list that torch registers with the module it is set on."""
    modules: list[Any] = [cell(size, hidden_size, late_size) for size in input_sizes]
    return cast("Sequence[Cell[Any]]", nn.ModuleList(modules))


class HiddenState(NamedTuple):
    """h: (N, H)."""

    h: Tensor


class LSTMState(NamedTuple):
    """h, c: (N, H)."""

    h: Tensor
    c: Tensor


def _pointwise(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return h', c', the gates after their nonlinearities and tanh c', each in the precision of c but h'."""
    width = c.shape[-1]
    a = gates.to(c.dtype)
    sigmoid_(a[:, : 2 * width])
    tanh_(a[:, 2 * width : 3 * width])
    sigmoid_(a[:, 3 * width :])
    i, f, g, o = a.split(width, dim=-1)
    c_next = torch.addcmul(i * g, f, c)
    tanh_c = tanh(c_next)
    return (o * tanh_c).to(gates.dtype), c_next, a, tanh_c


class _LSTMPointwise(torch.autograd.Function):
    """Everything in an LSTM step that is not a matrix product, in the precision of c; may overwrite gates."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        h, c_next, a, tanh_c = _pointwise(gates, c)
        ctx.save_for_backward(a, c, tanh_c)
        ctx.dtype = gates.dtype
        return h, c_next

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        if torch.is_grad_enabled():
            raise NotImplementedError("an LSTM step has no second derivative here")
        dh, dc_next = grads
        a, c, tanh_c = ctx.saved_tensors
        i, f, g, o = a.split(c.shape[-1], dim=-1)
        dh = dh.to(c.dtype)
        dc = dc_next + dh * o * (1 - tanh_c * tanh_c)
        gates = torch.empty_like(a)
        di, df, dg, do = gates.split(c.shape[-1], dim=-1)
        torch.mul(dc * g, i * (1 - i), out=di)
        torch.mul(dc * c, f * (1 - f), out=df)
        torch.mul(dc * i, 1 - g * g, out=dg)
        torch.mul(dh * tanh_c, o * (1 - o), out=do)
        return gates.to(ctx.dtype), dc * f


class LSTMCell(nn.Module):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

    i, f, o = σ(a), g = tanh(a) of a = W x + U [late; h] + b;  c' = f ⊙ c + i ⊙ g;  h' = o ⊙ tanh c'.
    Weights have torch's layout, gates in the order i, f, g, o; weight_hh is U, late inputs in its first
    columns. The forget gate's bias begins at `forget_bias`; with `chrono`, the longest dependency to expect
    in steps, T > 2, at log U(1, T − 1), and the input gate's at minus that (Tallec & Ollivier 2018).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        late_size: int = 0,
        *,
        inputs: Draw = glorot,
        recurrent: Draw = orthogonal,
        forget_bias: float = 1.0,
        chrono: int | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.late_size = input_size, hidden_size, late_size
        gates = 4 * hidden_size
        self.weight_ih: Any = nn.Parameter(torch.empty(gates, input_size)) if input_size else None
        self.weight_hh = nn.Parameter(torch.empty(gates, late_size + hidden_size))
        self.bias = nn.Parameter(torch.zeros(gates))
        with torch.no_grad():
            late, own = self.weight_hh.split([late_size, hidden_size], dim=1)
            draw_by_gate(inputs, self.weight_ih, hidden_size)
            draw_by_gate(inputs, late, hidden_size)
            draw_by_gate(recurrent, own, hidden_size)
            i, f, _, _ = self.bias.split(hidden_size)
            f.fill_(forget_bias)
            if chrono is not None:
                f.uniform_(1, chrono - 1).log_()
                i.copy_(-f)

    def initial(self, h: Tensor) -> LSTMState:
        """Return (h, c = 0); c is kept in the weights' own precision."""
        return LSTMState(h, torch.zeros_like(h, dtype=self.bias.dtype))

    def project(self, x: Tensor | None = None) -> Tensor:
        """Return W x + b (…, 4H), without x just b (4H,)."""
        return self.bias if x is None else F.linear(x, self.weight_ih, self.bias)

    def advance(
        self, projected: Tensor, state: LSTMState, late: Tensor | None = None
    ) -> tuple[Tensor, LSTMState]:
        """Take one step from W x + b (N, 4H) and, where the cell has them, late inputs (N, L)."""
        h = state.h if late is None else torch.cat([late, state.h], dim=-1)  # (N, L + H)
        gates = F.linear(h, self.weight_hh).add_(projected)
        if torch.is_grad_enabled():
            h, c = _LSTMPointwise.apply(gates, state.c)  # type: ignore[no-untyped-call]
        else:
            h, c, _, _ = _pointwise(gates, state.c)
        return h, LSTMState(h, c)

    def gates(self, projected: Tensor, state: LSTMState, late: Tensor | None = None) -> dict[str, Tensor]:
        """Return what the gates let through in the step that `advance` takes: by name (N, H), 0 to 1."""
        h = state.h if late is None else torch.cat([late, state.h], dim=-1)  # (N, L + H)
        i, f, _, o = (projected + F.linear(h, self.weight_hh)).sigmoid().chunk(4, dim=-1)
        return {"input": i, "forget": f, "output": o}

    def sequence(self, x: Tensor, state: LSTMState | None = None) -> Tensor:
        """Return the outputs (B, T, H) of `run`."""
        return self.run(x, state)[0]

    def run(self, x: Tensor, state: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        """Run torch's fused kernel, from a zero state unless one is given; return y (B, T, H), last state."""
        if state is None:
            state = self.initial(x.new_zeros(x.shape[0], self.hidden_size))
        h, c = (s.to(x.dtype).unsqueeze(0).contiguous() for s in state)  # (1, B, H)
        weights = [self.weight_ih, self.weight_hh, self.bias, torch.zeros_like(self.bias)]
        y, h, c = torch.lstm(x, (h, c), weights, True, 1, 0.0, self.training, False, True)
        return y, LSTMState(h[0], c[0].to(self.bias.dtype))
