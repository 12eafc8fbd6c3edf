"""nmt.decoding.processors: what they change, and that their state goes with the hypotheses."""

from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.processors import Ban, LengthLimit, MinimumLength, NoRepeat, Prefix, Processors
from nmt.decoding.sampling import SamplingSettings, sample
from nmt.decoding.search import SearchSettings, Step, beam_search

INF = float("inf")
BOS, EOS, V = 0, 1, 6


class Flat:
    """A scorer that finds every token but </s> about as good, the smaller ids a little better."""

    def start(self, source: Tensor) -> tuple[Tensor, Tensor]:
        return source, torch.zeros(len(source))

    def step(self, y_prev: Tensor, memory: Tensor, state: Tensor) -> Step:
        logits = -0.01 * torch.arange(V, dtype=torch.float64).expand(len(y_prev), V)
        return Step(logits.log_softmax(-1), state, None)


class Once:
    """No token occurs twice; the state is which have occurred, so that it must follow the hypotheses."""

    def start(self, limits: Tensor) -> Tensor:
        return torch.zeros(len(limits), V, dtype=torch.bool)

    def __call__(self, log_probs: Tensor, ids: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        if ids.shape[1]:
            state = state.scatter(1, ids[:, -1:], value=True)
        for row, tokens in enumerate(ids.tolist()):  # the state is that of the very tokens
            assert set(tokens) - {EOS} == set(state[row].nonzero().flatten().tolist()) - {EOS}
        return log_probs.masked_fill(state, -INF), state


def settings(*processors: Any, beam: int = 3) -> SearchSettings:
    return SearchSettings(
        beam=beam,
        penalty=LengthPenalty(alpha=1.0, offset=0.0),
        bos=BOS,
        eos=EOS,
        processors=processors,
        n_best=beam,
    )


def test_a_ban_is_minus_infinity() -> None:
    log_probs, state = Ban({3, 1})(torch.zeros(2, 4), torch.empty(2, 0, dtype=torch.long), None)
    assert log_probs.tolist() == [[0, -INF, 0, -INF]] * 2
    assert state is None
    assert Ban(())(torch.zeros(1, 2), torch.empty(1, 0, dtype=torch.long), None)[0].tolist() == [[0, 0]]


@pytest.mark.parametrize(("so_far", "ended"), [(0, [False, False]), (1, [True, False]), (4, [True, True])])
def test_at_the_limit_only_the_end_is_left(so_far: int, ended: list[bool]) -> None:
    limit = LengthLimit(EOS)
    ids = torch.zeros(2, so_far, dtype=torch.long)
    log_probs, _ = limit(torch.zeros(2, 3), ids, limit.start(torch.tensor([2, 5])))
    assert [row == [-INF, 0, -INF] for row in log_probs.tolist()] == ended


def test_several_act_one_after_the_other_each_with_its_own_state() -> None:
    process = Processors((Ban((0,)), LengthLimit(EOS), Once()))
    state = process.start(torch.tensor([9, 1]), torch.tensor([0, 0, 1, 1]))
    log_probs, (none, limits, used) = process(torch.zeros(4, V), torch.empty(4, 0, dtype=torch.long), state)
    assert none is None
    assert limits.tolist() == [9, 9, 1, 1]
    assert used.shape == (4, V)
    assert log_probs[0].tolist() == [-INF, 0, 0, 0, 0, 0]
    assert log_probs[2].tolist() == [-INF, 0, -INF, -INF, -INF, -INF]


@pytest.mark.parametrize("beam", [1, 3])
def test_an_output_has_the_minimum_length_or_fills_its_limit(beam: int) -> None:
    rules = settings(Ban((BOS,)), MinimumLength(3, EOS), beam=beam)
    found = beam_search(Flat(), torch.zeros(3), torch.tensor([9, 5, 2]), rules)
    for hypotheses, fewest, limit in zip(found, (3, 3, 1), (9, 5, 2), strict=True):
        assert hypotheses
        assert all(fewest <= len(each.ids) < limit for each in hypotheses)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("beam", [1, 4])
def test_no_n_tokens_in_a_row_occur_twice(n: int, beam: int) -> None:
    rules = settings(Ban((BOS,)), NoRepeat(n, EOS), MinimumLength(4, EOS), beam=beam)
    for hypotheses in beam_search(Flat(), torch.zeros(2), torch.tensor([12, 7]), rules):
        assert hypotheses
        for each in hypotheses:
            grams = [tuple(each.ids[i : i + n]) for i in range(len(each.ids) - n + 1)]
            assert len(set(grams)) == len(grams)


def test_what_repeats_is_forbidden_in_its_own_row_alone() -> None:
    ids = torch.tensor([[2, 3, 4, 2, 3], [2, 3, 4, 3, 2]])
    log_probs, _ = NoRepeat(3, EOS)(torch.zeros(2, V), ids, None)
    assert log_probs.tolist() == [[0, 0, 0, 0, -INF, 0], [0.0] * 6]


@pytest.mark.parametrize("beam", [1, 4])
def test_an_output_begins_with_its_prefix(beam: int) -> None:
    prefixes = [[4, 5, 4], [], [3]]
    rules = settings(Ban((BOS,)), Prefix(prefixes), beam=beam)
    found = beam_search(Flat(), torch.zeros(3), torch.tensor([6, 6, 2]), rules)
    for hypotheses, prefix in zip(found, prefixes, strict=True):
        assert hypotheses
        assert all(each.ids[: len(prefix)] == prefix for each in hypotheses)


@pytest.mark.parametrize("beam", [1, 2, 5])
def test_in_a_search_the_state_follows_its_hypothesis(beam: int) -> None:
    limits = torch.tensor([5, 3, 4])
    found = beam_search(Flat(), torch.zeros(3), limits, settings(Ban((BOS,)), Once(), beam=beam))
    for sentence, limit in zip(found, limits.tolist(), strict=True):
        assert sentence
        for hypothesis in sentence:
            assert len(set(hypothesis.ids)) == len(hypothesis.ids) < limit
            assert BOS not in hypothesis.ids


def test_in_sampling_too() -> None:
    rules = SamplingSettings(bos=BOS, eos=EOS, processors=(Ban((BOS, EOS)), Once()))
    found = sample(Flat(), torch.zeros(4), torch.tensor([4, 2, 3, 4]), rules, keys=[(n,) for n in range(4)])
    assert [len(set(each.ids)) for each in found] == [4, 2, 3, 4]


def test_an_observer_hears_of_every_decision() -> None:
    heard: list[tuple[list[int], list[float]]] = []

    def observe(rows: Tensor, gaps: Tensor) -> None:
        heard.append((rows.tolist(), gaps.tolist()))

    limits = torch.tensor([1, 2])
    beam_search(Flat(), torch.zeros(2), limits, settings(Ban((BOS,)), beam=1), observer=observe)
    assert heard[0][0] == [0, 1]
    assert heard[0][1][1] == pytest.approx(0.01)  # token 1, which ends, was kept and token 2 dropped
    assert heard[0][1][0] == INF  # at its limit nothing is dropped
