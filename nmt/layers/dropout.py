"""Dropout of elements, whole words and weights, for a few passes over memory."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nmt.layers.cells import Cell
from nmt.shapes import Float

Axis = Literal["elements", "positions", "vectors"]


def dropout(
    x: Float[Tensor, "*rows W"], rate: float, *, training: bool, alike: Axis = "elements"
) -> Float[Tensor, "*rows W"]:
    """Return x with a fraction of its elements at 0, the rest scaled to keep the mean (Srivastava 2014).

    rate: the fraction to drop. alike: one sample for each of the `elements`, for all
    `positions` of a feature in x (B, T, W), or for whole `vectors`, the last dimension of x.
    Random bytes decide; on a CPU that takes a quarter of the time of Bernoulli sampling. So the fraction is
    rounded to 1/256 and is at most 255/256.
    """
    threshold = min(round(rate * 256), 255)
    if not training or not threshold:
        return x
    shape = list(x.shape)
    if alike != "elements":
        shape[-2 if alike == "positions" else -1] = 1
    draws = torch.empty((_count(shape) + 7) // 8, dtype=torch.int64, device=x.device).random_(-(2**63), None)
    kept = draws.view(torch.uint8)[: _count(shape)].view(shape) >= threshold
    return x * kept * (256 / (256 - threshold))


def _count(shape: list[int]) -> int:
    return torch.Size(shape).numel()


@dataclass(frozen=True)
class Dropout:
    """Dropout rates, the same for all parts of a model.

    features: of the elements between layers, sampled for each element and position, or, if `variational`,
    for each element and sequence, alike at all its positions (Gal & Ghahramani 2016, for inputs and
    outputs). recurrent: of the elements of each matrix that multiplies h, one sample for all steps and rows
    of a batch (DropConnect as in the AWD-LSTM, Merity et al. 2018, §2), which a fused kernel can do where it
    cannot mask h at each step. words: of the embedded tokens, each a whole vector (Sennrich et al. 2016,
    "Edinburgh neural machine translation systems for WMT 16", as part of their dropout).
    Every call samples a new mask. So variational and recurrent dropout need one `forward` over the whole
    sequence: `step` in training samples a mask a step and drops no weights.
    """

    features: float = 0.0
    variational: bool = False
    recurrent: float = 0.0
    words: float = 0.0

    def drop(self, x: Float[Tensor, "*rows W"], *, training: bool) -> Float[Tensor, "*rows W"]:
        """Return features x (B, T, W), or of one position (N, W), as training sees them."""
        alike: Axis = "positions" if self.variational and x.ndim == 3 else "elements"
        return dropout(x, self.features, training=training, alike=alike)

    def mask(self, like: Float[Tensor, "N W"], *, training: bool) -> Float[Tensor, "N W"] | None:
        """Return a mask for `like` at every step of a loop; None: each step samples its own."""
        if not (training and self.variational and self.features):
            return None
        return dropout(torch.ones_like(like), self.features, training=True)

    def embedded(self, x: Float[Tensor, "*rows E"], *, training: bool) -> Float[Tensor, "*rows E"]:
        """Return embedded tokens as training sees them: whole words dropped, then elements."""
        return self.drop(dropout(x, self.words, training=training, alike="vectors"), training=training)

    def call(self, module: nn.Module, *inputs: Any) -> Any:
        """Call a module as one batch sees it: in training, elements of its recurrent matrices are dropped.

        One mask holds for all steps of the call. Step inputs, whose columns stand beside those of h, are
        left alone.
        """
        weights = self._recurrent_weights(module) if module.training and self.recurrent else {}
        return functional_call(module, weights, inputs) if weights else module(*inputs)

    def _recurrent_weights(self, module: nn.Module) -> dict[str, Tensor]:
        """Return by name the matrix of each cell that multiplies h, with elements dropped."""
        dropped = {}
        for name, part in module.named_modules():
            recurrent = getattr(part, "recurrent_proj", None)
            if isinstance(part, Cell) and isinstance(recurrent, nn.Linear):
                width = recurrent.in_features - part.hidden_size
                step_input, own = recurrent.weight.split([width, part.hidden_size], dim=1)
                weight = torch.cat([step_input, dropout(own, self.recurrent, training=True)], dim=1)
                dropped[f"{name}.recurrent_proj.weight".lstrip(".")] = weight
        return dropped
