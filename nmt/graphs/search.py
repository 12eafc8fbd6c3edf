"""Beam search in the graph: the choices of `nmt.decoding.search`, ties included.

B sentences, K hypotheses a sentence, N = B · K rows, V vocabulary, t tokens so far, b sentences that are
still searched.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from nmt.graphs.graph import Graph, Value, branch, int64, loop
from nmt.tokenization.vocabulary import BOS, EOS

NEVER = np.float32("-inf")
_BOOL, _FLOAT, _INT = TensorProto.BOOL, TensorProto.FLOAT, TensorProto.INT64

# From tokens (N,), a memory (b rows) and a state (N rows) to log-probabilities (N, V) and the next state.
Step = Callable[[Graph, Value, Sequence[Value], Sequence[Value]], tuple[Value, Sequence[Value]]]


class Settings(NamedTuple):
    """How to search; inputs of the graph.

    limits (B,): the longest output of each sentence, </s> counted. beam, n_best: a list of one whole number.
    alpha, offset: of the length penalty, in float64.
    """

    limits: Value
    beam: Value
    n_best: Value
    alpha: Value
    offset: Value


class Found(NamedTuple):
    """The n best of each sentence: tokens (B, n, 1 + T) from <s> on, </s> from their end on; scores (B, n).

    A score is −∞ where there are fewer than n.
    """

    tokens: Value
    scores: Value


KINDS_OF_FOUND = (_INT, _FLOAT)


class Beam(NamedTuple):
    """The hypotheses of b sentences.

    tokens (N, 1 + t) from <s> on; live (b, K): log-probabilities, −∞ of what is finished or empty; finished
    (b, K): scores, −∞ of what is not.
    """

    tokens: Value
    live: Value
    finished: Value


class Sentences(NamedTuple):
    """The b sentences: their numbers and limits (b,), and the largest penalty that each can reach (b,)."""

    numbers: Value
    limits: Value
    penalties: Value


class Searcher:
    """Emits the search of one model."""

    def __init__(self, g: Graph, settings: Settings, step: Step, vocabulary: int) -> None:
        self.settings, self._step, self._vocabulary = settings, step, vocabulary
        self.longest = g.op("ReduceMax", settings.limits, attributes={"keepdims": 0})
        lengths = g.op("Range", np.int64(0), g.op("Add", self.longest, np.int64(2)), np.int64(1))
        self.penalties = self._penalties(g, lengths)  # by length
        self.slots = g.op("Range", np.int64(0), g.op("Squeeze", settings.beam), np.int64(1))  # (K,)
        # A finished hypothesis ranks before everything else, in the order of slots.
        self.itself = g.op(
            "Div", np.finfo(np.float32).max, g.cast(g.op("Add", self.slots, np.int64(1)), _FLOAT)
        )
        self.most = g.op("Min", settings.beam, int64(vocabulary))  # candidates of a slot
        self.live_candidates = g.op("Mul", settings.beam, self.most)  # of a sentence

    def _penalties(self, g: Graph, lengths: Value) -> Value:
        """Return ((offset + length) / (offset + 1))^alpha."""
        offset = self.settings.offset
        longer = g.op("Add", g.cast(lengths, TensorProto.DOUBLE), offset)
        ratio = g.op("Div", longer, g.op("Add", offset, np.array([1.0])))
        return g.cast(g.op("Exp", g.op("Mul", self.settings.alpha, g.op("Log", ratio))), _FLOAT)

    def run(self, g: Graph, memory: Sequence[Value], state: Sequence[Value]) -> Found:
        """Search from a memory and a first state (B rows each).

        Sentences that are done leave when they are a quarter of those that are searched: the others go on in
        smaller products.
        """
        limits, beam = self.settings.limits, self.settings.beam
        size = g.size(limits, 0)
        shape = g.concat(size, beam, axis=0)
        rows = g.op("Range", np.int64(0), g.op("Squeeze", size), np.int64(1))
        repeated = g.op("Reshape", g.op("Expand", g.op("Unsqueeze", rows, int64(1)), shape), int64(-1))
        start = g.op("Where", g.op("Equal", self.slots, np.int64(0)), np.float32(0), NEVER)
        hypotheses = Beam(
            tokens=g.op(
                "Expand", np.array([[BOS]]), g.concat(g.size(repeated, 0), g.constant(int64(1)), axis=0)
            ),
            live=g.op("Expand", start, shape),
            finished=g.op("Expand", np.array([[NEVER]]), shape),
        )
        sentences = Sentences(rows, limits, g.op("Gather", self.penalties, limits))
        best = g.concat(size, self.settings.n_best, axis=0)
        width = g.op("Add", g.op("Unsqueeze", self.longest, int64(0)), int64(1))
        nothing = Found(
            g.op("Expand", np.array([[[EOS]]]), g.concat(best, width, axis=0)),
            g.op("Expand", np.array([[NEVER]]), best),
        )
        carried = [
            (g.constant(np.int64(0)), _INT),
            *zip(nothing, KINDS_OF_FOUND, strict=True),
            *zip(sentences, (_INT, _INT, _FLOAT), strict=True),
            *zip(hypotheses, (_INT, _FLOAT, _FLOAT), strict=True),
            *((value, _FLOAT) for value in memory),
            *((g.op("Gather", value, repeated), _FLOAT) for value in state),
        ]

        def phase(body: Graph, _: Value, inside: list[Value]) -> tuple[Value, list[Value]]:
            return self._phase(body, inside, len(memory))

        return Found(*loop(g, self.longest, carried, phase)[1:3])

    def _phase(self, g: Graph, inside: list[Value], memories: int) -> tuple[Value, list[Value]]:
        """Take steps until enough sentences are done; write those down and go on with the others."""
        position, found = inside[0], Found(*inside[1:3])
        sentences, beam = Sentences(*inside[3:6]), Beam(*inside[6:9])
        memory, state = inside[9 : 9 + memories], inside[9 + memories :]
        size = g.size(sentences.limits, 0)
        rows = g.op("Range", np.int64(0), g.op("Squeeze", size), np.int64(1))
        first_row = g.op("Unsqueeze", g.op("Mul", rows, self.settings.beam), int64(1))  # (b, 1)
        ends = self._keys(g, g.constant(np.int64(EOS)), self.slots)
        ends = g.op("Expand", ends, g.concat(size, self.settings.beam, axis=0))
        enough = g.op("Div", g.op("Add", g.op("Squeeze", size), np.int64(3)), np.int64(4))

        def step(body: Graph, round_: Value, carried: list[Value]) -> tuple[Value, list[Value]]:
            length = body.op("Add", body.op("Add", position, np.int64(1)), round_)
            before = Beam(*carried[1:4])
            after, states, done = self._advance(
                body, length, sentences, before, memory, carried[4:], first_row, ends
            )
            count = body.op("ReduceSum", body.cast(done, _INT), attributes={"keepdims": 0})
            return body.op("Less", count, enough), [done, *after, *states]

        carried = [
            (g.op("Expand", np.array([False]), size), _BOOL),
            *zip(beam, (_INT, _FLOAT, _FLOAT), strict=True),
            *((value, _FLOAT) for value in state),
        ]
        done, *rest = loop(g, g.op("Sub", self.longest, position), carried, step)
        beam, state = Beam(*rest[:3]), rest[3:]
        position = g.op("Sub", g.op("Squeeze", g.size(beam.tokens, 1)), np.int64(1))
        leaving, staying = (
            g.op("Reshape", g.op("NonZero", each), int64(-1)) for each in (done, g.op("Not", done))
        )
        found = self._write(g, found, sentences, beam, leaving, first_row)
        kept = g.op("Reshape", g.op("Add", g.op("Gather", first_row, staying), self.slots), int64(-1))
        going = g.op("Greater", g.op("Squeeze", g.size(staying, 0)), np.int64(0))
        by_sentence = [
            g.op("Gather", each, staying) for each in (*sentences, beam.live, beam.finished, *memory)
        ]
        tokens, *state = (g.op("Gather", each, kept) for each in (beam.tokens, *state))
        return going, [position, *found, *by_sentence[:3], tokens, *by_sentence[3:], *state]

    def _advance(
        self,
        g: Graph,
        length: Value,
        sentences: Sentences,
        beam: Beam,
        memory: Sequence[Value],
        state: Sequence[Value],
        first_row: Value,
        ends: Value,
    ) -> tuple[Beam, list[Value], Value]:
        """Extend every live hypothesis, keep the K best of a sentence; say which sentences are done.

        length: of the hypotheses that end in this step. ends (b, K): the keys of </s> in each slot.
        """
        y = g.op("Gather", beam.tokens, np.int64(-1), attributes={"axis": 1})
        scored, states = self._step(g, y, memory, state)
        candidates, keys = self._candidates(g, length, sentences, beam, scored)
        # Behind them stand the finished hypotheses, each in the place of its slot.
        stays = g.op("Where", g.op("Greater", beam.finished, NEVER), self.itself, NEVER)
        ranks, places = g.ops("TopK", g.concat(candidates, stays), self.settings.beam, outputs=2)
        chosen, slots = self._of_keys(g, _pick(g, g.concat(keys, ends), places))  # (b, K)
        ended, was = (
            g.op("Equal", chosen, np.int64(EOS)),
            g.op("GreaterOrEqual", places, self.live_candidates),
        )
        scores = g.op("Div", ranks, g.op("Gather", self.penalties, length))
        scores = g.op("Where", was, _pick(g, beam.finished, slots), g.op("Where", ended, scores, NEVER))
        origin = g.op("Reshape", g.op("Add", slots, first_row), int64(-1))
        ids = g.concat(g.op("Gather", beam.tokens, origin), g.op("Reshape", chosen, int64(-1, 1)), axis=1)
        after = Beam(ids, g.op("Where", ended, NEVER, ranks), scores)
        return after, [g.op("Gather", each, origin) for each in states], self._done(g, sentences, after)

    def _candidates(
        self, g: Graph, length: Value, sentences: Sentences, beam: Beam, scored: Value
    ) -> tuple[Value, Value]:
        """Return the log-probabilities of continuations (b, C) and their keys, which say tokens and slots.

        C are the best of each slot; of a slot at its limit </s> alone.
        """
        best, ids = self._top(g, scored)
        shape = g.concat(g.constant(int64(-1)), self.settings.beam, self.most, axis=0)
        candidates = g.op("Add", g.op("Reshape", best, shape), g.op("Unsqueeze", beam.live, int64(2)))
        keys = self._keys(
            g, g.op("Reshape", ids, shape), g.op("Unsqueeze", self.slots, int64(1))
        )  # (b, K, C / K)

        def only_end(body: Graph) -> list[Value]:
            at = body.op("LessOrEqual", body.op("Unsqueeze", sentences.limits, int64(1, 2)), length)
            ends = body.op("Gather", scored, np.int64(EOS), attributes={"axis": 1})
            ends = body.op("Add", body.op("Reshape", ends, body.op("Shape", beam.live)), beam.live)
            first = body.op(
                "Equal",
                body.op("Range", np.int64(0), body.op("Squeeze", self.most), np.int64(1)),
                np.int64(0),
            )
            alone = body.op("Where", first, body.op("Unsqueeze", ends, int64(2)), NEVER)
            of_end = self._keys(
                body, body.constant(np.int64(EOS)), body.op("Unsqueeze", self.slots, int64(1))
            )
            return [body.op("Where", at, alone, candidates), body.op("Where", at, of_end, keys)]

        at_limit = g.op(
            "LessOrEqual", g.op("ReduceMin", sentences.limits, attributes={"keepdims": 0}), length
        )
        candidates, keys = branch(g, at_limit, only_end, lambda _: [candidates, keys], (_FLOAT, _INT))
        flat = g.concat(g.constant(int64(-1)), self.live_candidates, axis=0)
        # Of equal candidates the smaller token comes first, then the smaller slot.
        smallest = {"largest": 0}
        keys, order = g.ops(
            "TopK", g.op("Reshape", keys, flat), self.live_candidates, outputs=2, attributes=smallest
        )
        return _pick(g, g.op("Reshape", candidates, flat), order), keys

    def _top(self, g: Graph, scored: Value) -> tuple[Value, Value]:
        """Return the best log-probabilities of each row and their tokens: (N, C / K) each.

        In a long row, chunk c is made of the tokens c, c + width, c + 2 · width …; the best are in the chunks
        with the largest maxima.
        """
        widths = range(min(256, self._vocabulary // 4), 127, -1)
        width = next((width for width in widths if self._vocabulary % width == 0), 0)
        if not width:
            best, ids = g.ops("TopK", scored, self.most, outputs=2)
            return best, ids
        chunks = g.op("Reshape", scored, int64(0, self._vocabulary // width, width))
        highest = g.op("ReduceMax", chunks, int64(1), attributes={"keepdims": 0})
        count = g.op("Min", self.most, int64(width))
        _, which = g.ops("TopK", highest, count, outputs=2, attributes={"sorted": 0})
        inside = np.arange(0, self._vocabulary, width, dtype=np.int64)[:, None]
        places = g.op("Reshape", g.op("Add", g.op("Unsqueeze", which, int64(1)), inside), int64(0, -1))
        best, chosen = g.ops("TopK", _pick(g, scored, places), self.most, outputs=2)
        return best, _pick(g, places, chosen)

    def _keys(self, g: Graph, tokens: Value, slots: Value) -> Value:
        """Return numbers in whose order candidates stand that are equal otherwise."""
        return g.op("Add", g.op("Mul", tokens, self.settings.beam), slots)

    def _of_keys(self, g: Graph, keys: Value) -> tuple[Value, Value]:
        """Return the tokens and slots of `_keys`."""
        return g.op("Div", keys, self.settings.beam), g.op("Mod", keys, self.settings.beam)

    def _done(self, g: Graph, sentences: Sentences, beam: Beam) -> Value:
        """Return which sentences need no further step: nothing is live, or nothing better can come."""
        live = g.op("ReduceMax", beam.live, int64(1), attributes={"keepdims": 0})
        kept, _ = g.ops("TopK", beam.finished, self.settings.n_best, outputs=2)
        worst = g.op("Gather", kept, np.int64(-1), attributes={"axis": 1})
        settled = g.op("Greater", worst, g.op("Div", live, sentences.penalties))
        return g.op("Or", g.op("Equal", live, NEVER), settled)

    def _write(
        self, g: Graph, found: Found, sentences: Sentences, beam: Beam, leaving: Value, first_row: Value
    ) -> Found:
        """Return the results with the n best of the leaving sentences in their places."""
        scores = g.op("Gather", beam.finished, leaving)
        scores, slots = g.ops("TopK", scores, self.settings.n_best, outputs=2)  # (m, n)
        tokens = g.op("Gather", beam.tokens, g.op("Add", slots, g.op("Gather", first_row, leaving)))
        missing = g.op("Sub", g.size(found.tokens, 2), g.size(beam.tokens, 1))
        padding = g.op("Expand", np.array([[[EOS]]]), g.concat(g.op("Shape", slots), missing, axis=0))
        places = g.op("Unsqueeze", g.op("Gather", sentences.numbers, leaving), int64(1))
        tokens = g.op("ScatterND", found.tokens, places, g.concat(tokens, padding, axis=2))
        return Found(tokens, g.op("ScatterND", found.scores, places, scores))


def _pick(g: Graph, x: Value, places: Value) -> Value:
    """Return the elements of x (N, W) at places (N, C)."""
    return g.op("GatherElements", x, places, attributes={"axis": 1})
