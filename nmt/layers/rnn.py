"""The plain recurrent network, without gates."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.activations import tanh
from nmt.layers.cells import HiddenState
from nmt.layers.initialization import Draw, draw_by_gate, glorot, orthogonal


class RNNCell(nn.Module):
    """Simple recurrent network (Elman 1990): h' = φ(W x + U [late; h] + b), φ = tanh or ReLU.

    With ReLU and U drawn as the identity it is the IRNN (Le et al. 2015, §2): the state is kept as it is
    until training says otherwise. The bias begins at 0. Weights have torch's layout; weight_hh is U, late
    inputs in its first columns.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        late_size: int = 0,
        *,
        activation: Literal["tanh", "relu"] = "tanh",
        inputs: Draw = glorot,
        recurrent: Draw = orthogonal,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.late_size = input_size, hidden_size, late_size
        self.activation = activation
        self.weight_ih: Any = nn.Parameter(torch.empty(hidden_size, input_size)) if input_size else None
        self.weight_hh = nn.Parameter(torch.empty(hidden_size, late_size + hidden_size))
        self.bias = nn.Parameter(torch.zeros(hidden_size))
        with torch.no_grad():
            late, own = self.weight_hh.split([late_size, hidden_size], dim=1)
            draw_by_gate(inputs, self.weight_ih, hidden_size)
            draw_by_gate(inputs, late, hidden_size)
            draw_by_gate(recurrent, own, hidden_size)

    def initial(self, h: Tensor) -> HiddenState:
        """Return h (N, H), which is the whole state."""
        return HiddenState(h)

    def project(self, x: Tensor | None = None) -> Tensor:
        """Return W x + b (…, H), without x just b (H,)."""
        return self.bias if x is None else F.linear(x, self.weight_ih, self.bias)

    def advance(
        self, projected: Tensor, state: HiddenState, late: Tensor | None = None
    ) -> tuple[Tensor, HiddenState]:
        """Take one step from W x + b (N, H) and, where the cell has them, late inputs (N, L)."""
        h = state.h if late is None else torch.cat([late, state.h], dim=-1)  # (N, L + H)
        sums = F.linear(h, self.weight_hh).add_(projected)
        h = tanh(sums) if self.activation == "tanh" else sums.relu()
        return h, HiddenState(h)

    def sequence(self, x: Tensor, state: HiddenState | None = None) -> Tensor:
        """Return the outputs (B, T, H) of `run`."""
        return self.run(x, state)[0]

    def run(self, x: Tensor, state: HiddenState | None = None) -> tuple[Tensor, HiddenState]:
        """Run torch's fused kernel, from a zero state unless one is given; return y (B, T, H), last state."""
        if state is None:
            state = self.initial(x.new_zeros(x.shape[0], self.hidden_size))
        h = state.h.to(x.dtype).unsqueeze(0)  # (1, B, H)
        weights = [self.weight_ih, self.weight_hh, self.bias, torch.zeros_like(self.bias)]
        kernel = torch.rnn_tanh if self.activation == "tanh" else torch.rnn_relu
        y, h = kernel(x, h, weights, True, 1, 0.0, self.training, False, True)
        return y, self.initial(h[0])
