"""A translation model as two graphs, for a search outside of them: the encoder, and one step of the decoder.

B sentences, Tx source positions, N = B · K rows, V target vocabulary.
"""

from typing import NamedTuple

from onnx import ModelProto, TensorProto

from nmt.graphs.attention import Memory
from nmt.graphs.decoders import DecoderState, Tokens, score
from nmt.graphs.graph import Declared, Graph, Named, Precision, Value
from nmt.graphs.sources import start
from nmt.models import Seq2Seq

MEMORY = "memory_"  # what the name of a part begins with
_FLOAT, _INT = TensorProto.FLOAT, TensorProto.INT64


class StepGraphs(NamedTuple):
    """What `encode_graph` and `step_graph` make of a model."""

    encode: ModelProto
    step: ModelProto


def encode_graph(model: Seq2Seq, precision: Precision) -> ModelProto:
    """Return the graph of what is computed once for a source, of a model in evaluation mode.

    Inputs: src (B, Tx) ends in </s>, then padding; src_len (B,) counts </s>. Outputs, in this order:
    memory_keys, memory_values, memory_bias and, where the head asks for it, memory_words, all of B rows;
    state_0, state_1 …, of B rows.
    Raises UserError that names a layer which cannot be exported.
    """
    g = Graph(precision)
    src, src_len = Value("src", g), Value("src_len", g)
    memory, first = start(g, model, src, src_len)
    outputs: list[Named] = [
        (value, name, _FLOAT) for value, name in zip(memory.parts(), _memory_names(memory), strict=True)
    ]
    outputs += [(value, f"state_{i}", _FLOAT) for i, value in enumerate(first.values())]
    return g.model([("src", _INT, ("B", "Tx")), ("src_len", _INT, ("B",))], outputs)


def step_graph(model: Seq2Seq, precision: Precision) -> ModelProto:
    """Return the graph of one step, of a model in evaluation mode.

    Inputs: y (N,), the tokens before; beam (1,): K; the outputs of `encode_graph` by their names, the memory
    of B rows, the state of N. Outputs, in this order: log_probs (N, V), alignment (N, Tx), where Tx is the
    next multiple of four, next_state_0, next_state_1 … Raises UserError that names a layer which cannot be
    exported.
    """
    like, first = _kept(model, precision)
    g = Graph(precision)
    y, beam = Value("y", g), Value("beam", g)
    names = _memory_names(like)
    memory = like._replace(**{name.removeprefix(MEMORY): Value(name, g) for name in names})
    state = first.filled([Value(f"state_{i}", g) for i in range(len(first.values()))])
    log_probs, alignment, after = score(g, model, Tokens(g, model), y, memory, state, beam)
    inputs: list[Declared] = [("y", _INT, ("N",)), ("beam", _INT, (1,))]
    inputs += [(name, _FLOAT, None) for name in names]
    inputs += [(value.name, _FLOAT, None) for value in state.values()]
    outputs: list[Named] = [(log_probs, "log_probs", _FLOAT), (alignment, "alignment", _FLOAT)]
    outputs += [(value, f"next_state_{i}", _FLOAT) for i, value in enumerate(after.values())]
    return g.model(inputs, outputs)


def _memory_names(memory: Memory) -> list[str]:
    """Return a name for each part that there is."""
    return [f"{MEMORY}{name}" for name, part in memory._asdict().items() if part is not None]


def _kept(model: Seq2Seq, precision: Precision) -> tuple[Memory, DecoderState]:
    """Return a memory and a first state for their parts alone: their values are of another graph."""
    g = Graph(precision)
    return start(g, model, Value("src", g), Value("src_len", g))
