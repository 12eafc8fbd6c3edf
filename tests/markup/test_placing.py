"""nmt.markup.placing: which words of the translation an element stands around."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.markup.placing import Element, place


def placed(weights: list[list[float]], *spans: tuple[int, int]) -> list[tuple[int, int] | None]:
    elements = [Element(begin, end) for begin, end in spans]
    matrix = np.array(weights)
    place(elements, matrix, (0, matrix.shape[1]), (0, len(matrix)))
    return [each.place for each in elements]


def linked(*words: int, src: int = 4) -> list[list[float]]:
    """Attention of each target word to one source word alone."""
    return np.eye(src)[list(words)].tolist()


@pytest.mark.parametrize(
    ("weights", "spans", "places"),
    [
        (linked(0, 1, 2, 3), [(1, 3)], [(1, 3)]),
        (linked(3, 2, 1, 0), [(0, 1), (2, 4)], [(3, 4), (0, 2)]),
        (linked(1, 0, 1, 1), [(1, 2)], [(2, 4)]),  # of two runs the better one
        (linked(1, 1, 0, 1, 1), [(1, 2)], [(0, 5)]),  # a gap of one word
        (linked(1, 2, 1, 0), [(1, 2), (2, 3)], [(0, 1), (1, 2)]),  # but not another element's
        (linked(0, 0, 3), [(0, 4)], [(0, 3)]),  # around all
        ([[0.6, 0.4, 0, 0], [0.9, 0.1, 0, 0]], [(1, 2)], [(0, 1)]),  # no link, so most attention
        (linked(0, 0), [(2, 3)], [(2, 2)]),  # none at all: a place without words
        (linked(3, 2, 1, 0), [(1, 1), (0, 0), (4, 4)], [(4, 4), (0, 0), (4, 4)]),
    ],
)
def test_elements_go_where_their_words_are(
    weights: list[list[float]], spans: list[tuple[int, int]], places: list[tuple[int, int]]
) -> None:
    assert placed(weights, *spans) == places


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(0, 8), st.data())
def test_neighbours_are_apart_and_children_within(seed: int, src: int, trg: int, data: st.DataObject) -> None:
    edges = sorted(data.draw(st.lists(st.integers(0, src), min_size=4, max_size=8)))
    elements = [Element(a, b, [Element(a, b)]) for a, b in zip(edges[::2], edges[1::2], strict=False)]
    place(elements, np.random.default_rng(seed).random((trg, src)), (0, src), (0, trg))
    end = 0
    for begin, last, inner in sorted(
        (*each.place, each.children[0].place) for each in elements if each.place
    ):
        assert end <= begin <= last <= trg
        assert inner is not None
        assert begin <= inner[0] <= inner[1] <= last
        end = last
    assert all(each.place for each in elements)
