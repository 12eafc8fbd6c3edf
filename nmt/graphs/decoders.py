"""Decoders: one step from a projected token.

N = B · K rows, Tx source positions, H hidden width.
"""

from typing import NamedTuple

from nmt.errors import CannotExport
from nmt.graphs import attention as attentions
from nmt.graphs.attention import Memory
from nmt.graphs.cells import State, project, step
from nmt.graphs.graph import Graph, Value
from nmt.graphs.linear import LARGEST_TABLE, embedding, linear, rows_of
from nmt.graphs.stack import first_states, run
from nmt.layers.decoders import Decoder, LayerParallelDecoder
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
        self.embedded = embedding(g, model.trg_embedding)
        self.bottom = model.decoder.stack.layers[0]
        gates = len(model.trg_embedding.weight) * 4 * self.bottom.hidden_size
        self.table = project(g, self.bottom, self.embedded) if gates <= LARGEST_TABLE else None

    def projected(self, g: Graph, y: Value) -> Value:
        """Return what tokens y (N,) give to the gates of the bottom layer (N, G)."""
        if self.table is not None:
            return rows_of(g, self.table, y)
        return project(g, self.bottom, rows_of(g, self.embedded, y))


def first_state(g: Graph, decoder: Decoder, h: list[Value], memory: Memory) -> DecoderState:
    """Return the first state from the bridge's h (B, H) of each layer."""
    cells = first_states(g, decoder.stack, h)
    match decoder:
        case LayerParallelDecoder():
            return DecoderState(cells)
        case _:
            raise CannotExport.of(decoder)


def decode(
    g: Graph, decoder: Decoder, tokens: Tokens, y: Value, memory: Memory, state: DecoderState, beam: Value
) -> tuple[Output, DecoderState]:
    """Take one step from tokens y (N,). beam: K, as a list of one number."""
    match decoder:
        case LayerParallelDecoder():
            bottom = decoder.stack.layers[0]
            h, first = step(g, bottom, tokens.projected(g, y), state.cells[0])
            context, alignment, _ = attentions.attend(g, decoder.attention, h, memory, None, beam)
            h, above = run(g, decoder.stack, h, state.cells, first=1, context=context)
            features = combine(g, decoder, context, h)
            return Output(features, alignment), DecoderState((first, *above))
        case _:
            raise CannotExport.of(decoder)


def combine(g: Graph, decoder: LayerParallelDecoder, context: Value, h: Value) -> Value:
    """Return tanh(context + W h)."""
    return g.op("Tanh", g.op("Add", context, linear(g, h, decoder.combine.query))).within_one()
