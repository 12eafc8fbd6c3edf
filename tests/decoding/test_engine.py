"""nmt.decoding.engine: batches that every engine makes in one way."""

from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.engine import by_length


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(0, 100))
def test_batches_hold_every_row_once_by_length_and_within_the_tokens(lengths: list[int], tokens: int) -> None:
    rows = [[7] * length for length in lengths]
    batches = list(by_length(rows, tokens))
    order = [i for batch in batches for i in batch]
    assert sorted(order) == list(range(len(rows)))
    assert [lengths[i] for i in order] == sorted(lengths, reverse=True)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * (lengths[batch[0]] + 1) <= tokens  # </s> counted


def test_a_batch_is_as_large_as_may_be() -> None:
    assert list(by_length([[7], [7, 7, 7], [7, 7], [7, 7]], 12)) == [[1, 2, 3], [0]]
