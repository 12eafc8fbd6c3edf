"""A translation model as one graph: source tokens in, the n best translations out.

B sentences, Tx source positions, T longest output, V target vocabulary.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from onnx import ModelProto, TensorProto

from nmt.graphs.attention import Memory, remember
from nmt.graphs.decoders import Tokens, decode, first_state
from nmt.graphs.encoders import bridge, encode
from nmt.graphs.graph import Graph, Precision, Value
from nmt.graphs.heads import logits
from nmt.graphs.linear import embedding, rows_of
from nmt.graphs.search import KINDS_OF_FOUND, NEVER, Found, Searcher, Settings
from nmt.models import Seq2Seq

_FLOAT, _INT = TensorProto.FLOAT, TensorProto.INT64
INPUTS = {
    "src": (_INT, ("B", "Tx")),
    "src_len": (_INT, ("B",)),
    "limits": (_INT, ("B",)),
    "beam": (_INT, (1,)),
    "n_best": (_INT, (1,)),
    "alpha": (TensorProto.DOUBLE, (1,)),
    "offset": (TensorProto.DOUBLE, (1,)),
}


def translation_graph(model: Seq2Seq, banned: Iterable[int], precision: Precision) -> ModelProto:
    """Return the graph of a model in evaluation mode, with its encoder and the beam search.

    banned: tokens that never occur. Raises UserError that names a layer which cannot be exported.
    """
    g = Graph(precision)
    ids, lengths, limits, beam, n_best, alpha, offset = (Value(name, g) for name in INPUTS)
    by_position = g.op("Transpose", ids, attributes={"perm": [1, 0]})
    embedded = rows_of(g, embedding(g, model.src_embedding), by_position)  # (Tx, B, E)
    encoded = encode(g, model.encoder, embedded, lengths)
    memory = remember(g, model.decoder.attention, encoded)
    first = first_state(g, model.decoder, bridge(g, model.bridge, encoded), memory)
    tokens = Tokens(g, model)
    ban = np.zeros(model.trg_embedding.num_embeddings, np.float32)
    ban[sorted(banned)] = NEVER

    def step(
        g: Graph, y: Value, memory: Sequence[Value], state: Sequence[Value]
    ) -> tuple[Value, Sequence[Value]]:
        kept = Memory(*memory)
        output, after = decode(g, model.decoder, tokens, y, kept, first.filled(list(state)), beam)
        scores = logits(g, model.head, output.features, output.alignment, kept)
        log_probs = g.op("LogSoftmax", scores, attributes={"axis": -1})
        return g.op("Add", log_probs, ban), after.values()

    searcher = Searcher(g, Settings(limits, beam, n_best, alpha, offset), step, len(ban))
    found = searcher.run(g, memory.parts(), first.values())
    outputs = [
        (value, name, kind) for value, name, kind in zip(found, Found._fields, KINDS_OF_FOUND, strict=True)
    ]
    return g.model([(name, kind, shape) for name, (kind, shape) in INPUTS.items()], outputs)
