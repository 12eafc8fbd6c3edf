"""Decoders: the target so far and the memory of the source become features for the next token.

B sentences, N = B · K rows in a step, Ty target positions, E embedding, H hidden width. All decoders
take embedded targets; features feed the head. Forward over all Ty equals the unrolled step.
"""

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from nmt.layers.attention import Attention, Memory
from nmt.layers.cells import CellType, stack
from nmt.layers.collecting import Collecting, collecting
from nmt.layers.dropout import dropout


class DecoderOutput(NamedTuple):
    """features (B, Ty, H) or, in a step, (N, H); alignment (B, Ty, Tx) or (N, Tx)."""

    features: Tensor
    alignment: Tensor


class Decoder(Protocol):
    """A recurrence over the target with a memory of the source."""

    attention: Attention

    def start(self, h: list[Tensor]) -> Any:
        """Return the first state from the bridge's h (N, H) of each layer."""

    def __call__(self, x: Tensor, memory: Memory, state: Any) -> DecoderOutput:
        """Return the output for all embedded targets x (B, Ty, E): teacher forcing."""

    def step(self, x: Tensor, memory: Memory, state: Any) -> tuple[DecoderOutput, Any]:
        """Return the output for one embedded target a row, x (N, E), and the next state."""


def attend(attention: Attention, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
    """Return context (N, H) and alignment (N, Tx) for queries (N, H), N = B · K rows over B memories."""
    rows = query.view(memory.mask.shape[0], -1, query.shape[-1])  # (B, K, H)
    context, alignment = attention(rows, memory)
    return context.flatten(0, 1), alignment.flatten(0, 1)


class _Combine(nn.Module):
    """Luong 2015, eq. 5: tanh(W_c [c; h]), where the context arrives already projected."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_size, hidden_size)

    def forward(self, context: Tensor, h: Tensor) -> Tensor:
        return torch.tanh(context + self.query(h))


class InputFeedingState(NamedTuple):
    """cells: one state a layer; fed (N, H): the features of the step before."""

    cells: tuple[Any, ...]
    fed: Tensor


class InputFeedingDecoder(nn.Module):
    """Luong 2015, §3.3: the attentional vector enters the next step beside the embedded token."""

    def __init__(
        self,
        cell: CellType,
        attention: Attention,
        *,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        # What is fed to the bottom layer, and all that enters those above, comes late.
        self.cells = stack(cell, [input_size] + [0] * (layers - 1), hidden_size, late_size=hidden_size)
        self.attention = attention
        self.combine = _Combine(hidden_size)

    def start(self, h: list[Tensor]) -> InputFeedingState:
        """Return the first state: the bridge's h, nothing fed."""
        states = tuple(cell.initial(part) for cell, part in zip(self.cells, h, strict=True))
        return InputFeedingState(states, torch.zeros_like(h[0]))

    def forward(self, x: Tensor, memory: Memory, state: InputFeedingState) -> DecoderOutput:
        """Unroll the step over x (B, Ty, E), the weights' gradients collected to the end."""
        projected = self.cells[0].project(x)  # (B, Ty, gates)
        loop = collecting(self) if torch.is_grad_enabled() else self
        if memory.keys.requires_grad:
            memory = Memory(Collecting(memory.keys), Collecting(memory.values), memory.mask)  # type: ignore[arg-type]
        outputs = []
        for part in projected.unbind(1):
            output, state = loop._advance(part, memory, state)
            outputs.append(output)
        features, alignment = (torch.stack(parts, dim=1) for parts in zip(*outputs, strict=True))
        return DecoderOutput(features, alignment)

    def step(
        self, x: Tensor, memory: Memory, state: InputFeedingState
    ) -> tuple[DecoderOutput, InputFeedingState]:
        """Take one step from embedded tokens x (N, E)."""
        return self._advance(self.cells[0].project(x), memory, state)

    def _advance(
        self, projected: Tensor, memory: Memory, state: InputFeedingState
    ) -> tuple[DecoderOutput, InputFeedingState]:
        h, after = self.cells[0].advance(projected, state.cells[0], state.fed)
        states = [after]
        for cell, before in zip(self.cells[1:], state.cells[1:], strict=True):
            below = dropout(h, self.dropout, training=self.training)
            h, after = cell.advance(cell.project(), before, below)
            states.append(after)
        context, alignment = attend(self.attention, h, memory)
        features = self.combine(context, h)
        return DecoderOutput(features, alignment), InputFeedingState(tuple(states), features)


class ConditionalDecoder(nn.Module):
    """The context enters the current step: two cells in sequence share a state, attention stands between.

    Bahdanau 2015 in the form of Nematus (Sennrich et al. 2017, §2, the conditional GRU with attention),
    for any cell: s' = cell₁(y, s); c = attention(s', memory); s = cell₂(c, s'). An LSTM passes h and c on
    alike. features = tanh(c + W_h h + W_y y + b), with h of the topmost layer and c already projected.
    Nothing returns from above to the bottom layer, which alone loops: each layer above it runs over the
    whole target in one kernel call.
    """

    def __init__(
        self,
        cell: CellType,
        attention: Attention,
        *,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.query_cell = cell(input_size, hidden_size)
        self.context_cell = cell(hidden_size, hidden_size)
        self.above = stack(cell, [hidden_size] * (layers - 1), hidden_size)
        self.attention = attention
        self.token = nn.Linear(input_size, hidden_size, bias=False)
        self.combine = _Combine(hidden_size)

    def start(self, h: list[Tensor]) -> tuple[Any, ...]:
        """Return the first state of each layer; the two cells of the bottom one share theirs."""
        cells = [self.query_cell, *self.above]
        return tuple(cell.initial(part) for cell, part in zip(cells, h, strict=True))

    def forward(self, x: Tensor, memory: Memory, state: tuple[Any, ...]) -> DecoderOutput:
        """Unroll the bottom layer over x (B, Ty, E), gradients collected; run the rest over all at once."""
        projected = self.query_cell.project(x)  # (B, Ty, gates)
        loop = collecting(self) if torch.is_grad_enabled() else self
        if memory.keys.requires_grad:
            memory = Memory(Collecting(memory.keys), Collecting(memory.values), memory.mask)  # type: ignore[arg-type]
        below, outputs = state[0], []
        for part in projected.unbind(1):
            output, below = loop._advance(part, memory, below)
            outputs.append(output)
        h, context, alignment = (torch.stack(parts, dim=1) for parts in zip(*outputs, strict=True))
        for cell, before in zip(self.above, state[1:], strict=True):
            h = cell.sequence(self._drop(h), before)  # (B, Ty, H)
        return DecoderOutput(self.combine(context + self.token(x), h), alignment)

    def step(
        self, x: Tensor, memory: Memory, state: tuple[Any, ...]
    ) -> tuple[DecoderOutput, tuple[Any, ...]]:
        """Take one step from embedded tokens x (N, E)."""
        (h, context, alignment), after = self._advance(self.query_cell.project(x), memory, state[0])
        states = [after]
        for cell, before in zip(self.above, state[1:], strict=True):
            h, after = cell.advance(cell.project(self._drop(h)), before)
            states.append(after)
        return DecoderOutput(self.combine(context + self.token(x), h), alignment), tuple(states)

    def _advance(
        self, projected: Tensor, memory: Memory, state: Any
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Any]:
        """Return the bottom layer's (h, context, alignment) and its next state."""
        query, between = self.query_cell.advance(projected, state)
        context, alignment = attend(self.attention, query, memory)
        h, after = self.context_cell.advance(self.context_cell.project(context), between)
        return (h, context, alignment), after

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, training=self.training)


class LayerParallelDecoder(nn.Module):
    """The bottom layer queries the memory; its contexts feed the layers above and the output.

    The wiring of GNMT's second version and RNMT+ (Chen et al. 2018): nothing that attention finds
    returns to the bottom layer, so each layer runs over the whole target in one kernel call. Layers
    above the second add their input to their output.
    """

    def __init__(
        self,
        cell: CellType,
        attention: Attention,
        *,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        sizes = [input_size] + [2 * hidden_size] * (layers - 1)
        self.cells = stack(cell, sizes, hidden_size)
        self.attention = attention
        self.combine = _Combine(hidden_size)

    def start(self, h: list[Tensor]) -> tuple[Any, ...]:
        """Return the first state of each layer."""
        return tuple(cell.initial(part) for cell, part in zip(self.cells, h, strict=True))

    def forward(self, x: Tensor, memory: Memory, state: tuple[Any, ...]) -> DecoderOutput:
        """Run each layer over all of x (B, Ty, E) at once."""
        h = self.cells[0].sequence(x, state[0])  # (B, Ty, H)
        context, alignment = self.attention(h, memory)
        for layer in range(1, len(self.cells)):
            y = self.cells[layer].sequence(self._above(h, context), state[layer])
            h = h + y if layer > 1 else y
        return DecoderOutput(self.combine(context, h), alignment)

    def step(
        self, x: Tensor, memory: Memory, state: tuple[Any, ...]
    ) -> tuple[DecoderOutput, tuple[Any, ...]]:
        """Take one step from embedded tokens x (N, E)."""
        h, first = self.cells[0].advance(self.cells[0].project(x), state[0])
        context, alignment = attend(self.attention, h, memory)
        states = [first]
        for layer in range(1, len(self.cells)):
            cell = self.cells[layer]
            y, after = cell.advance(cell.project(self._above(h, context)), state[layer])
            h = h + y if layer > 1 else y
            states.append(after)
        return DecoderOutput(self.combine(context, h), alignment), tuple(states)

    def _above(self, h: Tensor, context: Tensor) -> Tensor:
        return dropout(torch.cat([h, context], dim=-1), self.dropout, training=self.training)
