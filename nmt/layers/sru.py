"""The simple recurrent unit: all matrix products before the loop."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.activations import sigmoid_
from nmt.layers.initialization import Draw, draw_by_gate, glorot

HIGHWAY = math.sqrt(3)  # α: what passes x on keeps its variance when r begins around 1/2 (§3.2)


class SRUState(NamedTuple):
    """c: (N, H)."""

    c: Tensor


class _Recurrence(torch.autograd.Function):
    """y (T, N, H) and the last c (N, H) from products u (T, N, 4H), in the precision of c.

    In the loop there is only what needs the c before: three elementwise operations a position, and on the
    way back one.
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, weight_c: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        ctx.dtype, length = u.dtype, len(u)
        u = u.to(c.dtype)
        in_f, in_r, candidate, highway = u.chunk(4, dim=-1)
        v_f, v_r = weight_c.chunk(2)
        f, states = c.new_empty(length, *c.shape), c.new_empty(length + 1, *c.shape)
        states[0] = c
        for t in range(length):
            sigmoid_(torch.addcmul(in_f[t], v_f, states[t], out=f[t]))
            torch.lerp(candidate[t], states[t], f[t], out=states[t + 1])
        r = sigmoid_(torch.addcmul(in_r, v_r, states[:-1]))
        ctx.save_for_backward(u, weight_c, f, r, states)
        return torch.lerp(highway, states[1:], r).to(ctx.dtype), states[-1].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if torch.is_grad_enabled():
            raise NotImplementedError("an SRU has no second derivative here")
        u, weight_c, f, r, states = ctx.saved_tensors
        _, _, candidate, highway = u.chunk(4, dim=-1)
        v_f, v_r = weight_c.chunk(2)
        before, after = states[:-1], states[1:]
        dy = grads[0].to(u.dtype)
        du = torch.empty_like(u)
        df, dr, dcandidate, dhighway = du.chunk(4, dim=-1)
        torch.mul(dy, 1 - r, out=dhighway)
        torch.mul(dy * (after - highway), r * (1 - r), out=dr)
        of_f = (before - candidate) * f * (1 - f)  # dc'/d(in_f)
        kept = torch.addcmul(f, v_f, of_f)  # dc'/dc
        dc = dy * r
        dc[-1] += grads[1]
        dc[:-1].addcmul_(v_r, dr[1:])
        for t in range(len(u) - 1, 0, -1):
            dc[t - 1].addcmul_(dc[t], kept[t])
        torch.mul(dc, of_f, out=df)
        torch.mul(dc, 1 - f, out=dcandidate)
        dweight_c = torch.cat([(part * before).sum((0, 1)) for part in (df, dr)])
        return du.to(ctx.dtype), dweight_c, dc[0] * kept[0] + v_r * dr[0]


class SRUCell(nn.Module):
    """Simple recurrent unit (Lei et al. 2018, eq. 1 to 4), with x below standing for [x; late].

    f = σ(W_f x + v_f ⊙ c + b_f);  c' = f ⊙ c + (1 − f) ⊙ W x;  r = σ(W_r x + v_r ⊙ c + b_r);
    y = r ⊙ c' + (1 − r) ⊙ α x, where W_h x stands for α x unless x is as wide as y and comes from one place.
    Rows of the weights are in the order W_f, W_r, W, W_h; weight_c is [v_f; v_r]. No matrix multiplies
    what the step before gave: y is no part of the state, which is c, kept in the weights' own precision.
    What is drawn for the gates is scaled by √½ and for W_h by α; v begins even with variance ½ (§3.2).
    """

    def __init__(
        self, input_size: int, hidden_size: int, late_size: int = 0, *, inputs: Draw = glorot
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.late_size = input_size, hidden_size, late_size
        self._passes_on = (input_size, late_size) in ((hidden_size, 0), (0, hidden_size))
        self._products = (3 if self._passes_on else 4) * hidden_size
        self.weight_ih: Any = nn.Parameter(torch.empty(self._products, input_size)) if input_size else None
        self.weight_late: Any = nn.Parameter(torch.empty(self._products, late_size)) if late_size else None
        self.weight_c = nn.Parameter(torch.empty(2 * hidden_size))
        self.bias = nn.Parameter(torch.zeros(2 * hidden_size))
        with torch.no_grad():
            for weight in (self.weight_ih, self.weight_late):
                draw_by_gate(inputs, weight, hidden_size)
                if weight is not None:
                    weight[: 2 * hidden_size] *= math.sqrt(0.5)  # half a gate's variance is left to c
                    weight[3 * hidden_size :] *= HIGHWAY
            nn.init.uniform_(self.weight_c, -math.sqrt(1.5), math.sqrt(1.5))

    def initial(self, h: Tensor) -> SRUState:
        """Return c = h (N, H): the state has no other part."""
        return SRUState(h.to(self.bias.dtype))

    def project(self, x: Tensor | None = None) -> Tensor:
        """Return the products of x and the gates' biases (…, 4H), without x just the biases (4H,)."""
        if x is None:
            return F.pad(self.bias, (0, 2 * self.hidden_size))
        bias = F.pad(self.bias, (0, self._products - 2 * self.hidden_size))
        return self._with_highway(F.linear(x, self.weight_ih, bias), x)

    def advance(
        self, projected: Tensor, state: SRUState, late: Tensor | None = None
    ) -> tuple[Tensor, SRUState]:
        """Take one step from `project`'s (N, 4H) and, where the cell has them, late inputs (N, L)."""
        if late is not None:
            projected = projected + self._with_highway(F.linear(late, self.weight_late), late)
        u = projected.expand(state.c.shape[0], -1).unsqueeze(0)  # (1, N, 4H)
        y, c = _Recurrence.apply(u, self.weight_c, state.c)  # type: ignore[no-untyped-call]
        return y.squeeze(0), SRUState(c)

    def gates(self, projected: Tensor, state: SRUState, late: Tensor | None = None) -> dict[str, Tensor]:
        """Return what the gates let through in the step that `advance` takes: by name (N, H), 0 to 1.

        Reset is r: 1 lets c' through, 0 what the input passes on.
        """
        if late is not None:
            projected = projected + self._with_highway(F.linear(late, self.weight_late), late)
        in_f, in_r, _, _ = projected.chunk(4, dim=-1)
        v_f, v_r = self.weight_c.chunk(2)
        return {"forget": (in_f + v_f * state.c).sigmoid(), "reset": (in_r + v_r * state.c).sigmoid()}

    def sequence(self, x: Tensor, state: SRUState | None = None) -> Tensor:
        """Return the outputs (B, T, H) of `run`."""
        return self.run(x, state)[0]

    def run(self, x: Tensor, state: SRUState | None = None) -> tuple[Tensor, SRUState]:
        """Go over all positions, from a zero state unless one is given; return y (B, T, H), last state."""
        if state is None:
            state = self.initial(x.new_zeros(x.shape[0], self.hidden_size))
        u = self.project(x.transpose(0, 1))  # (T, B, 4H)
        y, c = _Recurrence.apply(u, self.weight_c, state.c)  # type: ignore[no-untyped-call]
        return y.transpose(0, 1), SRUState(c)

    def _with_highway(self, products: Tensor, x: Tensor) -> Tensor:
        if not self._passes_on:
            return products
        return torch.cat([products, HIGHWAY * x.to(products.dtype)], dim=-1)
