"""Beam search in the graph: the choices of `nmt.decoding.search`, ties included.

B sentences, K hypotheses a sentence, N = B · K rows, V vocabulary, t tokens so far, b sentences that are still
searched.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from nmt.graphs.graph import Graph, Value, int64, loop
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
    """The n best of each sentence: tokens (B, n, T), </s> from their end on; lengths (B, n), </s> counted.

    scores, log_probs (B, n): −∞ where there are fewer than n.
    """

    tokens: Value
    lengths: Value
    scores: Value
    log_probs: Value

    KINDS = (_INT, _INT, _FLOAT, _FLOAT)


class Beam(NamedTuple):
    """The hypotheses of b sentences: tokens (N, 1 + t) from <s> on, the rest (b, K)."""

    tokens: Value
    log_probs: Value
    finished: Value
    lengths: Value

    KINDS = (_INT, _FLOAT, _BOOL, _INT)


class Sentences(NamedTuple):
    """The b sentences: their numbers and limits (b,), and the largest penalty that each can reach (b,)."""

    numbers: Value
    limits: Value
    penalties: Value

    KINDS = (_INT, _INT, _FLOAT)


class Searcher:
    """Emits the search of one model."""

    def __init__(self, g: Graph, settings: Settings, step: Step) -> None:
        self.settings, self._step = settings, step
        scalar = int64()
        self.beam = g.op("Squeeze", settings.beam)
        self.longest = g.op("ReduceMax", settings.limits, attributes={"keepdims": 0})
        lengths = g.op("Range", np.int64(0), g.op("Add", self.longest, np.int64(1)), np.int64(1))
        self.penalties = self._penalties(g, lengths)  # by length
        slots = g.op("Range", np.int64(0), self.beam, np.int64(1))
        # A finished hypothesis ranks before everything else, in the order of slots.
        places = g.cast(g.op("Add", slots, np.int64(1)), _FLOAT)
        self.itself = g.op("Div", np.finfo(np.float32).max, places)  # (K,)
        self.slots, self.one_list = slots, scalar
        self.candidates = g.op("Mul", settings.beam, settings.beam)  # of a sentence
        self.by_slot = g.concat(g.constant(int64(-1)), settings.beam, settings.beam, axis=0)
        self.by_sentence = g.concat(g.constant(int64(-1)), settings.beam, axis=0)
        self.flat = g.concat(g.constant(int64(-1)), self.candidates, axis=0)

    def _penalties(self, g: Graph, lengths: Value) -> Value:
        """Return ((offset + length) / (offset + 1))^alpha."""
        offset = self.settings.offset
        ratio = g.op("Div", g.op("Add", g.cast(lengths, TensorProto.DOUBLE), offset), g.op("Add", offset, np.array([1.0])))
        return g.cast(g.op("Exp", g.op("Mul", self.settings.alpha, g.op("Log", ratio))), _FLOAT)

    def run(self, g: Graph, memory: Sequence[Value], state: Sequence[Value]) -> Found:
        """Search from a memory and a first state (B rows each).

        Sentences that are done leave when they are a quarter of those that are searched: the others go on in
        smaller products.
        """
        size = g.size(self.settings.limits, 0)
        rows = g.op("Range", np.int64(0), g.op("Squeeze", size), np.int64(1))
        repeated = g.op("Reshape", g.op("Expand", g.op("Unsqueeze", rows, int64(1)), g.concat(size, self.settings.beam, axis=0)), int64(-1))
        shape = g.concat(size, self.settings.beam, axis=0)
        first_slot = g.op("Equal", self.slots, np.int64(0))
        beam = Beam(
            tokens=g.op("Expand", np.array([[BOS]]), g.concat(g.size(repeated, 0), g.constant(int64(1)), axis=0)),
            log_probs=g.op("Expand", g.op("Where", first_slot, np.float32(0), NEVER), shape),
            finished=g.op("Expand", np.array([[False]]), shape),
            lengths=g.op("Expand", np.array([[0]]), shape),
        )
        limits = self.settings.limits
        sentences = Sentences(rows, limits, g.op("Gather", self.penalties, limits))
        found = self._nothing(g, size)
        carried = [
            (g.constant(np.int64(0)), _INT),
            *zip(found, Found.KINDS, strict=True),
            *zip(sentences, Sentences.KINDS, strict=True),
            *zip(beam, Beam.KINDS, strict=True),
            *((value, _FLOAT) for value in memory),
            *((g.op("Gather", value, repeated), _FLOAT) for value in state),
        ]

        def phase(body: Graph, _: Value, inside: list[Value]) -> tuple[Value, list[Value]]:
            return self._phase(body, inside, len(memory))

        return Found(*loop(g, self.longest, carried, phase)[1:5])

    def _nothing(self, g: Graph, size: Value) -> Found:
        shape = g.concat(size, self.settings.n_best, axis=0)
        width = g.op("Add", g.op("Unsqueeze", self.longest, int64(0)), int64(1))
        return Found(
            g.op("Expand", np.array([[[EOS]]]), g.concat(shape, width, axis=0)),
            g.op("Expand", np.array([[0]]), shape),
            g.op("Expand", np.array([[NEVER]]), shape),
            g.op("Expand", np.array([[NEVER]]), shape),
        )

    def _phase(self, g: Graph, inside: list[Value], memories: int) -> tuple[Value, list[Value]]:
        """Take steps until enough sentences are done; write those down and go on with the others."""
        position, found, sentences, beam = inside[0], Found(*inside[1:5]), Sentences(*inside[5:8]), Beam(*inside[8:12])
        memory, state = inside[12 : 12 + memories], inside[12 + memories :]
        size = g.size(sentences.limits, 0)
        first_row = g.op("Mul", g.op("Range", np.int64(0), g.op("Squeeze", size), np.int64(1)), self.beam)
        first_row = g.op("Unsqueeze", first_row, int64(1))  # (b, 1)
        nobody = g.op("Expand", np.array([False]), size)
        enough = g.op("Div", g.op("Add", g.op("Squeeze", size), np.int64(3)), np.int64(4))

        def step(body: Graph, round_: Value, carried: list[Value]) -> tuple[Value, list[Value]]:
            at = body.op("Add", position, round_)
            before = Beam(*carried[1:5])
            after, state, done = self._advance(body, at, sentences, before, memory, carried[5:], first_row)
            count = body.op("ReduceSum", body.cast(done, _INT), attributes={"keepdims": 0})
            return body.op("Less", count, enough), [done, *after, *state]

        carried = [
            (nobody, _BOOL),
            *zip(beam, Beam.KINDS, strict=True),
            *((value, _FLOAT) for value in state),
        ]
        done, *rest = loop(g, g.op("Sub", self.longest, position), carried, step)
        beam, state = Beam(*rest[:4]), rest[4:]
        position = g.op("Sub", g.op("Squeeze", g.size(beam.tokens, 1)), np.int64(1))
        leaving, staying = (g.op("Reshape", g.op("NonZero", each), int64(-1)) for each in (done, g.op("Not", done)))
        found = self._write(g, found, sentences, beam, leaving, first_row)
        kept = g.op("Reshape", g.op("Add", g.op("Gather", first_row, staying), self.slots), int64(-1))
        going = g.op("Greater", g.op("Squeeze", g.size(staying, 0)), np.int64(0))
        by_sentence = [*sentences, beam.log_probs, beam.finished, beam.lengths, *memory]
        a, b, c, log_probs, finished, lengths, *memory = (g.op("Gather", each, staying) for each in by_sentence)
        tokens, *state = (g.op("Gather", each, kept) for each in (beam.tokens, *state))
        return going, [position, *found, a, b, c, tokens, log_probs, finished, lengths, *memory, *state]

    def _advance(
        self,
        g: Graph,
        at: Value,
        sentences: Sentences,
        beam: Beam,
        memory: Sequence[Value],
        state: Sequence[Value],
        first_row: Value,
    ) -> tuple[Beam, list[Value], Value]:
        """Extend every live hypothesis, keep the K best of a sentence; say which sentences are done."""
        y = g.op("Gather", beam.tokens, np.int64(-1), attributes={"axis": 1})
        scored, state = self._step(g, y, memory, state)
        candidates, tokens = self._candidates(g, at, sentences, beam, scored)
        # Of equal candidates the smaller token comes first, then the smaller slot.
        keys = g.op("Reshape", g.op("Add", g.op("Mul", tokens, self.beam), g.op("Unsqueeze", self.slots, int64(1))), self.flat)
        _, order = g.ops("TopK", keys, self.candidates, outputs=2, attributes={"largest": 0})
        candidates, tokens = (g.op("Reshape", each, self.flat) for each in (candidates, tokens))
        ranks, places = g.ops("TopK", self._pick(g, candidates, order), self.settings.beam, outputs=2)
        best = self._pick(g, order, places)  # (b, K)
        slots, chosen = g.op("Div", best, self.beam), self._pick(g, tokens, best)
        real = g.op("Greater", ranks, NEVER)
        was = g.op("And", self._pick_bool(g, beam.finished, slots), real)
        log_probs = g.op("Where", was, self._pick(g, beam.log_probs, slots), ranks)
        lengths = g.op("Add", self._pick(g, beam.lengths, slots), g.cast(g.op("Not", was), _INT))
        finished = g.op("And", g.op("Equal", chosen, np.int64(EOS)), real)
        origin = g.op("Reshape", g.op("Add", slots, first_row), int64(-1))
        ids = g.concat(g.op("Gather", beam.tokens, origin), g.op("Reshape", chosen, int64(-1, 1)), axis=1)
        after = Beam(ids, log_probs, finished, lengths)
        return after, [g.op("Gather", each, origin) for each in state], self._done(g, sentences, after)

    def _candidates(
        self, g: Graph, at: Value, sentences: Sentences, beam: Beam, scored: Value
    ) -> tuple[Value, Value]:
        """Return the log-probabilities of the K best continuations of each slot, and their tokens: (b, K, K).

        A finished hypothesis has one, itself; one at its limit has one, </s>.
        """
        best, ids = g.ops("TopK", scored, self.settings.beam, outputs=2)
        before = g.op("Unsqueeze", beam.log_probs, int64(2))
        candidates = g.op("Add", g.op("Reshape", best, self.by_slot), before)
        ends = g.op("Reshape", g.op("Gather", scored, np.int64(EOS), attributes={"axis": 1}), self.by_sentence)
        only = g.op("Where", beam.finished, self.itself, g.op("Add", beam.log_probs, ends))
        only = g.op("Where", g.op("Equal", self.slots, np.int64(0)), g.op("Unsqueeze", only, int64(2)), NEVER)
        limits = g.op("Unsqueeze", sentences.limits, int64(1, 2))
        at_limit = g.op("LessOrEqual", limits, g.op("Add", at, np.int64(1)))
        alone = g.op("Or", at_limit, g.op("Unsqueeze", beam.finished, int64(2)))
        tokens = g.op("Where", alone, np.int64(EOS), g.op("Reshape", ids, self.by_slot))
        return g.op("Where", alone, only, candidates), tokens

    def _done(self, g: Graph, sentences: Sentences, beam: Beam) -> Value:
        """Return which sentences need no further step: nothing is live, or nothing better can come."""
        live = g.op("Where", beam.finished, NEVER, beam.log_probs)
        live = g.op("ReduceMax", live, int64(1), attributes={"keepdims": 0})
        kept, _ = g.ops("TopK", self._scores(g, beam), self.settings.n_best, outputs=2)
        worst = g.op("Gather", kept, np.int64(-1), attributes={"axis": 1})
        settled = g.op("Greater", worst, g.op("Div", live, sentences.penalties))
        return g.op("Or", g.op("Equal", live, NEVER), settled)

    def _scores(self, g: Graph, beam: Beam) -> Value:
        scores = g.op("Div", beam.log_probs, g.op("Gather", self.penalties, beam.lengths))
        return g.op("Where", beam.finished, scores, NEVER)

    def _write(
        self, g: Graph, found: Found, sentences: Sentences, beam: Beam, leaving: Value, first_row: Value
    ) -> Found:
        """Return the results with the n best of the leaving sentences in their places."""
        scores = g.op("Gather", self._scores(g, beam), leaving)
        scores, slots = g.ops("TopK", scores, self.settings.n_best, outputs=2)  # (m, n)
        rows = g.op("Add", slots, g.op("Gather", first_row, leaving))
        tokens = g.op("Gather", beam.tokens, rows)  # (m, n, 1 + t)
        missing = g.op("Sub", g.size(found.tokens, 2), g.size(beam.tokens, 1))
        padding = g.op("Expand", np.array([[[EOS]]]), g.concat(g.op("Shape", slots), missing, axis=0))
        lengths, log_probs = (
            self._pick(g, g.op("Gather", each, leaving), slots) for each in (beam.lengths, beam.log_probs)
        )
        places = g.op("Unsqueeze", g.op("Gather", sentences.numbers, leaving), int64(1))
        new = g.concat(tokens, padding, axis=2), lengths, scores, log_probs
        return Found(*(g.op("ScatterND", old, places, each) for old, each in zip(found, new, strict=True)))

    def _pick(self, g: Graph, x: Value, places: Value) -> Value:
        return g.op("GatherElements", x, places, attributes={"axis": 1})

    def _pick_bool(self, g: Graph, x: Value, places: Value) -> Value:
        return g.op("GatherElements", x, places, attributes={"axis": 1})
