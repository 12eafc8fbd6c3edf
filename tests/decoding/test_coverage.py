"""nmt.decoding.coverage: equation 14 of Wu et al. 2016, and a search by it that stays exact."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.coverage import NEVER, CoveragePenalty
from nmt.decoding.search import beam_search
from tests.decoding.test_search import Case, Chain, V, cases, penalties, score


def test_it_counts_what_was_looked_at_until_the_end_of_each_hypothesis() -> None:
    attention = torch.tensor([[[0.2, 0.8, 0.0], [0.6, 0.3, 0.1], [1.0, 1.0, 1.0]]], dtype=torch.float64)
    penalty = CoveragePenalty(0.5, torch.tensor([9, 2]))
    found = penalty(attention.expand(1, 2, 3, 3), torch.tensor([[1, 2]]), torch.tensor([1]))
    # One token written: 0.2 and 0.8. Two: 0.8, and 1.1 is no more than 1. The third position is </s>.
    expected = [0.5 * (math.log(0.2) + math.log(0.8)), 0.5 * math.log(0.8)]
    torch.testing.assert_close(found, torch.tensor([expected], dtype=torch.float64))


def test_a_token_that_was_never_looked_at_costs_a_finite_amount() -> None:
    found = CoveragePenalty(1.0, torch.tensor([1]))(
        torch.zeros(1, 1, 1, 2), torch.ones(1, 1, dtype=torch.long), torch.tensor([0])
    )
    assert float(found) == pytest.approx(math.log(NEVER))


@penalties
@examples(max_examples=40)
@given(case=cases(), beta=st.sampled_from([0.1, 1.0, 5.0]))
def test_a_beam_as_wide_as_the_space_finds_the_best_by_it(
    penalty: LengthPenalty, case: Case, beta: float
) -> None:
    lengths = torch.arange(len(case.limits)) % V
    settings = replace(case.settings(40, penalty), coverage=CoveragePenalty(beta, lengths))
    sources = torch.arange(len(case.limits))
    found = beam_search(Chain(case.logits), sources, torch.tensor(case.limits), settings)
    for sentence, (best,) in enumerate(found):
        scores = {}
        for ids, log_prob in case.every_output(sentence):
            looked = {case.bos, *ids}  # a chain looks at the token before
            never = sum(x not in looked for x in range(int(lengths[sentence])))
            scores[ids] = score(penalty, log_prob, ids) + beta * never * math.log(NEVER)
        assert best.score == pytest.approx(max(scores.values()), abs=1e-9)
        assert best.score == pytest.approx(scores[tuple(best.ids)], abs=1e-9)
