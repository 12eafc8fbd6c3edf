"""nmt.decoding.exact on small chains whose every output can be counted."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.exact import Found, exact_search
from nmt.errors import Diverged
from tests.decoding.test_search import Case, Chain, cases, penalties, score

SUM = LengthPenalty(alpha=0.0, offset=0.0)


def search(
    case: Case, sentence: int, penalty: LengthPenalty, *, above: float = -math.inf, most: int = 1_000
) -> Found:
    limit = case.limits[sentence]
    source = torch.tensor([sentence])
    return exact_search(Chain(case.logits), source, limit, case.settings(1, penalty), above=above, most=most)


@penalties
@examples(max_examples=40)
@given(case=cases(), room=st.integers(1, 60))
def test_it_finds_the_best_of_all_outputs(penalty: LengthPenalty, case: Case, room: int) -> None:
    for sentence in range(len(case.limits)):
        outputs = dict(case.every_output(sentence))
        scores = {ids: score(penalty, log_prob, ids) for ids, log_prob in outputs.items()}
        found = search(case, sentence, penalty)
        assert found.proved
        assert found.best is not None
        assert found.best.score == pytest.approx(max(scores.values()), abs=1e-12)
        assert found.best.score == pytest.approx(scores[tuple(found.best.ids)], abs=1e-12)
        assert found.best.log_prob == pytest.approx(outputs[tuple(found.best.ids)], abs=1e-12)
        # Cut short, and short of room, it never claims what is not so.
        cut = search(case, sentence, penalty, most=room)
        assert cut.steps <= room
        if cut.proved:
            assert cut.best is not None
            assert cut.best.score == pytest.approx(max(scores.values()), abs=1e-12)


@examples(max_examples=40)
@given(case=cases())
def test_it_is_to_beat_a_score(case: Case) -> None:
    for sentence in range(len(case.limits)):
        best = search(case, sentence, SUM).best
        assert best is not None
        assert search(case, sentence, SUM, above=best.score + 1e-9)[::2] == (None, True)
        again = search(case, sentence, SUM, above=best.score - 1e-9)
        assert again.best == best
        assert again.steps <= search(case, sentence, SUM).steps


def test_no_prefix_is_extended_without_need() -> None:
    # From each token: 0.6 for </s> (1), 0.2, 0.1, 0.1; so "</s>" at once is best, and no prefix can beat it.
    row = torch.tensor([0.2, 0.6, 0.1, 0.1], dtype=torch.float64).log()
    case = Case(row.expand(1, 4, 4, 4), [9], 0, 1, ())
    found = search(case, 0, SUM)
    assert (found.best and found.best.ids, found.steps, found.proved) == ([], 1, True)


def test_not_a_number_is_an_error() -> None:
    case = Case(torch.full((1, 4, 4, 4), math.nan), [3], 0, 1, ())
    with pytest.raises(Diverged):
        search(case, 0, SUM)
