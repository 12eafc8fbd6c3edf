"""Decoders: the target so far and the memory of the source become features for the next token.

B sentences, N = B · K rows in a step, Ty target positions, E embedding, H hidden width. All decoders
take embedded targets; features feed the head. Forward over all Ty equals the unrolled step.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nmt.layers.activations import tanh
from nmt.layers.attention import Attention, Memory
from nmt.layers.cells import CellType
from nmt.layers.stack import Stack, StackOptions, States
from nmt.shapes import Float


class DecoderOutput(NamedTuple):
    """Features and alignment of all target positions (B, Ty) or, in a step, of one a row (N,)."""

    features: Float[Tensor, "*rows H"]
    alignment: Float[Tensor, "*rows Tx"]


class Decoder(nn.Module):
    """A recurrence over the target with a memory of the source."""

    attention: Attention
    stack: Stack

    def start(self, h: list[Float[Tensor, "B H"]], memory: Memory) -> Any:
        """Return the first state from the bridge's h of each layer."""
        raise NotImplementedError

    def forward(self, x: Float[Tensor, "B Ty E"], memory: Memory, state: Any) -> DecoderOutput:
        """Return the output for all embedded targets x: teacher forcing."""
        raise NotImplementedError

    def step(self, x: Float[Tensor, "N E"], memory: Memory, state: Any) -> tuple[DecoderOutput, Any]:
        """Return the output for one embedded target a row, and the next state."""
        raise NotImplementedError


def attend(
    attention: Attention, query: Float[Tensor, "N H"], memory: Memory, state: Any
) -> tuple[Float[Tensor, "N H"], Float[Tensor, "N Tx"], Any]:
    """Return context, alignment and next state for queries: N = B · K, B memories."""
    rows = query.view(memory.mask.shape[0], -1, query.shape[-1])  # (B, K, H)
    context, alignment, state = attention(rows, memory, state)
    return context.flatten(0, 1), alignment.flatten(0, 1), state


class _Combine(nn.Module):
    """Luong 2015, eq. 5: tanh(W_c [c; h]), where the context arrives already projected."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_size, hidden_size)

    def forward(
        self, context: Float[Tensor, "*rows H"], h: Float[Tensor, "*rows H"]
    ) -> Float[Tensor, "*rows H"]:
        return tanh(context + self.query(h))


class InputFeedingState(NamedTuple):
    """cells: one state a layer; fed: the features of the step before; attention: its state."""

    cells: States
    fed: Float[Tensor, "N H"]
    attention: Any


class InputFeedingDecoder(Decoder):
    """Luong 2015, §3.3: the attentional vector enters the next step beside the embedded token."""

    def __init__(
        self, cell: CellType, attention: Attention, options: StackOptions, *, input_size: int
    ) -> None:
        super().__init__()
        hidden = options.hidden_size
        # What is fed to the bottom layer, and all that enters those above, is known inside the loop only.
        sizes = [input_size] + [0] * (options.layers - 1)
        self.stack = Stack([cell(size, hidden, hidden) for size in sizes], options)
        self.attention = attention
        self.combine = _Combine(hidden)

    def start(self, h: list[Float[Tensor, "B H"]], memory: Memory) -> InputFeedingState:
        """Return the first state: the bridge's h, nothing fed."""
        return InputFeedingState(
            self.stack.initial_state(h), torch.zeros_like(h[0]), self.attention.start(memory)
        )

    def forward(self, x: Float[Tensor, "B Ty E"], memory: Memory, state: InputFeedingState) -> DecoderOutput:
        """Unroll the step over x."""
        masks, outputs = self.stack.masks(state.fed), []
        for projected in self.stack.layers[0].project(x).unbind(1):
            output, state = self._advance(projected, memory, state, masks)
            outputs.append(output)
        return _over_positions(outputs)

    def step(
        self, x: Float[Tensor, "N E"], memory: Memory, state: InputFeedingState
    ) -> tuple[DecoderOutput, InputFeedingState]:
        """Take one step from embedded tokens."""
        return self._advance(self.stack.layers[0].project(x), memory, state, ())

    def _advance(
        self,
        projected: Float[Tensor, "N G"],
        memory: Memory,
        state: InputFeedingState,
        masks: Sequence[Float[Tensor, "N H"] | None],
    ) -> tuple[DecoderOutput, InputFeedingState]:
        h, bottom = self.stack.layers[0].step(projected, state.cells[0], state.fed)
        h, above = self.stack(h, state.cells, first=1, masks=masks)
        context, alignment, attention = attend(self.attention, h, memory, state.attention)
        features = self.combine(context, h)
        return DecoderOutput(features, alignment), InputFeedingState((bottom, *above), features, attention)


class ConditionalState(NamedTuple):
    """cells: one state a layer, which the two cells of the bottom one share; attention: its state."""

    cells: States
    attention: Any


