"""nmt.decoding.search on small chains whose every output can be counted."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.engine import Hypothesis
from nmt.decoding.processors import Ban
from nmt.decoding.search import SearchSettings, Step, beam_search
from nmt.decoding.trees import select_rows

V = 4
PENALTIES = [
    LengthPenalty(alpha=0.0, offset=0.0),
    LengthPenalty(alpha=1.0, offset=0.0),
    LengthPenalty(alpha=0.6, offset=5.0),
    LengthPenalty(alpha=3.0, offset=5.0),
]


class ChainState(NamedTuple):
    source: Tensor  # (N,)
    before: Tensor  # (N,) the piece before y_prev


class Chain:
    """A second-order Markov chain: logits (S, V, V, V) by source, the last but one piece, and the last.

    Its alignment points at the last piece, so that it tells which path was taken.
    """

    def __init__(self, logits: Tensor) -> None:
        self.logits, self.steps = logits, 0

    def start(self, source: Tensor) -> tuple[Tensor, ChainState]:
        return source, ChainState(source, torch.zeros_like(source))

    def step(self, y_prev: Tensor, memory: Tensor, state: ChainState) -> Step:
        assert memory.repeat_interleave(len(y_prev) // len(memory)).equal(state.source)
        self.steps += 1
        logits = self.logits[state.source, state.before, y_prev]
        alignment = F.one_hot(y_prev, V).to(logits.dtype)
        return Step(logits - logits.logsumexp(-1, keepdim=True), ChainState(state.source, y_prev), alignment)


class Case(NamedTuple):
    """A chain for each sentence, how long each output may be, and which pieces mean what."""

    logits: Tensor  # (S, V, V, V)
    limits: list[int]
    bos: int
    eos: int
    banned: tuple[int, ...]

    def settings(self, beam: int, penalty: LengthPenalty, n_best: int = 1) -> SearchSettings:
        return SearchSettings(
            beam=beam,
            penalty=penalty,
            bos=self.bos,
            eos=self.eos,
            processors=(Ban(self.banned),),
            n_best=n_best,
        )

    def search(
        self, settings: SearchSettings, sentences: Sequence[int] | None = None
    ) -> list[list[Hypothesis]]:
        chosen = range(len(self.limits)) if sentences is None else sentences
        limits = torch.tensor([self.limits[s] for s in chosen], dtype=torch.long)
        return beam_search(Chain(self.logits), torch.tensor(chosen), limits, settings, details=True)

    def log_probs(self, sentence: int, ids: Sequence[int]) -> list[float]:
        """The log-probability of each piece after a prefix, −∞ for what may not follow."""
        before, last = [0, self.bos, *ids][-2:] if ids else (0, self.bos)
        logits = self.logits[sentence, before, last]
        found: list[float] = (logits - logits.logsumexp(-1, keepdim=True)).tolist()
        ending = len(ids) + 1 == self.limits[sentence]
        return [
            -math.inf if i in self.banned or (ending and i != self.eos) else p for i, p in enumerate(found)
        ]

    def every_output(
        self, sentence: int, ids: tuple[int, ...] = (), sofar: float = 0.0
    ) -> Iterator[tuple[tuple[int, ...], float]]:
        for piece, log_prob in enumerate(self.log_probs(sentence, ids)):
            if piece == self.eos:
                yield ids, sofar + log_prob
            elif log_prob > -math.inf:
                yield from self.every_output(sentence, (*ids, piece), sofar + log_prob)


def score(penalty: LengthPenalty, log_prob: float, ids: Sequence[int]) -> float:
    weight: float = ((penalty.offset + len(ids) + 1) / (penalty.offset + 1)) ** penalty.alpha
    return log_prob / weight


@st.composite
def cases(draw: st.DrawFn) -> Case:
    sentences = draw(st.integers(1, 3))
    size = sentences * V**3
    values = draw(st.lists(st.integers(-3, 3), min_size=size, max_size=size))
    bos, eos = draw(st.sampled_from([(0, 1), (3, 0), (2, 3)]))
    banned = (bos,) if draw(st.booleans()) else ()
    limits = draw(st.lists(st.integers(1, 4), min_size=sentences, max_size=sentences))
    logits = torch.tensor(values, dtype=torch.float64).view(sentences, V, V, V)
    return Case(logits, limits, bos, eos, banned)


penalties = pytest.mark.parametrize("penalty", PENALTIES)


@penalties
@examples(max_examples=40)
@given(case=cases(), n_best=st.integers(1, 45))
def test_a_beam_as_wide_as_the_space_is_exhaustive_search(
    penalty: LengthPenalty, case: Case, n_best: int
) -> None:
    found = case.search(case.settings(40, penalty, n_best))  # 1 + 3 + 9 + 27 outputs at most
    for sentence, hypotheses in enumerate(found):
        outputs = dict(case.every_output(sentence))
        scores = {ids: score(penalty, log_prob, ids) for ids, log_prob in outputs.items()}
        assert [h.score for h in hypotheses] == pytest.approx(sorted(scores.values(), reverse=True)[:n_best])
        assert len({tuple(h.ids) for h in hypotheses}) == len(hypotheses)
        for h in hypotheses:
            assert h.log_prob == pytest.approx(outputs[tuple(h.ids)], abs=1e-12)
            assert h.score == pytest.approx(scores[tuple(h.ids)], abs=1e-12)


def plain_beam(case: Case, sentence: int, settings: SearchSettings) -> list[tuple[list[int], float]]:
    """The same search as one would write it for a single sentence, without an early stop."""
    beam: list[tuple[list[int], float, bool]] = [([], 0.0, False)]
    while not all(finished for _, _, finished in beam):
        grown = []
        for ids, sofar, finished in beam:
            if finished:
                grown.append((-math.inf, case.eos, ids, sofar, True))
                continue
            for piece, log_prob in enumerate(case.log_probs(sentence, ids)):
                if log_prob > -math.inf:
                    ended = piece == case.eos
                    new = (ids if ended else [*ids, piece], sofar + log_prob, ended)
                    grown.append((-(sofar + log_prob), piece, *new))
        grown.sort(key=lambda candidate: candidate[:2])
        beam = [(ids, sofar, finished) for _, _, ids, sofar, finished in grown[: settings.beam]]
    lengths = torch.tensor([len(ids) + 1 for ids, _, _ in beam])
    scores = settings.penalty(torch.tensor([sofar for _, sofar, _ in beam], dtype=torch.float64), lengths)
    ranked = [(ids, score) for (ids, _, _), score in zip(beam, scores.tolist(), strict=True)]
    return sorted(ranked, key=lambda pair: -pair[1])[: settings.n_best]


@penalties
@examples(max_examples=40)
@given(case=cases(), beam=st.integers(1, 7), n_best=st.integers(1, 8))
def test_the_search_is_the_plain_one_ties_and_all(
    penalty: LengthPenalty, case: Case, beam: int, n_best: int
) -> None:
    settings = case.settings(beam, penalty, n_best)
    for sentence, hypotheses in enumerate(case.search(settings)):
        assert [(h.ids, h.score) for h in hypotheses] == plain_beam(case, sentence, settings)


@examples(max_examples=40)
@given(case=cases())
def test_beam_one_is_greedy(case: Case) -> None:
    found = case.search(case.settings(1, PENALTIES[1]))
    for sentence, (only,) in enumerate(found):
        ids: list[int] = []
        while (best := max(range(V), key=case.log_probs(sentence, ids).__getitem__)) != case.eos:
            ids.append(best)
        assert only.ids == ids


@penalties
@examples(max_examples=40)
@given(case=cases(), beam=st.integers(1, 7), n_best=st.integers(1, 7))
def test_the_early_stop_loses_nothing(penalty: LengthPenalty, case: Case, beam: int, n_best: int) -> None:
    settings = case.settings(beam, penalty, n_best)
    patient = replace(case.settings(beam, penalty, n_best), early_stop=False)
    assert case.search(settings) == case.search(patient)


@pytest.mark.slow
@examples(max_examples=40)
@given(case=cases(), beam=st.integers(1, 7), data=st.data())
def test_neighbours_and_order_change_nothing(case: Case, beam: int, data: st.DataObject) -> None:
    settings = case.settings(beam, PENALTIES[2], beam)
    alone = [case.search(settings, [s])[0] for s in range(len(case.limits))]
    order = data.draw(st.lists(st.sampled_from(range(len(case.limits))), max_size=6))
    together = case.search(settings, order)
    assert together == [alone[s] for s in order]
    for s, hypotheses in zip(order, together, strict=True):
        for one, other in zip(hypotheses, alone[s], strict=True):
            assert one.alignment is not None
            assert other.alignment is not None
            assert np.array_equal(one.alignment, other.alignment)


@examples(max_examples=40)
@given(case=cases(), beam=st.integers(1, 7))
def test_limits_bans_and_alignments(case: Case, beam: int) -> None:
    for limit, hypotheses in zip(
        case.limits, case.search(case.settings(beam, PENALTIES[1], beam)), strict=True
    ):
        assert hypotheses
        for h in hypotheses:
            assert len(h.ids) + 1 <= limit
            assert not {*case.banned, case.eos} & set(h.ids)
            assert h.alignment is not None
            assert h.alignment.argmax(-1).tolist() == [case.bos, *h.ids]  # (Ty, Tx), of the path taken


def uniform(limit: int, *, scorer_bias: float = 0.0) -> tuple[Chain, Tensor]:
    logits = torch.zeros(1, V, V, V, dtype=torch.float64)
    logits[..., 1] = scorer_bias
    return Chain(logits), torch.tensor([limit])


def test_ties_break_by_piece_id() -> None:
    scorer, limits = uniform(3)
    settings = SearchSettings(beam=3, penalty=PENALTIES[0], bos=0, eos=1, processors=(Ban((0,)),), n_best=3)
    (found,) = beam_search(scorer, torch.tensor([0]), limits, settings)
    assert [h.ids for h in found] == [[], [2], [3]]


def test_a_sentence_stops_as_soon_as_nothing_better_can_come() -> None:
    settings = SearchSettings(beam=3, penalty=PENALTIES[1], bos=0, eos=1, processors=(Ban((0,)),))
    scorer, limits = uniform(1000, scorer_bias=15.0)
    (found,) = beam_search(scorer, torch.tensor([0]), limits, settings)
    assert found[0].ids == []
    assert scorer.steps < 5


def test_there_are_no_more_hypotheses_than_outputs() -> None:
    scorer, limits = uniform(1)
    settings = SearchSettings(beam=5, penalty=PENALTIES[1], bos=0, eos=1, n_best=5)
    (found,) = beam_search(scorer, torch.tensor([0]), limits, settings)
    assert [h.ids for h in found] == [[]]


def test_no_sentences() -> None:
    scorer, _ = uniform(1)
    none = torch.tensor([], dtype=torch.long)
    assert beam_search(scorer, none, none, SearchSettings(beam=2, penalty=PENALTIES[0], bos=0, eos=1)) == []


def test_limits_grow_with_the_source_and_leave_room_for_the_end() -> None:
    settings = SearchSettings(beam=1, penalty=PENALTIES[0], bos=0, eos=1, max_ratio=1.5, max_extra=2)
    assert settings.limits(torch.tensor([1, 2, 10])).tolist() == [3, 5, 17]
    least = SearchSettings(beam=1, penalty=PENALTIES[0], bos=0, eos=1, max_ratio=0.1, max_extra=0)
    assert least.limits(torch.tensor([1, 30])).tolist() == [1, 3]


def test_rows_of_a_tree() -> None:
    tree = (torch.arange(3), ChainState(torch.arange(3) * 10, torch.arange(6).view(3, 2)), None)
    first, state, nothing = select_rows(tree, torch.tensor([2, 0, 2]))
    assert first.tolist() == [2, 0, 2]
    assert isinstance(state, ChainState)
    assert state.source.tolist() == [20, 0, 20]
    assert state.before.tolist() == [[4, 5], [0, 1], [4, 5]]
    assert nothing is None
