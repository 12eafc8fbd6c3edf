"""Decoders: the target so far and the memory of the source become features for the next token.

B sentences, N = B · K rows in a step, Ty target positions, E embedding, H hidden width. All decoders
take embedded targets; features feed the head. Forward over all Ty equals the unrolled step.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from nmt.layers.activations import tanh
from nmt.layers.attention import Attention, Memory
from nmt.layers.between import Between
from nmt.layers.cells import CellType, stack
from nmt.layers.collecting import Collecting, collecting
from nmt.layers.dropout import Dropout


class DecoderOutput(NamedTuple):
    """features (B, Ty, H) or, in a step, (N, H); alignment (B, Ty, Tx) or (N, Tx)."""

    features: Tensor
    alignment: Tensor


class Decoder(Protocol):
    """A recurrence over the target with a memory of the source."""

    attention: Attention

    def start(self, h: list[Tensor], memory: Memory) -> Any:
        """Return the first state from the bridge's h (B, H) of each layer."""

    def __call__(self, x: Tensor, memory: Memory, state: Any) -> DecoderOutput:
        """Return the output for all embedded targets x (B, Ty, E): teacher forcing."""

    def step(self, x: Tensor, memory: Memory, state: Any) -> tuple[DecoderOutput, Any]:
        """Return the output for one embedded target a row, x (N, E), and the next state."""


def attend(attention: Attention, query: Tensor, memory: Memory, state: Any) -> tuple[Tensor, Tensor, Any]:
    """Return context (N, H), alignment (N, Tx), next state for queries (N, H): N = B · K, B memories."""
    rows = query.view(memory.mask.shape[0], -1, query.shape[-1])  # (B, K, H)
    context, alignment, state = attention(rows, memory, state)
    return context.flatten(0, 1), alignment.flatten(0, 1), state


def _collected(memory: Memory) -> Memory:
    """Return the memory of one loop, the gradients of its keys and values collected to the end."""
    keys, values = Collecting(memory.keys), Collecting(memory.values)
    return memory._replace(keys=keys, values=values)  # type: ignore[arg-type]


class _Combine(nn.Module):
    """Luong 2015, eq. 5: tanh(W_c [c; h]), where the context arrives already projected."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_size, hidden_size)

    def forward(self, context: Tensor, h: Tensor) -> Tensor:
        return tanh(context + self.query(h))


class InputFeedingState(NamedTuple):
    """cells: one state a layer; fed (N, H): the features of the step before; attention: what it carries."""

    cells: tuple[Any, ...]
    fed: Tensor
    attention: Any


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
        dropout: Dropout,
        residual: bool = False,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.between = Between(hidden_size, layers, dropout=dropout, residual=residual, layer_norm=layer_norm)
        # What is fed to the bottom layer, and all that enters those above, comes late.
        self.cells = stack(cell, [input_size] + [0] * (layers - 1), hidden_size, late_size=hidden_size)
        self.attention = attention
        self.combine = _Combine(hidden_size)

    def start(self, h: list[Tensor], memory: Memory) -> InputFeedingState:
        """Return the first state: the bridge's h, nothing fed."""
        states = tuple(cell.initial(part) for cell, part in zip(self.cells, h, strict=True))
        return InputFeedingState(states, torch.zeros_like(h[0]), self.attention.start(memory))

    def forward(self, x: Tensor, memory: Memory, state: InputFeedingState) -> DecoderOutput:
        """Unroll the step over x (B, Ty, E), the weights' gradients collected to the end."""
        projected = self.cells[0].project(x)  # (B, Ty, gates)
        loop = self.dropout.weights(self)
        if torch.is_grad_enabled():
            loop = collecting(loop)
        masks = self.between.masks(state.fed, len(self.cells))
        if memory.keys.requires_grad:
            memory = _collected(memory)
        outputs = []
        for part in projected.unbind(1):
            output, state = loop._advance(part, memory, state, masks)
            outputs.append(output)
        features, alignment = (torch.stack(parts, dim=1) for parts in zip(*outputs, strict=True))
        return DecoderOutput(features, alignment)

    def step(
        self, x: Tensor, memory: Memory, state: InputFeedingState
    ) -> tuple[DecoderOutput, InputFeedingState]:
        """Take one step from embedded tokens x (N, E)."""
        return self._advance(self.cells[0].project(x), memory, state, [None] * (len(self.cells) - 1))

    def _advance(
        self, projected: Tensor, memory: Memory, state: InputFeedingState, masks: Sequence[Tensor | None]
    ) -> tuple[DecoderOutput, InputFeedingState]:
        h, after = self.cells[0].advance(projected, state.cells[0], state.fed)
        states = [after]
        for layer, mask in enumerate(masks, start=1):
            cell, below = self.cells[layer], h
            y, after = cell.advance(cell.project(), state.cells[layer], self.between.into(layer, below, mask))
            h = self.between.out_of(layer, below, y)
            states.append(after)
        context, alignment, carried = attend(self.attention, h, memory, state.attention)
        features = self.combine(context, h)
        return DecoderOutput(features, alignment), InputFeedingState(tuple(states), features, carried)


