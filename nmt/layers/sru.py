"""The simple recurrent unit: all matrix products before the loop."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.activations import sigmoid_
from nmt.layers.cells import Cell
from nmt.layers.initialization import Initializer, glorot, linear_by_gate
from nmt.shapes import Float

HIGHWAY = math.sqrt(3)  # α: what passes x on keeps its variance when r begins around 1/2 (§3.2)


class SRUState(NamedTuple):
    """The memory cell."""

    c: Float[Tensor, "N H"]


def _recurrence(
    u: Float[Tensor, "T N G"], weight_c: Float[Tensor, "G//2"], c: Float[Tensor, "N G//4"]
) -> tuple[Float[Tensor, "T N H"], Float[Tensor, "T N H"], Float[Tensor, "T N H"], Float[Tensor, "T+1 N H"]]:
    """Return y, f, r and c from the products u and the first c.

    The loop holds only what needs the c before: three elementwise operations a position.
    """
    in_f, in_r, candidate, highway = u.chunk(4, dim=-1)
    v_f, v_r = weight_c.chunk(2)
    f, states = c.new_empty(len(u), *c.shape), c.new_empty(len(u) + 1, *c.shape)
    states[0] = c
    for t in range(len(u)):
        sigmoid_(torch.addcmul(in_f[t], v_f, states[t], out=f[t]))
        torch.lerp(candidate[t], states[t], f[t], out=states[t + 1])
    r = sigmoid_(torch.addcmul(in_r, v_r, states[:-1]))
    return torch.lerp(highway, states[1:], r), f, r, states


class _Recurrence(torch.autograd.Function):
    """`_recurrence` → y (T, N, H) and the last c (N, H); backward loops over one operation a position."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, weight_c: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        ctx.dtype, u = u.dtype, u.to(c.dtype)
        y, f, r, states = _recurrence(u, weight_c, c)
        ctx.save_for_backward(u, weight_c, f, r, states)
        return y.to(ctx.dtype), states[-1].clone()

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


class SRUCell(Cell[SRUState]):
    """Simple recurrent unit (Lei et al. 2018, eq. 1 to 4), with x below standing for [x; step input].

    f = σ(W_f x + v_f ⊙ c + b_f);  c' = f ⊙ c + (1 − f) ⊙ W x;  r = σ(W_r x + v_r ⊙ c + b_r);
    y = r ⊙ c' + (1 − r) ⊙ α x, where W_h x stands for α x unless x is as wide as y and comes from one place.
    Products stand in the order W_f, W_r, W, W_h; weight_c is [v_f; v_r]. No matrix multiplies the state,
    which is c, kept in the weights' own precision; y is no part of it. The gates' weights begin scaled by
    √½ and W_h by α; v begins even with variance ½ (§3.2).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        step_input_size: int = 0,
        *,
        input_init: Initializer = glorot,
    ) -> None:
        super().__init__(input_size, hidden_size, step_input_size)
        self._passes_on = sorted((input_size, step_input_size)) == [0, hidden_size]
        self.input_proj, self.step_input_proj = (
            self._products(size, input_init) if size else None for size in (input_size, step_input_size)
        )
        self.weight_c = nn.Parameter(torch.empty(2 * hidden_size))
        self.bias = nn.Parameter(torch.zeros(2 * hidden_size))
        nn.init.uniform_(self.weight_c, -math.sqrt(1.5), math.sqrt(1.5))

    def _products(self, size: int, initialize: Initializer) -> nn.Linear:
        linear = linear_by_gate(3 if self._passes_on else 4, self.hidden_size, (size, initialize))
        with torch.no_grad():
            linear.weight[: 2 * self.hidden_size] *= math.sqrt(0.5)  # half a gate's variance is left to c
            linear.weight[3 * self.hidden_size :] *= HIGHWAY
        return linear

    def initial_state(self, h: Float[Tensor, "N H"]) -> SRUState:
        """Return c = h: the state has no other part."""
        return SRUState(h.to(self.bias.dtype))

    def project(self, x: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows G"]:
        """Return the products of x, four times as wide as the state."""
        assert self.input_proj is not None
        return self._with_highway(self.input_proj(x), x)

    def step(
        self,
        projected: Float[Tensor, "N G"] | None,
        state: SRUState,
        step_input: Float[Tensor, "N S"] | None = None,
    ) -> tuple[Float[Tensor, "N H"], SRUState]:
        """Return y and c'."""
        y, after = self._run(self._inputs(projected, step_input).unsqueeze(0), state)
        return y.squeeze(0), after

    def gates(
        self,
        projected: Float[Tensor, "N G"] | None,
        state: SRUState,
        step_input: Float[Tensor, "N S"] | None = None,
    ) -> dict[str, Float[Tensor, "N H"]]:
        """Return the gates of `step` by name, each 0 to 1.

        Reset is r: 1 lets c' through, 0 what the input passes on.
        """
        in_f, in_r, _, _ = self._biased(self._inputs(projected, step_input)).chunk(4, dim=-1)
        v_f, v_r = self.weight_c.chunk(2)
        return {"forget": (in_f + v_f * state.c).sigmoid(), "reset": (in_r + v_r * state.c).sigmoid()}

    def forward(
        self, x: Float[Tensor, "B T D"], state: SRUState | None = None
    ) -> tuple[Float[Tensor, "B T H"], SRUState]:
        """Loop over elementwise operations alone; return y and the last state."""
        y, after = self._run(self.project(x.transpose(0, 1)), self.zero_state(x) if state is None else state)
        return y.transpose(0, 1), after

    def _run(
        self, products: Float[Tensor, "T N G"], state: SRUState
    ) -> tuple[Float[Tensor, "T N G//4"], SRUState]:
        """Return y and the last state."""
        u = self._biased(products)
        if torch.is_grad_enabled():
            y, c = _Recurrence.apply(u, self.weight_c, state.c)  # type: ignore[no-untyped-call]
        else:
            y, _, _, states = _recurrence(u.to(state.c.dtype), self.weight_c, state.c)
            y, c = y.to(u.dtype), states[-1]
        return y, SRUState(c)

    def _inputs(self, projected: Tensor | None, step_input: Tensor | None) -> Tensor:
        """Return the products of both inputs (N, 4H)."""
        if self.step_input_proj is None or step_input is None:
            assert projected is not None
            return projected
        products = self._with_highway(self.step_input_proj(step_input), step_input)
        return products if projected is None else products + projected

    def _biased(self, products: Tensor) -> Tensor:
        """Return products (…, 4H) with the gates' biases."""
        return products + F.pad(self.bias, (0, 2 * self.hidden_size)).to(products.dtype)

    def _with_highway(self, products: Tensor, x: Tensor) -> Tensor:
        if not self._passes_on:
            return products
        return torch.cat([products, HIGHWAY * x.to(products.dtype)], dim=-1)
