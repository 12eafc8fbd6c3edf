"""What is computed once for a source: the memory, and the decoder's first state.

B sentences, Tx source positions.
"""

from nmt.graphs.attention import Memory, build_memory
from nmt.graphs.decoders import DecoderState, first_state
from nmt.graphs.encoders import bridge, embed, encode, in_fours
from nmt.graphs.graph import Graph, Value
from nmt.graphs.heads import keeps
from nmt.models import Seq2Seq


def start(g: Graph, model: Seq2Seq, src: Value, src_len: Value) -> tuple[Memory, DecoderState]:
    """Return the memory and the first state, of B rows, for sources (B, Tx) of lengths (B,).

    The memory's Tx is the next multiple of four.
    """
    embedded = embed(g, model.src_embedding, src)  # (Tx, B, E)
    encoded = encode(g, model.encoder, embedded, src_len)
    encoded = encoded._replace(outputs=in_fours(g, encoded.outputs), mask=in_fours(g, encoded.mask))
    by_sentence = g.op("Transpose", embedded, attributes={"perm": [1, 0, 2]})
    memory = build_memory(g, model.decoder.attention, encoded)
    memory = memory._replace(words=keeps(g, model.head, in_fours(g, by_sentence)))
    return memory, first_state(g, model.decoder, bridge(g, model.bridge, encoded), memory)