class ConditionalDecoder(Decoder):
    """The context enters the current step: two cells in sequence share a state, attention stands between.

    Bahdanau 2015 in the form of Nematus (Sennrich et al. 2017, §2, the conditional GRU with attention),
    for any cell: s' = cell₁(y, s); c = attention(s', memory); s = cell₂(c, s'). An LSTM passes h and c on
    alike. features = tanh(c + W_h h + W_y y + b), with h of the topmost layer and c already projected.
    Nothing returns from above to the bottom layer, which alone loops: each layer above it runs over the
    whole target in one kernel call.
    """

    def __init__(
        self, cell: CellType, attention: Attention, options: StackOptions, *, input_size: int
    ) -> None:
        super().__init__()
        hidden = options.hidden_size
        query_cell, context_cell = cell(input_size, hidden), cell(hidden, hidden)
        above = [cell(hidden, hidden) for _ in range(options.layers - 1)]
        self.stack, self.context_cell = Stack([query_cell, *above], options), context_cell
        self.attention = attention
        self.token = nn.Linear(input_size, hidden, bias=False)
        self.combine = _Combine(hidden)

    def start(self, h: list[Float[Tensor, "B H"]], memory: Memory) -> ConditionalState:
        """Return the first state of each layer and of the attention."""
        return ConditionalState(self.stack.initial_state(h), self.attention.start(memory))

    def forward(self, x: Float[Tensor, "B Ty E"], memory: Memory, state: ConditionalState) -> DecoderOutput:
        """Unroll the bottom layer over x; run the rest over all positions at once."""
        bottom, attention, outputs = state.cells[0], state.attention, []
        for projected in self.stack.layers[0].project(x).unbind(1):
            output, bottom, attention = self._bottom(projected, memory, bottom, attention)
            outputs.append(output)
        h, context, alignment = (torch.stack(parts, dim=1) for parts in zip(*outputs, strict=True))
        h, _ = self.stack(h, state.cells, first=1)
        return DecoderOutput(self.combine(context + self.token(x), h), alignment)

    def step(
        self, x: Float[Tensor, "N E"], memory: Memory, state: ConditionalState
    ) -> tuple[DecoderOutput, ConditionalState]:
        """Take one step from embedded tokens."""
        projected = self.stack.layers[0].project(x)
        output, bottom, attention = self._bottom(projected, memory, state.cells[0], state.attention)
        h, context, alignment = output
        h, above = self.stack(h, state.cells, first=1)
        features = self.combine(context + self.token(x), h)
        return DecoderOutput(features, alignment), ConditionalState((bottom, *above), attention)

    def _bottom(
        self, projected: Float[Tensor, "N G"], memory: Memory, state: Any, attention: Any
    ) -> tuple[tuple[Float[Tensor, "N H"], Float[Tensor, "N H"], Float[Tensor, "N Tx"]], Any, Any]:
        """Return the bottom layer's (h, context, alignment), its next state and the attention's."""
        query, between = self.stack.layers[0].step(projected, state)
        context, alignment, attention = attend(self.attention, query, memory, attention)
        h, after = self.context_cell.step(self.context_cell.project(context), between)
        return (h, context, alignment), after, attention


class LayerParallelDecoder(Decoder):
    """The bottom layer queries the memory; its contexts feed the layers above and the output.

    The wiring of GNMT's second version and RNMT+ (Chen et al. 2018): nothing that attention finds
    returns to the bottom layer, so each layer runs over the whole target in one kernel call. Layers
    above the second, with `residual` the second too, add to their output what the layer below gave;
    `layer_norm` takes that and the context together.
    """

    def __init__(
        self, cell: CellType, attention: Attention, options: StackOptions, *, input_size: int
    ) -> None:
        if attention.stateful:
            raise ValueError("an attention with a state from step to step cannot work layer-parallel")
        super().__init__()
        hidden = options.hidden_size
        sizes = [input_size] + [2 * hidden] * (options.layers - 1)
        cells = [cell(size, hidden) for size in sizes]
        self.stack = Stack(cells, options, width=2 * hidden, residual_from=2)
        self.attention = attention
        self.combine = _Combine(hidden)

    def start(self, h: list[Float[Tensor, "B H"]], memory: Memory) -> States:
        """Return the first state of each layer."""
        return self.stack.initial_state(h)

    def forward(self, x: Float[Tensor, "B Ty E"], memory: Memory, state: States) -> DecoderOutput:
        """Run each layer over all of x at once."""
        h, _ = self.stack.layers[0](x, state[0])  # (B, Ty, H)
        context, alignment, _ = self.attention(h, memory, None)
        h, _ = self.stack(h, state, first=1, context=context)
        return DecoderOutput(self.combine(context, h), alignment)

    def step(self, x: Float[Tensor, "N E"], memory: Memory, state: States) -> tuple[DecoderOutput, States]:
        """Take one step from embedded tokens."""
        bottom = self.stack.layers[0]
        h, first = bottom.step(bottom.project(x), state[0])
        context, alignment, _ = attend(self.attention, h, memory, None)
        h, above = self.stack(h, state, first=1, context=context)
        return DecoderOutput(self.combine(context, h), alignment), (first, *above)


def _over_positions(outputs: Sequence[DecoderOutput]) -> DecoderOutput:
    """Return the outputs of single steps as one, positions in the second dimension."""
    return DecoderOutput(*(torch.stack(parts, dim=1) for parts in zip(*outputs, strict=True)))
