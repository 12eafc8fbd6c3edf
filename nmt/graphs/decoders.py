"""Decoders: one step from a projected token.

N = B · K rows, Tx source positions, H hidden width.
"""

from typing import NamedTuple

from torch import nn

from nmt.errors import CannotExport
from nmt.graphs import attention as attentions
from nmt.graphs.attention import Memory
from nmt.graphs.cells import State, project, step
from nmt.graphs.graph import Graph, Value
from nmt.graphs.heads import logits
from nmt.graphs.linear import LARGEST_TABLE, embedding, linear, rows_of, zeros
from nmt.graphs.stack import first_states, run
from nmt.layers.decoders import ConditionalDecoder, Decoder, InputFeedingDecoder, LayerParallelDecoder
from nmt.models import Seq2Seq


class DecoderState(NamedTuple):
    """cells: a state a layer; fed: the features of the step before; attention: its state."""

    cells: tuple[State, ...]
    fed: Value | None = None
    attention: Value | None = None

    def values(self) -> list[Value]:
        """Return all values, in order."""
        rest = (self.fed, self.attention)
        return [*(part for cell in self.cells for part in cell), *(each for each in rest if each is not None)]

    def filled(self, values: list[Value]) -> "DecoderState":
        """Return the state with other values in the places of its own."""
        others = iter(values)
        cells = tuple(tuple(next(others) for _ in cell) for cell in self.cells)
        fed, attention = (None if each is None else next(others) for each in (self.fed, self.attention))
        return DecoderState(cells, fed, attention)


class Output(NamedTuple):
    """features (N, H), alignment (N, Tx)."""

    features: Value
    alignment: Value


class Tokens:
    """What target tokens give to a step: a row of a table where it is small enough, else a product."""

    def __init__(self, g: Graph, model: Seq2Seq) -> None:
        decoder, self.embedded = model.decoder, embedding(g, model.trg_embedding)  # (V, E)
        self.bottom = decoder.stack.layers[0]
        self.token = decoder.token if isinstance(decoder, ConditionalDecoder) else None
        small = len(model.trg_embedding.weight) * 4 * self.bottom.hidden_size <= LARGEST_TABLE
        self._gates = project(g, self.bottom, self.embedded) if small else None
        self._features = linear(g, self.embedded, self.token) if small and self.token else None

    def projected(self, g: Graph, y: Value) -> Value:
        """Return what tokens y (N,) give to the gates of the bottom layer (N, G)."""
        if self._gates is not None:
            return rows_of(g, self._gates, y)
        return project(g, self.bottom, rows_of(g, self.embedded, y))

    def shown(self, g: Graph, y: Value) -> Value:
        """Return what tokens y (N,) give to the features of a conditional decoder (N, H)."""
        if self._features is not None:
            return rows_of(g, self._features, y)
        assert self.token is not None
        return linear(g, rows_of(g, self.embedded, y), self.token)


def first_state(g: Graph, decoder: Decoder, h: list[Value], memory: Memory) -> DecoderState:
    """Return the first state from the bridge's h (B, H) of each layer."""
    cells, attention = first_states(g, decoder.stack, h), attentions.start(g, decoder.attention, memory)
    match decoder:
        case InputFeedingDecoder():
            fed = zeros(g, g.size(h[0], 0), decoder.combine.query.out_features)
            return DecoderState(cells, fed, attention)
        case ConditionalDecoder() | LayerParallelDecoder():
            return DecoderState(cells, attention=attention)
        case _:
            raise CannotExport.of(decoder)


def decode(
    g: Graph, decoder: Decoder, tokens: Tokens, y: Value, memory: Memory, state: DecoderState, beam: Value
) -> tuple[Output, DecoderState]:
    """Take one step from tokens y (N,). beam: K, as a list of one number."""

    def attend(query: Value) -> tuple[Value, Value, Value | None]:
        return attentions.attend(g, decoder.attention, query, memory, state.attention, beam)

    bottom, projected = decoder.stack.layers[0], tokens.projected(g, y)
    fed: Value | None = None
    match decoder:
        case InputFeedingDecoder():
            assert state.fed is not None
            h, first = step(g, bottom, projected, state.cells[0], state.fed.within_one())
            h, above = run(g, decoder.stack, h, state.cells, first=1)
            context, alignment, attention = attend(h)
            fed = features = combine(g, decoder.combine.query, context, h)
        case ConditionalDecoder(context_cell=cell):
            query, between = step(g, bottom, projected, state.cells[0])
            context, alignment, attention = attend(query)
            h, first = step(g, cell, project(g, cell, context), between)
            h, above = run(g, decoder.stack, h, state.cells, first=1)
            context = g.op("Add", context, tokens.shown(g, y))
            features = combine(g, decoder.combine.query, context, h)
        case LayerParallelDecoder():
            h, first = step(g, bottom, projected, state.cells[0])
            context, alignment, attention = attend(h)
            h, above = run(g, decoder.stack, h, state.cells, first=1, context=context)
            features = combine(g, decoder.combine.query, context, h)
        case _:
            raise CannotExport.of(decoder)
    return Output(features, alignment), DecoderState((first, *above), fed, attention)


def score(
    g: Graph, model: Seq2Seq, tokens: Tokens, y: Value, memory: Memory, state: DecoderState, beam: Value
) -> tuple[Value, Value, DecoderState]:
    """Return log-probabilities (N, V), alignment (N, Tx) and the next state for tokens y (N,)."""
    output, after = decode(g, model.decoder, tokens, y, memory, state, beam)
    scores = logits(g, model.head, output.features, output.alignment, memory)
    return g.op("LogSoftmax", scores, attributes={"axis": -1}), output.alignment, after


def combine(g: Graph, layer: nn.Linear, context: Value, h: Value) -> Value:
    """Return tanh(context + W h)."""
    return g.op("Tanh", g.op("Add", context, linear(g, h, layer))).within_one()
