"""Recurrent layers one above the other, as encoders, decoders and language models have them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from nmt.layers.cells import AnyCell
from nmt.layers.dropout import Dropout
from nmt.shapes import Float

States = tuple[Any, ...]  # one state a layer, from the bottom


@dataclass(frozen=True)
class StackOptions:
    """How wide and deep a stack is, and what stands between its layers."""

    hidden_size: int
    layers: int
    dropout: Dropout
    residual: bool = False
    layer_norm: bool = False


class Stack(nn.Module):
    """Cells with layer normalisation and dropout before each layer above the first, its residual after it.

    Layer i > 0 reads drop(LN_i(x_i)) and gives x_{i+1} = y_i + x_i, where y_i is its own output: the
    residual of GNMT (Wu et al. 2016, §3.1) around every layer but the first, whose input is of another
    kind and mostly of another width. The normalisation (Ba et al. 2016) stands inside the residual branch,
    so that x passes from the second layer to the top as it is.
    """

    def __init__(
        self,
        cells: Iterable[AnyCell],
        options: StackOptions,
        *,
        width: int | None = None,
        residual_from: int | None = None,
    ) -> None:
        """Take over the cells, from the bottom.

        width: of what layers above the first read; None: the hidden size. residual_from: the first layer
        with a residual where `options.residual` is off; None: no layer has one.
        """
        super().__init__()
        self.dropout = options.dropout
        self.residual_from = 1 if options.residual else residual_from or options.layers
        norms = [nn.LayerNorm(width or options.hidden_size) for _ in range(options.layers - 1)]
        self.norms = nn.ModuleList(norms) if options.layer_norm else None
        self.cells = nn.ModuleList(cells)

    def initial_state(self, h: Sequence[Float[Tensor, "N H"]]) -> States:
        """Return the first state of each layer, which begins with its h."""
        return tuple(cell.initial_state(part) for cell, part in zip(self.layers, h, strict=True))

    @property
    def layers(self) -> Sequence[AnyCell]:
        """The cells, from the bottom."""
        return cast("Sequence[AnyCell]", self.cells)

    def forward(
        self,
        x: Float[Tensor, "*rows W"],
        states: States,
        *,
        first: int = 0,
        context: Float[Tensor, "*rows C"] | None = None,
        masks: Sequence[Float[Tensor, "N H"] | None] = (),
    ) -> tuple[Float[Tensor, "*rows H"], States]:
        """Run the layers from `first` up; return the top one's output and the states of those that ran.

        x: what the first of them reads; rows are B T for all positions or N for one. states: of all layers.
        context: what each layer reads beside the one below. masks: of `masks`, for a loop.
        """
        after = []
        for layer in range(first, len(self.cells)):
            below = x if context is None else torch.cat([x, context], dim=-1)
            read = self.before(layer, below, masks[layer - 1] if masks and layer else None)
            y, state = _run(self.layers[layer], read, states[layer])
            x = self.after(layer, x, y)
            after.append(state)
        return x, tuple(after)

    def before(
        self, layer: int, x: Float[Tensor, "*rows W"], mask: Float[Tensor, "*rows W"] | None = None
    ) -> Float[Tensor, "*rows W"]:
        """Return what a layer reads of x, the first one x itself. mask: of `masks`, for a loop."""
        if not layer:
            return x
        if self.norms is not None:
            x = self.norms[layer - 1](x)
        return self.dropout.drop(x, training=self.training) if mask is None else x * mask

    def after(
        self, layer: int, x: Float[Tensor, "*rows W"], y: Float[Tensor, "*rows H"]
    ) -> Float[Tensor, "*rows H"]:
        """Return what a layer passes on, from the output x of the one below and its own output y."""
        return x + y if layer >= self.residual_from else y

    def masks(self, like: Float[Tensor, "N W"]) -> list[Float[Tensor, "N W"] | None]:
        """Return for a loop over positions the dropout mask of each layer above the first."""
        return [self.dropout.mask(like, training=self.training) for _ in self.layers[1:]]


def _run(cell: AnyCell, x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Return y and the state after all positions of x (B, T, W), or after the one of x (N, W)."""
    if x.ndim == 3:
        y, state = cell(x, state)
        return y, state
    if cell.input_size:
        return cell.step(cell.project(x), state)
    return cell.step(None, state, x)
