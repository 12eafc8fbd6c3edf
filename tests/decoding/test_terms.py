"""nmt.decoding.terms: whatever the model prefers, each output holds its terms, and is the best that does."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import Tensor

from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.engine import Hypothesis
from nmt.decoding.processors import Ban
from nmt.decoding.search import SearchSettings, Step, beam_search
from nmt.decoding.terms import Terms

BOS, EOS, V = 0, 1, 5
PENALTY = LengthPenalty(alpha=1.0, offset=5.0)
Term = list[int]


class Chain:
    """A Markov chain: logits (S, V, V) by source and last token."""

    def __init__(self, logits: Tensor) -> None:
        self.log_probs = logits.log_softmax(-1)

    def start(self, source: Tensor) -> tuple[Tensor, Tensor]:
        return source, source

    def step(self, y_prev: Tensor, memory: Tensor, state: Tensor) -> Step:
        return Step(self.log_probs[state, y_prev].clone(), state, None)


class Case(NamedTuple):
    """A chain, and for each sentence its terms and how many more tokens there is room for."""

    chain: Chain
    terms: list[list[Term]]
    room: list[int]

    @property
    def limits(self) -> list[int]:
        return [sum(map(len, each)) + room for each, room in zip(self.terms, self.room, strict=True)]

    def search(self, beam: int, sentences: Sequence[int] | None = None) -> list[list[Hypothesis]]:
        chosen = range(len(self.terms)) if sentences is None else sentences
        settings = SearchSettings(
            beam=beam,
            penalty=PENALTY,
            bos=BOS,
            eos=EOS,
            processors=(Ban((BOS,)),),
            terms=Terms([self.terms[s] for s in chosen], EOS),
            n_best=beam,
        )
        limits = torch.tensor([self.limits[s] for s in chosen])
        return beam_search(self.chain, torch.tensor(chosen), limits, settings)

    def outputs(self, sentence: int, ids: tuple[int, ...] = (), sofar: float = 0.0) -> Iterator[float]:
        """Yield the score of every output that holds the terms."""
        after = self.chain.log_probs[sentence, ids[-1] if ids else BOS].tolist()
        if all(holds(ids, term) for term in self.terms[sentence]):
            yield (sofar + after[EOS]) / ((6 + len(ids)) / 6)
        if len(ids) + 1 < self.limits[sentence]:
            for token in range(2, V):
                yield from self.outputs(sentence, (*ids, token), sofar + after[token])


def holds(ids: Sequence[int], term: Term) -> bool:
    return any(list(ids[i : i + len(term)]) == term for i in range(len(ids)))


@st.composite
def cases(draw: st.DrawFn, *, alike: bool = True) -> Case:
    """alike: terms may have tokens in common."""
    sentences = draw(st.integers(1, 3))
    if alike:
        term = st.lists(st.integers(2, V - 1), min_size=1, max_size=2)
        terms = [draw(st.lists(term, max_size=2)) for _ in range(sentences)]
    else:
        orders = [draw(st.permutations(range(2, V))) for _ in range(sentences)]
        terms = [
            draw(st.sampled_from([[], [[a]], [[a, b]], [[a], [b]], [[a, b], [c]]])) for a, b, c in orders
        ]
    room = draw(st.lists(st.integers(1, 2), min_size=sentences, max_size=sentences))
    values = draw(st.lists(st.integers(-20, 20), min_size=V * V * sentences, max_size=V * V * sentences))
    noise = torch.rand(len(values), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    logits = (torch.tensor(values, dtype=torch.float64) / 5 + noise).view(sentences, V, V)  # without ties
    return Case(Chain(logits), terms, room)


@examples(max_examples=60)
@given(case=cases(), beam=st.integers(1, 6))
def test_every_output_holds_its_terms_however_narrow_the_beam(case: Case, beam: int) -> None:
    for hypotheses, terms, limit in zip(case.search(beam), case.terms, case.limits, strict=True):
        assert hypotheses
        for each in hypotheses:
            assert len(each.ids) < limit
            assert all(holds(each.ids, term) for term in terms)


@examples(max_examples=30)
@given(case=cases(alike=False))
def test_with_room_for_every_hypothesis_it_finds_the_best(case: Case) -> None:
    for sentence, hypotheses in enumerate(case.search(400)):
        assert hypotheses[0].score == pytest.approx(max(case.outputs(sentence)), abs=1e-12)


@examples(max_examples=30)
@given(case=cases(), beam=st.integers(1, 6))
def test_neighbours_change_nothing(case: Case, beam: int) -> None:
    alone = [case.search(beam, [s])[0] for s in range(len(case.terms))]
    assert case.search(beam) == alone


def test_a_term_that_is_interrupted_begins_again() -> None:
    terms = Terms([[[2, 3]]], EOS)
    state = terms.start(torch.tensor([9]))
    for token, current, inside, met in [
        (2, 0, 1, False),
        (4, -1, 0, False),
        (2, 0, 1, False),
        (3, -1, 0, True),
    ]:
        state = state.after(torch.tensor([token]))
        assert (state.current.item(), state.inside.item(), state.met.item()) == (current, inside, met)


def test_no_output_ends_too_early_and_what_is_missing_comes_in_time() -> None:
    terms = Terms([[[2, 3]], [[2, 3]], []], EOS)
    state = terms.start(torch.tensor([3, 4, 4]))
    log_probs, _ = terms(torch.zeros(3, V), torch.empty(3, 0, dtype=torch.long), state)
    no = -math.inf
    assert log_probs.tolist() == [[no, no, 0, no, no], [0, no, 0, 0, 0], [0, 0, 0, 0, 0]]
