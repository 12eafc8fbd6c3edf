"""Encoders: a source sentence becomes a vector for each of its positions.

B sentences, Tx source positions, E embedding, M encoder width, H decoder width.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nmt.layers.cells import CellType
from nmt.layers.stack import Stack, StackOptions
from nmt.shapes import Bool, Float, Int, Shaped


class Encoded(NamedTuple):
    """last: the last output of each direction; mask: True = a real token."""

    outputs: Float[Tensor, "B Tx M"]
    last: Float[Tensor, "B M"]
    mask: Bool[Tensor, "B Tx"]


def reverse_within(x: Shaped[Tensor, "B T W"], lengths: Int[Tensor, "B"]) -> Shaped[Tensor, "B T W"]:
    """Return x with the first lengths[b] positions of each row in reverse; the rest stays."""
    positions = torch.arange(x.shape[1], device=x.device)
    mirrored = lengths.unsqueeze(1) - 1 - positions  # (B, T)
    index = torch.where(mirrored >= 0, mirrored, positions)
    return x.gather(1, index.unsqueeze(-1).expand_as(x))


class RecurrentEncoder(nn.Module):
    """A stack of recurrent layers, each reading in one direction or both.

    Without packed sequences: the backward half of every layer reads each row reversed within its own
    length, so that padding follows the sentence in both directions and never changes a result.
    """

    def __init__(
        self, cell: CellType, options: StackOptions, *, input_size: int, bidirectional: bool
    ) -> None:
        """hidden_size: of both directions together."""
        super().__init__()
        self.bidirectional = bidirectional
        hidden = options.hidden_size
        sizes = [input_size] + [hidden] * (options.layers - 1)
        width = hidden // 2 if bidirectional else hidden
        self.stack = Stack([cell(size, width) for size in sizes], options)
        self.backward_cells = nn.ModuleList(cell(size, width) for size in sizes if bidirectional)

    def forward(self, x: Float[Tensor, "B Tx E"], lengths: Int[Tensor, "B"]) -> Encoded:
        """Encode embedded sources of the given lengths."""
        for layer, cell in enumerate(self.stack.cells):
            inputs = self.stack.before(layer, x)
            y, _ = cell(inputs)
            if self.bidirectional:
                backward, _ = self.backward_cells[layer](reverse_within(inputs, lengths))
                y = torch.cat([y, reverse_within(backward, lengths)], dim=-1)
            x = self.stack.after(layer, x, y)  # (B, Tx, M)
        mask = torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)
        return Encoded(x, self._last(x, lengths), mask)

    def _last(self, y: Float[Tensor, "B Tx M"], lengths: Int[Tensor, "B"]) -> Float[Tensor, "B M"]:
        """Return the output of each direction at the end of its reading."""
        rows = torch.arange(y.shape[0], device=y.device)
        end = y[rows, lengths - 1]
        if not self.bidirectional:
            return end
        half = y.shape[-1] // 2
        return torch.cat([end[:, :half], y[:, 0, half:]], dim=-1)


class Bridge(nn.Module):
    """The decoder's first h for each layer: tanh(W s + b) of a summary s of the encoder's outputs.

    Bahdanau 2015, appendix A.2.2, with s the last real outputs; "mean" takes their mean, "zero" nothing.
    """

    def __init__(self, memory_size: int, hidden_size: int, layers: int, *, summary: str) -> None:
        super().__init__()
        self.summary, self.hidden_size, self.layers = summary, hidden_size, layers
        self.project = None if summary == "zero" else nn.Linear(memory_size, hidden_size * layers)

    def forward(self, encoded: Encoded) -> list[Float[Tensor, "B H"]]:
        """Return h for each layer."""
        if self.project is None:
            zero = encoded.last.new_zeros(encoded.last.shape[0], self.hidden_size)
            return [zero] * self.layers
        s = encoded.last
        if self.summary == "mean":
            mask = encoded.mask.unsqueeze(-1)
            s = (encoded.outputs * mask).sum(1) / mask.sum(1)
        return list(torch.tanh(self.project(s)).split(self.hidden_size, dim=-1))
