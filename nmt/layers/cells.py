"""Recurrent cells: one step, and a whole sequence with the same numbers on the fastest kernel there is.

B sentences (in a step N rows), T positions, D input width, H hidden width.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State = TypeVar("State")


class Cell(Protocol[State]):
    """A recurrence (x, state) → (y, state); state tensors are batch-first."""

    input_size: int
    hidden_size: int
    projected_size: int

    def initial(self, h: Tensor) -> State:
        """Return the state whose output part is h (N, H) and whose other parts are zero."""

    def project(self, x: Tensor) -> Tensor:
        """Return the inputs' share of the gates (…, projected_size), bias included.

        It is linear in x and needs no state, so that a loop can take it once for all positions.
        """

    def advance(self, projected: Tensor, state: State) -> tuple[Tensor, State]:
        """Take one step from projected inputs (N, gates); return y (N, H) and the next state."""

    def sequence(self, x: Tensor, state: State | None = None) -> Tensor:
        """Return the outputs (B, T, H) of all positions of x (B, T, D)."""


def stack(
    cell: Callable[[int, int], Cell[State]], input_sizes: Sequence[int], hidden_size: int
) -> Sequence[Cell[State]]:
    """Return one cell for each input width, in a list that torch registers with the module it is set on."""
    modules: list[Any] = [cell(size, hidden_size) for size in input_sizes]
    return cast("Sequence[Cell[State]]", nn.ModuleList(modules))


class LSTMState(NamedTuple):
    """h, c: (N, H)."""

    h: Tensor
    c: Tensor


class _LSTMPointwise(torch.autograd.Function):
    """Everything in an LSTM step that is not a matrix product, in the precision of c."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        width = c.shape[-1]
        a = gates.to(c.dtype, copy=True)
        a[:, : 2 * width].sigmoid_()
        a[:, 2 * width : 3 * width].tanh_()
        a[:, 3 * width :].sigmoid_()
        i, f, g, o = a.split(width, dim=-1)
        c_next = torch.addcmul(i * g, f, c)
        tanh_c = c_next.tanh()
        ctx.save_for_backward(a, c, tanh_c)
        ctx.dtype = gates.dtype
        return (o * tanh_c).to(gates.dtype), c_next

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

    i, f, o = σ(W x + U h + b);  g = tanh(W x + U h + b);  c' = f ⊙ c + i ⊙ g;  h' = o ⊙ tanh c'.
    Weights have torch's layout, gates in the order i, f, g, o; the forget gate's bias begins at 1.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.projected_size = input_size, hidden_size, 4 * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the input weights Glorot-uniform and the recurrent ones orthogonal, gate by gate."""
        for w in self.weight_ih.split(self.hidden_size):
            nn.init.xavier_uniform_(w)
        for w in self.weight_hh.split(self.hidden_size):
            nn.init.orthogonal_(w)
        nn.init.zeros_(self.bias)
        nn.init.ones_(self.bias[self.hidden_size : 2 * self.hidden_size])

    def initial(self, h: Tensor) -> LSTMState:
        """Return (h, c = 0); c is kept in the weights' own precision."""
        return LSTMState(h, torch.zeros_like(h, dtype=self.bias.dtype))

    def project(self, x: Tensor) -> Tensor:
        """Return W x + b (…, 4H)."""
        return F.linear(x, self.weight_ih, self.bias)

    def advance(self, projected: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        """Take one step from W x + b (N, 4H)."""
        gates = projected + F.linear(state.h, self.weight_hh)
        h, c = _LSTMPointwise.apply(gates, state.c)  # type: ignore[no-untyped-call]
        return h, LSTMState(h, c)

    def sequence(self, x: Tensor, state: LSTMState | None = None) -> Tensor:
        """Return the outputs (B, T, H) of torch's fused kernel, from a zero state unless one is given."""
        if state is None:
            state = self.initial(x.new_zeros(x.shape[0], self.hidden_size))
        h, c = (s.to(x.dtype).unsqueeze(0).contiguous() for s in state)  # (1, B, H)
        weights = [self.weight_ih, self.weight_hh, self.bias, torch.zeros_like(self.bias)]
        y: Tensor = torch.lstm(x, (h, c), weights, True, 1, 0.0, self.training, False, True)[0]
        return y  # (B, T, H)
