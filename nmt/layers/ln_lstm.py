"""The layer-normalised LSTM."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.activations import sigmoid_, tanh_
from nmt.layers.cells import LSTMCell, LSTMState
from nmt.layers.collecting import collecting
from nmt.layers.initialization import Draw, glorot, orthogonal

EPS = 1e-5  # added to a variance, as in torch


class _NormalisedPointwise(torch.autograd.Function):
    """Everything in a step that is not a matrix product, in the precision of c."""

    @staticmethod
    def forward(
        ctx: Any,
        projected: Tensor,
        recurrent: Tensor,
        c: Tensor,
        gain_hh: Tensor,
        gain_c: Tensor,
        bias_c: Tensor,
    ) -> tuple[Tensor, Tensor]:
        width = c.shape[-1]
        ctx.dtypes = projected.dtype, recurrent.dtype
        recurrent = recurrent.to(c.dtype)
        a, *of_gates = torch.native_layer_norm(recurrent, [4 * width], gain_hh, None, EPS)
        a += projected
        sigmoid_(a[:, : 2 * width])
        tanh_(a[:, 2 * width : 3 * width])
        sigmoid_(a[:, 3 * width :])
        i, f, g, o = a.split(width, dim=-1)
        c_next = torch.addcmul(i * g, f, c)
        normal, *of_c = torch.native_layer_norm(c_next, [width], gain_c, bias_c, EPS)
        tanh_c = tanh_(normal)
        ctx.save_for_backward(recurrent, *of_gates, a, c, c_next, *of_c, tanh_c, gain_hh, gain_c, bias_c)
        return (o * tanh_c).to(ctx.dtypes[1]), c_next

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        if torch.is_grad_enabled():
            raise NotImplementedError("a layer-normalised LSTM step has no second derivative here")
        dh, dc_next = grads
        recurrent, mean, rstd, a, c, c_next, mean_c, rstd_c, tanh_c, gain_hh, gain_c, bias_c = (
            ctx.saved_tensors
        )
        width = c.shape[-1]
        i, f, g, o = a.split(width, dim=-1)
        dh = dh.to(c.dtype)
        dc, dgain_c, dbias_c = torch.ops.aten.native_layer_norm_backward(
            dh * o * (1 - tanh_c * tanh_c), c_next, [width], mean_c, rstd_c, gain_c, bias_c, [True] * 3
        )
        dc += dc_next
        gates = torch.empty_like(a)
        di, df, dg, do = gates.split(width, dim=-1)
        torch.mul(dc * g, i * (1 - i), out=di)
        torch.mul(dc * c, f * (1 - f), out=df)
        torch.mul(dc * i, 1 - g * g, out=dg)
        torch.mul(dh * tanh_c, o * (1 - o), out=do)
        drecurrent, dgain_hh, _ = torch.ops.aten.native_layer_norm_backward(
            gates, recurrent, [4 * width], mean, rstd, gain_hh, None, [True, True, False]
        )
        return gates.to(ctx.dtypes[0]), drecurrent.to(ctx.dtypes[1]), dc * f, dgain_hh, dgain_c, dbias_c


class LayerNormLSTMCell(LSTMCell):
    """LSTM with layer normalisation (Ba et al. 2016, eq. 20 to 22).

    i, f, o = σ(a), g = tanh(a) of a = LN(W x) + LN(U [late; h]) + b, each LN over the gates together;
    c' = f ⊙ c + i ⊙ g;  h' = o ⊙ tanh LN(c'). Gains begin at 1; the gates' two shifts and b, which add up,
    are one bias. Everything else is as in the LSTM.
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
        super().__init__(
            input_size,
            hidden_size,
            late_size,
            inputs=inputs,
            recurrent=recurrent,
            forget_bias=forget_bias,
            chrono=chrono,
        )
        self.gain_ih = nn.Parameter(torch.ones(4 * hidden_size)) if input_size else None
        self.gain_hh = nn.Parameter(torch.ones(4 * hidden_size))
        self.gain_c = nn.Parameter(torch.ones(hidden_size))
        self.bias_c = nn.Parameter(torch.zeros(hidden_size))

    def project(self, x: Tensor | None = None) -> Tensor:
        """Return LN(W x) + b (…, 4H), without x just b (4H,)."""
        if x is None:
            return self.bias
        return F.layer_norm(F.linear(x, self.weight_ih), self.bias.shape, self.gain_ih, self.bias, EPS)

    def advance(
        self, projected: Tensor, state: LSTMState, late: Tensor | None = None
    ) -> tuple[Tensor, LSTMState]:
        """Take one step from LN(W x) + b (N, 4H) and, where the cell has them, late inputs (N, L)."""
        h = state.h if late is None else torch.cat([late, state.h], dim=-1)  # (N, L + H)
        recurrent = F.linear(h, self.weight_hh)  # (N, 4H)
        h, c = _NormalisedPointwise.apply(  # type: ignore[no-untyped-call]
            projected.expand_as(recurrent), recurrent, state.c, self.gain_hh, self.gain_c, self.bias_c
        )
        return h, LSTMState(h, c)

    def gates(self, projected: Tensor, state: LSTMState, late: Tensor | None = None) -> dict[str, Tensor]:
        """Return what the gates let through in the step that `advance` takes: by name (N, H), 0 to 1."""
        h = state.h if late is None else torch.cat([late, state.h], dim=-1)  # (N, L + H)
        recurrent = F.layer_norm(F.linear(h, self.weight_hh), self.bias.shape, self.gain_hh, None, EPS)
        i, f, _, o = (projected + recurrent).sigmoid().chunk(4, dim=-1)
        return {"input": i, "forget": f, "output": o}

    def run(self, x: Tensor, state: LSTMState | None = None) -> tuple[Tensor, LSTMState]:
        """Take the step T times, from a zero state unless one is given; return y (B, T, H), last state."""
        if state is None:
            state = self.initial(x.new_zeros(x.shape[0], self.hidden_size))
        loop = collecting(self) if torch.is_grad_enabled() else self
        outputs = []
        for projected in self.project(x.transpose(0, 1)).unbind(0):
            y, state = loop.advance(projected, state)
            outputs.append(y)
        return torch.stack(outputs, dim=1), state
