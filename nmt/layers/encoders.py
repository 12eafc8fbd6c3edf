"""Encoders: a source sentence becomes a vector for each of its positions."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from nmt.layers.between import Between
from nmt.layers.cells import CellType, stack
from nmt.layers.dropout import Dropout


class Encoded(NamedTuple):
    """outputs (B, Tx, M); last (B, M), of each direction; mask (B, Tx), True = a real token."""

    outputs: Tensor
    last: Tensor
    mask: Tensor


def reverse_within(x: Tensor, lengths: Tensor) -> Tensor:
    """Return x (B, T, …) with the first lengths[b] positions of each row in reverse; the rest stays."""
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
        self,
        cell: CellType,
        *,
        input_size: int,
        hidden_size: int,
        layers: int,
        bidirectional: bool,
        dropout: Dropout,
        residual: bool = False,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.dropout, self.bidirectional = dropout, bidirectional
        self.between = Between(hidden_size, layers, dropout=dropout, residual=residual, layer_norm=layer_norm)
        width = hidden_size // 2 if bidirectional else hidden_size
        sizes = [input_size] + [hidden_size] * (layers - 1)
        self.forward_cells = stack(cell, sizes, width)
        self.backward_cells = stack(cell, sizes if bidirectional else [], width)

    def forward(self, x: Tensor, lengths: Tensor) -> Encoded:
        """Encode embedded sources x (B, Tx, E) of the given lengths (B,)."""
        seen = self.dropout.weights(self)
        for layer, cell in enumerate(seen.forward_cells):
            inputs = self.between.into(layer, x)
            y = cell.sequence(inputs)
            if self.bidirectional:
                backward = seen.backward_cells[layer].sequence(reverse_within(inputs, lengths))
                y = torch.cat([y, reverse_within(backward, lengths)], dim=-1)
            x = self.between.out_of(layer, x, y)  # (B, Tx, M)
        mask = torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)
        return Encoded(x, self._last(x, lengths), mask)

    def _last(self, y: Tensor, lengths: Tensor) -> Tensor:
        """Return the output of each direction at the end of its reading (B, M)."""
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

    def forward(self, encoded: Encoded) -> list[Tensor]:
        """Return h (B, H) for each layer."""
        if self.project is None:
            zero = encoded.last.new_zeros(encoded.last.shape[0], self.hidden_size)
            return [zero] * self.layers
        s = encoded.last
        if self.summary == "mean":
            mask = encoded.mask.unsqueeze(-1)
            s = (encoded.outputs * mask).sum(1) / mask.sum(1)
        return list(torch.tanh(self.project(s)).split(self.hidden_size, dim=-1))
