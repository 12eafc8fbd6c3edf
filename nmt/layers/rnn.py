"""The plain recurrent network, without gates."""

from typing import Literal

import torch
from torch import Tensor

from nmt.layers.activations import tanh
from nmt.layers.cells import Cell, HiddenState, joined
from nmt.layers.initialization import Initializer, glorot, linear_by_gate, orthogonal
from nmt.shapes import Float


class RNNCell(Cell[HiddenState]):
    """Simple recurrent network (Elman 1990): h' = φ(W x + U [s; h] + b), φ = tanh or ReLU, s the step input.

    With ReLU and U initialised as the identity it is the IRNN (Le et al. 2015, §2): training begins with a
    state that is kept as it is. The bias begins at 0.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        step_input_size: int = 0,
        *,
        activation: Literal["tanh", "relu"] = "tanh",
        input_init: Initializer = glorot,
        recurrent_init: Initializer = orthogonal,
    ) -> None:
        super().__init__(input_size, hidden_size, step_input_size)
        self.activation = activation
        self.input_proj = linear_by_gate(1, hidden_size, (input_size, input_init)) if input_size else None
        columns = (step_input_size, input_init), (hidden_size, recurrent_init)
        self.recurrent_proj = linear_by_gate(1, hidden_size, *columns, bias=True)

    def initial_state(self, h: Float[Tensor, "N H"]) -> HiddenState:
        """Return h, which is the whole state."""
        return HiddenState(h)

    def step(
        self,
        projected: Float[Tensor, "N G"] | None,
        state: HiddenState,
        step_input: Float[Tensor, "N S"] | None = None,
    ) -> tuple[Float[Tensor, "N H"], HiddenState]:
        """Return h' twice, as y and in the state."""
        a: Tensor = self.recurrent_proj(joined(step_input, state.h))  # (N, H)
        if projected is not None:
            a = a.add_(projected)
        h = tanh(a) if self.activation == "tanh" else a.relu()
        return h, HiddenState(h)

    def forward(
        self, x: Float[Tensor, "B T D"], state: HiddenState | None = None
    ) -> tuple[Float[Tensor, "B T H"], HiddenState]:
        """Run torch's fused kernel; return y and the last state."""
        assert self.input_proj is not None
        state = self.zero_state(x) if state is None else state
        bias = self.recurrent_proj.bias
        weights = [self.input_proj.weight, self.recurrent_proj.weight, bias, torch.zeros_like(bias)]
        kernel = torch.rnn_tanh if self.activation == "tanh" else torch.rnn_relu
        h = state.h.to(x.dtype).unsqueeze(0)  # (1, B, H)
        y, h = kernel(x, h, weights, True, 1, 0.0, self.training, False, True)
        return y, HiddenState(h[0])
