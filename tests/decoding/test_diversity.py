"""nmt.decoding.diversity: groups of a beam, against a plain reading of Vijayakumar et al. 2018."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.diversity import Groups
from nmt.decoding.search import beam_search
from tests.decoding.test_search import Case, Chain, V, cases

SUM = LengthPenalty(alpha=0.0, offset=0.0)


def plain(case: Case, sentence: int, groups: Groups, beam: int) -> list[tuple[int, ...]]:
    """The finished outputs of all groups, in no order."""
    own = beam // groups.count
    live: list[list[tuple[tuple[int, ...], float]]] = [[((), 0.0)] for _ in range(groups.count)]
    done: list[list[tuple[int, ...]]] = [[] for _ in range(groups.count)]
    for _ in range(case.limits[sentence]):
        lost = [0.0] * V
        for g in range(groups.count):
            candidates = [
                (total + log_prob - lost[token], -token, ids, total + log_prob)
                for ids, total in live[g]
                for token, log_prob in enumerate(case.log_probs(sentence, ids))
                if log_prob > -math.inf
            ]
            kept = sorted(candidates, key=lambda each: (-each[0], -each[1]))[: own - len(done[g])]
            live[g] = []
            for _, token, ids, total in kept:
                if -token == case.eos:
                    done[g].append(ids)
                else:
                    live[g].append(((*ids, -token), total))
            for _, token, _, _ in kept:
                lost[-token] += groups.strength
    return [ids for each in done for ids in each]


@examples(max_examples=60)
@given(
    case=cases(),
    shape=st.sampled_from([(2, 2), (2, 4), (3, 3), (4, 4)]),
    strength=st.sampled_from([0.3, 2.1]),
)
def test_each_group_avoids_the_tokens_of_those_before(
    case: Case, shape: tuple[int, int], strength: float
) -> None:
    # A little noise, so that no two candidates are equal.
    noise = torch.rand(case.logits.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    case = case._replace(logits=case.logits + noise)
    count, beam = shape
    groups = Groups(count, strength)
    settings = replace(case.settings(beam, SUM, n_best=beam), groups=groups, early_stop=False)
    sources = torch.arange(len(case.limits))
    found = beam_search(Chain(case.logits), sources, torch.tensor(case.limits), settings)
    for sentence, hypotheses in enumerate(found):
        outputs = dict(case.every_output(sentence))
        assert sorted(tuple(each.ids) for each in hypotheses) == sorted(plain(case, sentence, groups, beam))
        for each in hypotheses:  # what a candidate loses does not count in its score
            assert each.log_prob == pytest.approx(outputs[tuple(each.ids)], abs=1e-12)


def test_without_strength_every_group_is_a_search_of_its_own() -> None:
    logits = torch.randn(1, V, V, V, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    case = Case(logits, [6], 0, 1, (0,))
    settings = case.settings(4, SUM, n_best=4)
    twice = beam_search(
        Chain(logits), torch.tensor([0]), torch.tensor([6]), replace(settings, groups=Groups(2, 0.0))
    )[0]
    once = case.search(case.settings(2, SUM, n_best=2))[0]
    assert [each.ids for each in twice] == [each.ids for each in once for _ in range(2)]