class ConditionalState(NamedTuple):
    """cells: one state a layer, which the two cells of the bottom one share; attention: what it carries."""

    cells: tuple[Any, ...]
    attention: Any


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
        dropout: Dropout,
        residual: bool = False,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.between = Between(hidden_size, layers, dropout=dropout, residual=residual, layer_norm=layer_norm)
        self.query_cell = cell(input_size, hidden_size)
        self.context_cell = cell(hidden_size, hidden_size)
        self.above = stack(cell, [hidden_size] * (layers - 1), hidden_size)
        self.attention = attention
        self.token = nn.Linear(input_size, hidden_size, bias=False)
        self.combine = _Combine(hidden_size)

    def start(self, h: list[Tensor], memory: Memory) -> ConditionalState:
        """Return the first state of each layer and of the attention."""
        cells = [self.query_cell, *self.above]
        states = tuple(cell.initial(part) for cell, part in zip(cells, h, strict=True))
        return ConditionalState(states, self.attention.start(memory))

    def forward(self, x: Tensor, memory: Memory, state: ConditionalState) -> DecoderOutput:
        """Unroll the bottom layer over x (B, Ty, E), gradients collected; run the rest over all at once."""
        projected = self.query_cell.project(x)  # (B, Ty, gates)
        seen = self.dropout.weights(self)
        loop = collecting(seen) if torch.is_grad_enabled() else seen
        if memory.keys.requires_grad:
            memory = _collected(memory)
        below, carried, outputs = state.cells[0], state.attention, []
        for part in projected.unbind(1):
            output, below, carried = loop._advance(part, memory, below, carried)
            outputs.append(output)
        h, context, alignment = (torch.stack(parts, dim=1) for parts in zip(*outputs, strict=True))
        for layer, cell in enumerate(seen.above, start=1):
            y = cell.sequence(self.between.into(layer, h), state.cells[layer])  # (B, Ty, H)
            h = self.between.out_of(layer, h, y)
        return DecoderOutput(self.combine(context + self.token(x), h), alignment)

    def step(
        self, x: Tensor, memory: Memory, state: ConditionalState
    ) -> tuple[DecoderOutput, ConditionalState]:
        """Take one step from embedded tokens x (N, E)."""
        (h, context, alignment), after, carried = self._advance(
            self.query_cell.project(x), memory, state.cells[0], state.attention
        )
        states = [after]
        for layer, cell in enumerate(self.above, start=1):
            y, after = cell.advance(cell.project(self.between.into(layer, h)), state.cells[layer])
            h = self.between.out_of(layer, h, y)
            states.append(after)
        output = DecoderOutput(self.combine(context + self.token(x), h), alignment)
        return output, ConditionalState(tuple(states), carried)

    def _advance(
        self, projected: Tensor, memory: Memory, state: Any, carried: Any
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Any, Any]:
        """Return the bottom layer's (h, context, alignment), its next state and the attention's."""
        query, between = self.query_cell.advance(projected, state)
        context, alignment, carried = attend(self.attention, query, memory, carried)
        h, after = self.context_cell.advance(self.context_cell.project(context), between)
        return (h, context, alignment), after, carried


class LayerParallelDecoder(nn.Module):
    """The bottom layer queries the memory; its contexts feed the layers above and the output.

    The wiring of GNMT's second version and RNMT+ (Chen et al. 2018): nothing that attention finds
    returns to the bottom layer, so each layer runs over the whole target in one kernel call. Layers
    above the second, with `residual` the second too, add to their output what the layer below gave;
    `layer_norm` takes that and the context together.
    """

    def __init__(
        self,
        cell: CellType,
        attention: Attention,
        *,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: Dropout,
        residual: bool = False,
        layer_norm: bool = False,
    ) -> None:
        if attention.stateful:
            raise ValueError("an attention that carries state from step to step cannot work layer-parallel")
        super().__init__()
        self.dropout = dropout
        self.between = Between(
            2 * hidden_size, layers, dropout=dropout, residual=residual, layer_norm=layer_norm
        )
        sizes = [input_size] + [2 * hidden_size] * (layers - 1)
        self.cells = stack(cell, sizes, hidden_size)
        self.attention = attention
        self.combine = _Combine(hidden_size)

    def start(self, h: list[Tensor], memory: Memory) -> tuple[Any, ...]:
        """Return the first state of each layer."""
        return tuple(cell.initial(part) for cell, part in zip(self.cells, h, strict=True))

    def forward(self, x: Tensor, memory: Memory, state: tuple[Any, ...]) -> DecoderOutput:
        """Run each layer over all of x (B, Ty, E) at once."""
        cells = self.dropout.weights(self).cells
        h = cells[0].sequence(x, state[0])  # (B, Ty, H)
        context, alignment, _ = self.attention(h, memory, None)
        for layer in range(1, len(cells)):
            y = cells[layer].sequence(self._above(layer, h, context), state[layer])
            h = self._passed_on(layer, h, y)
        return DecoderOutput(self.combine(context, h), alignment)

    def step(
        self, x: Tensor, memory: Memory, state: tuple[Any, ...]
    ) -> tuple[DecoderOutput, tuple[Any, ...]]:
        """Take one step from embedded tokens x (N, E)."""
        h, first = self.cells[0].advance(self.cells[0].project(x), state[0])
        context, alignment, _ = attend(self.attention, h, memory, None)
        states = [first]
        for layer in range(1, len(self.cells)):
            cell = self.cells[layer]
            y, after = cell.advance(cell.project(self._above(layer, h, context)), state[layer])
            h = self._passed_on(layer, h, y)
            states.append(after)
        return DecoderOutput(self.combine(context, h), alignment), tuple(states)

    def _above(self, layer: int, h: Tensor, context: Tensor) -> Tensor:
        return self.between.into(layer, torch.cat([h, context], dim=-1))

    def _passed_on(self, layer: int, h: Tensor, y: Tensor) -> Tensor:
        return h + y if layer > 1 else self.between.out_of(layer, h, y)
