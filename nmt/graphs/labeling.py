"""A classifier or tagger as a graph.

B texts, Tx positions, V labels with the special tokens before them.
"""

from onnx import ModelProto, TensorProto

from nmt.graphs.encoders import encode
from nmt.graphs.graph import Graph, Precision, Value, int64
from nmt.graphs.heads import of_features
from nmt.graphs.linear import embedding, rows_of
from nmt.models import Classifier, Tagger

_FLOAT, _INT = TensorProto.FLOAT, TensorProto.INT64


def labeling_graph(model: Tagger, precision: Precision) -> ModelProto:
    """Return the graph of a classifier or tagger in evaluation mode.

    Inputs: src (B, Tx) ends in </s>, then padding; src_len (B,) counts </s>. Output: log_probs (B, Ty, V) of
    the label of each position, Ty = Tx, of which only those before </s> say anything; of a classifier of the
    label of the text, Ty = 1. Raises UserError that names a layer which cannot be exported.
    """
    g = Graph(precision)
    src, src_len = Value("src", g), Value("src_len", g)
    by_position = g.op("Transpose", src, attributes={"perm": [1, 0]})
    encoded = encode(g, model.encoder, rows_of(g, embedding(g, model.embedding), by_position), src_len)
    features = encoded.outputs
    if isinstance(model, Classifier):
        one = g.op("Unsqueeze", encoded.last, int64(1))
        features = one.within_one() if encoded.last.bounded else one
    log_probs = g.op("LogSoftmax", of_features(g, model.head, features), attributes={"axis": -1})
    return g.model(
        [("src", _INT, ("B", "Tx")), ("src_len", _INT, ("B",))], [(log_probs, "log_probs", _FLOAT)]
    )
