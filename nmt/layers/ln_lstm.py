"""The layer-normalised LSTM."""

from torch import Tensor, nn

from nmt.layers.cells import Cell, LSTMCell, LSTMState, joined
from nmt.layers.initialization import Initializer, glorot, orthogonal
from nmt.shapes import Float


class LayerNormLSTMCell(LSTMCell):
    """LSTM with layer normalisation (Ba et al. 2016, eq. 20 to 22).

    i, f, o = σ(a), g = tanh(a) of a = LN(W x) + LN(U [s; h]) + b, each LN over the gates together;
    c' = f ⊙ c + i ⊙ g;  h' = o ⊙ tanh LN(c'). Gains begin at 1; the gates' two shifts and b, which add up,
    are one bias. Everything else is as in the LSTM. No fused kernel runs it.
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
        super().__init__(
            input_size,
            hidden_size,
            step_input_size,
            input_init=input_init,
            recurrent_init=recurrent_init,
            forget_bias=forget_bias,
            chrono=chrono,
        )
        self.input_norm = nn.LayerNorm(4 * hidden_size, bias=False) if input_size else None
        self.recurrent_norm, self.cell_norm = nn.LayerNorm(4 * hidden_size), nn.LayerNorm(hidden_size)
        # The bias is added after the normalisation.
        self.recurrent_norm.bias = self.recurrent_proj.bias
        self.recurrent_proj.register_parameter("bias", None)

    def project(self, x: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows G"]:
        """Return LN(W x)."""
        assert self.input_norm is not None
        projected: Tensor = self.input_norm(super().project(x))
        return projected

    def forward(
        self, x: Float[Tensor, "B T D"], state: LSTMState | None = None
    ) -> tuple[Float[Tensor, "B T H"], LSTMState]:
        """Take the step T times; return y and the last state."""
        return Cell.forward(self, x, state)

    def _sums(self, projected: Tensor | None, h: Tensor, step_input: Tensor | None) -> Tensor:
        recurrent = self.recurrent_proj(joined(step_input, h))
        a: Tensor = self.recurrent_norm(recurrent.to(self.recurrent_norm.weight.dtype))  # (N, 4H)
        return a if projected is None else a + projected

    def _shown(self, c: Tensor) -> Tensor:
        shown: Tensor = self.cell_norm(c)
        return shown
