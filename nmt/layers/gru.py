"""The gated recurrent unit."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nmt.layers.activations import in_inference, sigmoid, tanh
from nmt.layers.cells import Cell, HiddenState
from nmt.layers.initialization import Initializer, glorot, linear_by_gate, orthogonal
from nmt.shapes import Float


class GRUCell(Cell[HiddenState]):
    """Gated recurrent unit (Cho et al. 2014), its reset gate after the product, as in torch and cuDNN.

    With a = W x + V s of the input and the step input, and u = U h + b:  r, z = σ(a + u);
    n = tanh(a + b_n + r ⊙ u);  h' = (1 − z) ⊙ n + z ⊙ h. Gates stand in torch's order r, z, n. V is a
    matrix of its own because the reset gate leaves the step input alone. h is kept in the weights' own
    precision.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        step_input_size: int = 0,
        *,
        input_init: Initializer = glorot,
        recurrent_init: Initializer = orthogonal,
    ) -> None:
        super().__init__(input_size, hidden_size, step_input_size)
        self.input_proj = linear_by_gate(3, hidden_size, (input_size, input_init)) if input_size else None
        self.step_input_proj = (
            linear_by_gate(3, hidden_size, (step_input_size, input_init)) if step_input_size else None
        )
        self.recurrent_proj = linear_by_gate(3, hidden_size, (hidden_size, recurrent_init), bias=True)
        self.bias_n = nn.Parameter(torch.zeros(hidden_size))

    def initial_state(self, h: Float[Tensor, "N H"]) -> HiddenState:
        """Return h, which is the whole state."""
        return HiddenState(h.to(self.bias_n.dtype))

    def step(
        self,
        projected: Float[Tensor, "N G"] | None,
        state: HiddenState,
        step_input: Float[Tensor, "N S"] | None = None,
    ) -> tuple[Float[Tensor, "N H"], HiddenState]:
        """Return h' twice, as y and in the state."""
        u = self.recurrent_proj(state.h)  # (N, 3H)
        h = self._next(self._inputs(projected, step_input, like=u), u, state.h)
        return h.to(u.dtype), HiddenState(h)

    def gates(
        self,
        projected: Float[Tensor, "N G"] | None,
        state: HiddenState,
        step_input: Float[Tensor, "N S"] | None = None,
    ) -> dict[str, Float[Tensor, "N H"]]:
        """Return the gates of `step` by name, each 0 to 1. Update is z: 1 keeps h as it is."""
        u = self.recurrent_proj(state.h)
        r, z, _ = (self._inputs(projected, step_input, like=u) + u).sigmoid().chunk(3, dim=-1)
        return {"reset": r, "update": z}

    def forward(
        self, x: Float[Tensor, "B T D"], state: HiddenState | None = None
    ) -> tuple[Float[Tensor, "B T H"], HiddenState]:
        """Run torch's fused kernel; return y and the last state.

        In inference on a CPU the step is taken T times: the kernel's sigmoid depends on the neighbours.
        """
        assert self.input_proj is not None
        state = self.zero_state(x) if state is None else state
        if in_inference(x):
            return self._unrolled(x, state.h)
        recurrent, bias_n = self.recurrent_proj, F.pad(self.bias_n, (2 * self.hidden_size, 0))
        weights = [self.input_proj.weight, recurrent.weight, bias_n, recurrent.bias]
        h = state.h.to(x.dtype).unsqueeze(0)  # (1, B, H)
        y, h = torch.gru(x, h, weights, True, 1, 0.0, self.training, False, True)
        return y, self.initial_state(h[0])

    def _unrolled(self, x: Tensor, h: Tensor) -> tuple[Tensor, HiddenState]:
        """Return what `forward` does, taken step by step."""
        assert self.input_proj is not None
        weight, bias = self.recurrent_proj.weight, self.recurrent_proj.bias
        outputs = []
        for a in F.linear(x.transpose(0, 1), self.input_proj.weight).unbind(0):
            h = self._next(a, F.linear(h, weight, bias), h)
            outputs.append(h)
        return torch.stack(outputs, dim=1), HiddenState(h)

    def _next(
        self, a: Float[Tensor, "N G"], u: Float[Tensor, "N G"], h: Float[Tensor, "N G//3"]
    ) -> Float[Tensor, "N G//3"]:
        """Return h' of a and u, in the precision of h."""
        a, u, width = a.to(h.dtype), u.to(h.dtype), self.hidden_size
        r, z = sigmoid(a[:, : 2 * width] + u[:, : 2 * width]).chunk(2, dim=-1)
        n = tanh(torch.addcmul(a[:, 2 * width :] + self.bias_n, r, u[:, 2 * width :]))
        return torch.lerp(n, h, z)

    def _inputs(self, projected: Tensor | None, step_input: Tensor | None, *, like: Tensor) -> Tensor:
        """Return a (N, 3H), 0 for a cell without any input."""
        if self.step_input_proj is None or step_input is None:
            return torch.zeros_like(like) if projected is None else projected
        a: Tensor = self.step_input_proj(step_input)
        return a if projected is None else a.add_(projected)
