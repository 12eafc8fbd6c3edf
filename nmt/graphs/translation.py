"""A translation model as one graph: source tokens in, the n best translations out.

B sentences, Tx source positions, T longest output, V target vocabulary.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from onnx import ModelProto, TensorProto

from nmt.graphs.attention import Memory
from nmt.graphs.decoders import DecoderState, Tokens, score
from nmt.graphs.graph import Graph, Precision, Value, branch, int64, scan
from nmt.graphs.search import NEVER, Searcher, Settings
from nmt.graphs.sources import start
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
    "details": (TensorProto.BOOL, ()),
}
OUTPUTS = {"tokens": _INT, "scores": _FLOAT, "details_by_step": _FLOAT}


def translation_graph(model: Seq2Seq, banned: Iterable[int], precision: Precision) -> ModelProto:
    """Return the graph of a model in evaluation mode, with its encoder and the beam search.

    Inputs: src (B, Tx) ends in </s>, then padding; src_len counts </s>; the rest are `Settings`. Outputs:
    tokens (B, n, 1 + T) from <s> on, </s> from their end on; scores (B, n), −∞ where there are fewer than n;
    where details were asked for, details_by_step (T, B · n, Tx + 1): the alignment and the log-probability of
    each token, else nothing (0, 0, 0).
    banned: tokens that never occur. Raises UserError that names a layer which cannot be exported.
    """
    g = Graph(precision)
    src, src_len, limits, beam, n_best, alpha, offset, details = (Value(name, g) for name in INPUTS)
    memory, first = start(g, model, src, src_len)
    stepper = _Stepper(g, model, banned, first)

    def step(
        g: Graph, y: Value, memory: Sequence[Value], state: Sequence[Value]
    ) -> tuple[Value, Sequence[Value]]:
        log_probs, _, after = stepper.take(g, y, Memory(*memory), state, beam)
        return g.op("Add", log_probs, stepper.ban), after

    searcher = Searcher(
        g, Settings(limits, beam, n_best, alpha, offset), step, len(model.trg_embedding.weight)
    )
    found = searcher.run(g, memory.parts(), first.values())
    by_step = branch(
        g,
        details,
        lambda body: [stepper.force(body, found.tokens, memory, n_best, g.size(src, 1))],
        lambda body: [body.constant(np.zeros((0, 0, 0), np.float32))],
        (_FLOAT,),
    )
    outputs = zip((*found, *by_step), OUTPUTS.items(), strict=True)
    return g.model(
        [(name, kind, shape) for name, (kind, shape) in INPUTS.items()],
        [(value, name, kind) for value, (name, kind) in outputs],
    )


class _Stepper:
    """Takes steps of the decoder, in a search or along given tokens."""

    def __init__(self, g: Graph, model: Seq2Seq, banned: Iterable[int], first: DecoderState) -> None:
        self._model, self._first = model, first
        self._tokens = Tokens(g, model)
        self.ban = np.zeros(model.trg_embedding.num_embeddings, np.float32)
        self.ban[sorted(banned)] = NEVER

    def take(
        self, g: Graph, y: Value, memory: Memory, state: Sequence[Value], beam: Value
    ) -> tuple[Value, Value, list[Value]]:
        """Return log-probabilities (N, V), alignment (N, Tx) and the next state for tokens y (N,)."""
        before = self._first.filled(list(state))
        log_probs, alignment, after = score(g, self._model, self._tokens, y, memory, before, beam)
        return log_probs, alignment, after.values()

    def force(self, g: Graph, tokens: Value, memory: Memory, n_best: Value, length: Value) -> Value:
        """Return alignment and log-probability along tokens (B, n, 1 + T): (T, B · n, Tx + 1).

        length: Tx, of the sources, as a list of one number; the memory's is up to three larger.
        """
        width = g.size(tokens, 2)
        rows = g.op("Reshape", tokens, g.concat(g.constant(int64(-1)), width, axis=0))  # (B · n, 1 + T)
        last = g.op("Sub", width, int64(1))
        pairs = [
            g.op("Slice", rows, int64(0), last, int64(1)),
            g.op("Slice", rows, int64(1), width, int64(1)),
        ]
        by_step = [g.op("Transpose", each, attributes={"perm": [1, 0]}) for each in pairs]  # (T, B · n)
        steps = g.concat(*(g.op("Unsqueeze", each, int64(2)) for each in by_step), axis=2)
        first = [repeated(g, value, n_best) for value in self._first.values()]

        def step(body: Graph, now: list[Value], state: list[Value]) -> tuple[list[Value], list[Value]]:
            y, chosen = (body.op("Gather", now[0], np.int64(i), attributes={"axis": 1}) for i in range(2))
            log_probs, alignment, after = self.take(body, y, memory, state, n_best)
            of_chosen = body.op(
                "GatherElements", log_probs, body.op("Unsqueeze", chosen, int64(1)), attributes={"axis": 1}
            )
            alignment = body.op("Slice", alignment, int64(0), length, int64(1))
            return [body.concat(alignment, of_chosen, axis=1)], after

        return scan(g, [steps], first, step)[0]


def repeated(g: Graph, x: Value, times: Value) -> Value:
    """Return each row of x (B, W) so many times in a row (a list of one number): (B · times, W)."""
    size = g.size(x, 0)
    rows = g.op("Unsqueeze", g.op("Range", np.int64(0), g.op("Squeeze", size), np.int64(1)), int64(1))
    index = g.op("Reshape", g.op("Expand", rows, g.concat(size, times, axis=0)), int64(-1))
    return g.op("Gather", x, index)
