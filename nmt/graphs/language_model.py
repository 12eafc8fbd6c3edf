"""A language model as a graph of one step, for whatever chooses the next token.

N rows, H hidden width, V vocabulary.
"""

from onnx import ModelProto, TensorProto

from nmt.graphs.cells import initial_state, project, step
from nmt.graphs.graph import Declared, Graph, Named, Precision, Value
from nmt.graphs.heads import of_features
from nmt.graphs.linear import LARGEST_TABLE, embedding, rows_of
from nmt.graphs.stack import run
from nmt.models import LanguageModel

_FLOAT, _INT = TensorProto.FLOAT, TensorProto.INT64


def language_model_graph(model: LanguageModel, precision: Precision) -> ModelProto:
    """Return the graph of one step, of a model in evaluation mode.

    Inputs: y (N,), the tokens before; state_0, state_1 … (N, H), zero before the first token. Outputs, in
    this order: log_probs (N, V) of what follows; next_state_0, next_state_1 … The parts of the state stand in
    the order of the layers: h, of an LSTM h and c, of an SRU c.
    Raises UserError that names a layer which cannot be exported.
    """
    g = Graph(precision)
    y, bottom = Value("y", g), model.stack.layers[0]
    inputs: list[Declared] = [("y", _INT, ("N",))]
    states = []
    for cell in model.stack.layers:
        parts = len(initial_state(g, cell, Value("h", g)))
        state = tuple(Value(f"state_{len(inputs) - 1 + i}", g) for i in range(parts))
        inputs += [(part.name, _FLOAT, ("N", cell.hidden_size)) for part in state]
        states.append(state)
    embedded = embedding(g, model.embedding)  # (V, E)
    if model.embedding.num_embeddings * 4 * bottom.hidden_size <= LARGEST_TABLE:
        projected = rows_of(g, project(g, bottom, embedded), y)
    else:
        projected = project(g, bottom, rows_of(g, embedded, y))
    h, first = step(g, bottom, projected, states[0])
    features, above = run(g, model.stack, h, tuple(states), first=1)
    log_probs = g.op("LogSoftmax", of_features(g, model.head, features), attributes={"axis": -1})
    after = [part for state in (first, *above) for part in state]
    outputs: list[Named] = [(log_probs, "log_probs", _FLOAT)]
    outputs += [(part, f"next_state_{i}", _FLOAT) for i, part in enumerate(after)]
    return g.model(inputs, outputs)
