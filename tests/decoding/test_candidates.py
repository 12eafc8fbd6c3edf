"""nmt.decoding.candidates: the best of a row, ties and all."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.candidates import LengthPenalty, top

FEW = st.integers(-2, 2) | st.just(float("-inf"))  # few different values, so that many are tied
ROWS = st.integers(1, 9).flatmap(
    lambda size: st.lists(st.lists(FEW, min_size=size, max_size=size), min_size=1)
)


@given(rows=ROWS, count=st.integers(1, 12))
def test_the_largest_of_a_row_ties_to_the_smaller_place(rows: list[list[float]], count: int) -> None:
    values, ids = top(torch.tensor(rows, dtype=torch.float64), count)
    wanted = [sorted(range(len(row)), key=lambda i: (-row[i], i))[:count] for row in rows]
    assert ids.tolist() == wanted
    assert values.tolist() == [[row[i] for i in order] for row, order in zip(rows, wanted, strict=True)]


def test_the_best_of_a_long_row_are_those_of_a_sort() -> None:
    logits = torch.randint(0, 400, (40, 5003), generator=torch.Generator().manual_seed(1)).double()
    logits[:8] = torch.randn(8, 5003, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    values, ids = top(logits, 7)
    expected, order = logits.sort(dim=-1, descending=True, stable=True)
    assert torch.equal(values, expected[:, :7])
    assert torch.equal(ids, order[:, :7])


@pytest.mark.parametrize(
    ("alpha", "offset", "score"),
    [(0.0, 0.0, -6.0), (0.0, 5.0, -6.0), (1.0, 0.0, -2.0), (1.0, 5.0, -4.5), (2.0, 5.0, -3.375)],
)
def test_length_penalties(alpha: float, offset: float, score: float) -> None:
    found = LengthPenalty(alpha=alpha, offset=offset)(torch.tensor([-6.0]), torch.tensor([3]))
    assert found.tolist() == pytest.approx([score])
