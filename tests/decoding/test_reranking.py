"""nmt.decoding.reranking: the sum of two scores decides, and a text stands there once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest

from nmt.decoding.engine import Hypothesis
from nmt.decoding.reranking import Reranker
from nmt.decoding.translator import Forced


class Given(NamedTuple):
    """The second model: the log-probability of each text, token by token."""

    log_probs: dict[str, list[float]]

    def force(self, pairs: Sequence[tuple[str, str]]) -> list[Forced]:
        assert all(source == "source" for source, _ in pairs)
        return [Forced([0] * len(self.log_probs[text]), self.log_probs[text]) for _, text in pairs]


SECOND = Given({"a": [-4.0, -2.0], "b": [-1.0], "": [-9.0]})
FOUND = [Hypothesis([1], -1.0, -1.0), Hypothesis([2], -2.5, -2.5), Hypothesis([1, 1], -3.0, -3.0)]
TEXTS = {(1,): "a", (1, 1): "a", (2,): "b", (): ""}


def reranker(weight: float) -> Reranker:
    decode = lambda ids: TEXTS[tuple(ids)]  # noqa: E731
    return Reranker(SECOND, decode, lambda log_prob, tokens: log_prob / tokens, weight)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        (0.5, [([1], -1 - 0.5 * 3), ([2], -2.5 - 0.5 * 1)]),
        (1.0, [([2], -2.5 - 1), ([1], -1 - 3)]),
        (0.75, [([1], -1 - 0.75 * 3), ([2], -2.5 - 0.75 * 1)]),  # alike: the search's order
    ],
)
def test_the_sum_decides_and_a_text_has_its_best_segmentation(
    weight: float, expected: list[tuple[list[int], float]]
) -> None:
    (found, empty) = reranker(weight)(["source", "source"], [FOUND, [replace(FOUND[0], ids=[])]])
    assert [(each.ids, each.score) for each in found] == expected
    assert [(each.ids, each.score) for each in empty] == [([], -1 - 9 * weight)]


def test_nothing_to_rerank() -> None:
    assert reranker(1.0)([], []) == []
