"""A translation model as two graphs, for a search outside of them: the encoder, and one step of the decoder.

B sentences, Tx source positions, N = B · K rows, V target vocabulary.
"""

from onnx import ModelProto, TensorProto

from nmt.graphs.attention import Memory, remember
from nmt.graphs.decoders import DecoderState, Tokens, decode, first_state
from nmt.graphs.encoders import Encoded, bridge, encode
from nmt.graphs.graph import Declared, Graph, Named, Precision, Value
from nmt.graphs.heads import keeps, logits
from nmt.graphs.linear import embedding, rows_of
from nmt.models import Seq2Seq

_FLOAT, _INT = TensorProto.FLOAT, TensorProto.INT64


def encode_graph(model: Seq2Seq, precision: Precision) -> ModelProto:
    """Return the graph of what is computed once for a source, of a model in evaluation mode.

    Inputs: src (B, Tx) ends in </s>, then padding; src_len (B,) counts </s>. Outputs, in this order:
    memory_keys, memory_values, memory_bias and, where the head asks for it, memory_words, all of B rows;
    state_0, state_1 …, of B rows.
    Raises UserError that names a layer which cannot be exported.
    """
    g = Graph(precision)
    src, src_len = Value("src", g), Value("src_len", g)
    by_position = g.op("Transpose", src, attributes={"perm": [1, 0]})
    embedded = rows_of(g, embedding(g, model.src_embedding), by_position)  # (Tx, B, E)
    encoded = encode(g, model.encoder, embedded, src_len)
    words = g.op("Transpose", embedded, attributes={"perm": [1, 0, 2]})
    memory = _memory(g, model, encoded, words)
    first = first_state(g, model.decoder, bridge(g, model.bridge, encoded), memory)
    outputs: list[Named] = [
        (value, name, _FLOAT) for value, name in zip(memory.parts(), _memory_names(memory), strict=True)
    ]
    outputs += [(value, f"state_{i}", _FLOAT) for i, value in enumerate(first.values())]
    return g.model([("src", _INT, ("B", "Tx")), ("src_len", _INT, ("B",))], outputs)


def step_graph(model: Seq2Seq, precision: Precision) -> ModelProto:
    """Return the graph of one step, of a model in evaluation mode.

    Inputs: y (N,), the tokens before; beam (1,): K; the outputs of `encode_graph` by their names, the memory
    of B rows, the state of N. Outputs, in this order: log_probs (N, V), alignment (N, Tx), next_state_0,
    next_state_1 … Raises UserError that names a layer which cannot be exported.
    """
    like, first = _kept(model, precision)
    g = Graph(precision)
    y, beam = Value("y", g), Value("beam", g)
    names = _memory_names(like)
    memory = like._replace(**{name.removeprefix(_MEMORY): Value(name, g) for name in names})
    state = first.filled([Value(f"state_{i}", g) for i in range(len(first.values()))])
    output, after = decode(g, model.decoder, Tokens(g, model), y, memory, state, beam)
    scores = logits(g, model.head, output.features, output.alignment, memory)
    log_probs = g.op("LogSoftmax", scores, attributes={"axis": -1})
    inputs: list[Declared] = [("y", _INT, ("N",)), ("beam", _INT, (1,))]
    inputs += [(name, _FLOAT, None) for name in names]
    inputs += [(value.name, _FLOAT, None) for value in state.values()]
    outputs: list[Named] = [(log_probs, "log_probs", _FLOAT), (output.alignment, "alignment", _FLOAT)]
    outputs += [(value, f"next_state_{i}", _FLOAT) for i, value in enumerate(after.values())]
    return g.model(inputs, outputs)


_MEMORY = "memory_"


def _memory_names(memory: Memory) -> list[str]:
    """Return a name for each part that there is."""
    return [f"{_MEMORY}{name}" for name, part in memory._asdict().items() if part is not None]


def _memory(g: Graph, model: Seq2Seq, encoded: Encoded, words: Value) -> Memory:
    """Return the memory of encoder outputs and of the embedded source (B, Tx, E)."""
    memory = remember(g, model.decoder.attention, encoded)
    return memory._replace(words=keeps(g, model.head, words))


def _kept(model: Seq2Seq, precision: Precision) -> tuple[Memory, DecoderState]:
    """Return a memory and a first state for their parts alone: their values are of another graph."""
    g = Graph(precision)
    encoded = Encoded(*(Value(name, g) for name in Encoded._fields))
    memory = _memory(g, model, encoded, Value("words", g))
    h = [Value(f"h_{i}", g) for i in range(len(model.decoder.stack.layers))]
    return memory, first_state(g, model.decoder, h, memory)
