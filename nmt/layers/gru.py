"""The gated recurrent unit."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.activations import in_inference, sigmoid_, tanh_
from nmt.layers.cells import HiddenState
from nmt.layers.initialization import Draw, draw_by_gate, glorot, orthogonal
from nmt.layers.operands import plain


class _GRUPointwise(torch.autograd.Function):
    """Everything in a GRU step that is not a matrix product, in the precision of h."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, recurrent: Tensor, bias_hn: Tensor, h: Tensor) -> Tensor:
        width = h.shape[-1]
        ctx.dtypes = inputs.dtype, recurrent.dtype
        inputs, recurrent = inputs.to(h.dtype), recurrent.to(h.dtype)
        rz = sigmoid_(inputs[:, : 2 * width] + recurrent[:, : 2 * width])
        r, z = rz.split(width, dim=-1)
        u = recurrent[:, 2 * width :] + bias_hn
        n = tanh_(torch.addcmul(inputs[:, 2 * width :], r, u))
        ctx.save_for_backward(rz, u, n, h)
        return torch.lerp(n, h, z)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        if torch.is_grad_enabled():
            raise NotImplementedError("a GRU step has no second derivative here")
        (dh,) = grads
        rz, u, n, h = ctx.saved_tensors
        r, z = rz.split(h.shape[-1], dim=-1)
        dn = dh * (1 - z) * (1 - n * n)
        du = dn * r
        dr = dn * u * r * (1 - r)
        dz = dh * (h - n) * z * (1 - z)
        inputs, recurrent = (torch.cat([dr, dz, part], dim=-1) for part in (dn, du))
        return inputs.to(ctx.dtypes[0]), recurrent.to(ctx.dtypes[1]), du.sum(0), dh * z


class GRUCell(nn.Module):
    """Gated recurrent unit (Cho et al. 2014), its reset gate after the product, as in torch and cuDNN.

    a = W x + V late + b;  r, z = σ(a + U h);  n = tanh(a + r ⊙ (U h + b_hn));  h' = (1 − z) ⊙ n + z ⊙ h.
    Weights have torch's layout, gates in the order r, z, n; weight_late is V, apart from U because the
    reset gate leaves late inputs alone. h is kept in the weights' own precision.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        late_size: int = 0,
        *,
        inputs: Draw = glorot,
        recurrent: Draw = orthogonal,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.late_size = input_size, hidden_size, late_size
        gates = 3 * hidden_size
        self.weight_ih: Any = nn.Parameter(torch.empty(gates, input_size)) if input_size else None
        self.weight_late: Any = nn.Parameter(torch.empty(gates, late_size)) if late_size else None
        self.weight_hh = nn.Parameter(torch.empty(gates, hidden_size))
        self.bias = nn.Parameter(torch.zeros(gates))
        self.bias_hn = nn.Parameter(torch.zeros(hidden_size))
        with torch.no_grad():
            draw_by_gate(inputs, self.weight_ih, hidden_size)
            draw_by_gate(inputs, self.weight_late, hidden_size)
            draw_by_gate(recurrent, self.weight_hh, hidden_size)

    def initial(self, h: Tensor) -> HiddenState:
        """Return h (N, H), which is the whole state."""
        return HiddenState(h.to(self.bias.dtype))

    def project(self, x: Tensor | None = None) -> Tensor:
        """Return W x + b (…, 3H), without x just b (3H,)."""
        return self.bias if x is None else F.linear(x, self.weight_ih, self.bias)

    def advance(
        self, projected: Tensor, state: HiddenState, late: Tensor | None = None
    ) -> tuple[Tensor, HiddenState]:
        """Take one step from W x + b (N, 3H) and, where the cell has them, late inputs (N, L)."""
        recurrent = F.linear(state.h, self.weight_hh)  # (N, 3H)
        inputs = projected if late is None else F.linear(late, self.weight_late).add_(projected)
        inputs = inputs.expand_as(recurrent)
        h = _GRUPointwise.apply(inputs, recurrent, self.bias_hn, state.h)  # type: ignore[no-untyped-call]
        return h.to(recurrent.dtype), HiddenState(h)

    def gates(self, projected: Tensor, state: HiddenState, late: Tensor | None = None) -> dict[str, Tensor]:
        """Return what the gates let through in the step that `advance` takes: by name (N, H), 0 to 1.

        Update is z: 1 keeps h as it is.
        """
        inputs = projected if late is None else F.linear(late, self.weight_late) + projected
        r, z, _ = (inputs + F.linear(state.h, self.weight_hh)).sigmoid().chunk(3, dim=-1)
        return {"reset": r, "update": z}

    def sequence(self, x: Tensor, state: HiddenState | None = None) -> Tensor:
        """Return the outputs (B, T, H) of `run`."""
        return self.run(x, state)[0]

    def run(self, x: Tensor, state: HiddenState | None = None) -> tuple[Tensor, HiddenState]:
        """Run torch's fused kernel, from a zero state unless one is given; return y (B, T, H), last state.

        In inference on a CPU the step is taken T times: the kernel's sigmoid depends on the neighbours.
        """
        if state is None:
            state = self.initial(x.new_zeros(x.shape[0], self.hidden_size))
        if in_inference(x):
            return self._unrolled(x, state)
        h = state.h.to(x.dtype).unsqueeze(0)  # (1, B, H)
        weights = [self.weight_ih, self.weight_hh, self.bias, F.pad(self.bias_hn, (2 * self.hidden_size, 0))]
        y, h = torch.gru(x, h, weights, True, 1, 0.0, self.training, False, True)
        return y, self.initial(h[0])

    def _unrolled(self, x: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        """Return what `run` does; the products are those of the plain matrices, whatever stands for them."""
        weight_ih, weight_hh = plain([self.weight_ih, self.weight_hh])
        h, outputs = state.h, []
        for inputs in F.linear(x.transpose(0, 1), weight_ih, self.bias).unbind(0):
            h = _GRUPointwise.apply(inputs, F.linear(h, weight_hh), self.bias_hn, h)  # type: ignore[no-untyped-call]
            outputs.append(h)
        return torch.stack(outputs, dim=1), HiddenState(h)
