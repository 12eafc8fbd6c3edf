"""Which pairs an epoch reads: a function of (seed, epoch), each pair as often as its weight says."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.batches import Batch, Batches
from nmt.data.encoded import EncodedSplit
from nmt.data.mixture import Mixture
from nmt.errors import UserError

CORPORA = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from([0.25, 0.5, 1.0, 1.3, 2.0])), min_size=1, max_size=4
)


def counts(rows: np.ndarray, size: int) -> list[int]:
    return np.bincount(rows, minlength=size).tolist()


def split_of(size: int) -> EncodedSplit:
    return EncodedSplit.of([[4] * (i % 13) for i in range(size)], [[5] * (i % 7) for i in range(size)])


def rows_of(batches: list[Batch]) -> list[list[int]]:
    return [batch.indices.tolist() for batch in batches]


def test_an_epoch_reads_each_pair_as_often_as_the_weight_says() -> None:
    mixture = Mixture([30, 20, 10], [0.5, 1.0, 2.0], seed=3)
    assert [mixture.counts(epoch) for epoch in range(3)] == [[15, 20, 20]] * 3
    first, second, third = (counts(mixture.rows(epoch), 60) for epoch in range(3))
    assert [a + b for a, b in zip(first[:30], second[:30], strict=True)] == [1] * 30
    assert third[:30] != first[:30], "each pass has an order of its own"
    for epoch in (first, second, third):
        assert epoch[30:50] == [1] * 20
        assert epoch[50:] == [2] * 10


@given(CORPORA, st.integers(0, 5), st.integers(0, 3))
def test_no_pair_is_read_more_than_once_more_often_than_another(
    corpora: list[tuple[int, float]], epochs: int, seed: int
) -> None:
    sizes, weights = [size for size, _ in corpora], [weight for _, weight in corpora]
    if all(size * weight < 1 for size, weight in corpora):
        with pytest.raises(UserError, match="leave none for an epoch; raise a weight"):
            Mixture(sizes, weights, seed=seed)
        return
    mixture = Mixture(sizes, weights, seed=seed)
    read = np.concatenate([mixture.rows(epoch) for epoch in range(epochs + 1)])
    again = Mixture(sizes, weights, seed=seed)
    assert again.rows(epochs).tolist() == mixture.rows(epochs).tolist(), "whatever was read before"
    first = 0
    for size, weight in corpora:
        of_each = np.bincount(read, minlength=sum(sizes))[first : first + size]
        assert of_each.max() - of_each.min() <= 1
        assert of_each.sum() == pytest.approx((epochs + 1) * weight * size, abs=1)
        first += size


def test_weights_of_one_change_nothing() -> None:
    plain = Batches(split_of(60), 50, seed=2)
    mixed = Batches(split_of(60), 50, seed=2, mixture=Mixture([50, 10], [1.0, 1.0], seed=2))
    for one, other in zip(islice(plain, 50), islice(mixed, 50), strict=True):
        assert one.indices.equal(other.indices)


def test_batches_hold_what_the_epoch_reads_within_the_budget() -> None:
    mixture = Mixture([50, 10], [0.5, 2.0], seed=2)
    batches = Batches(split_of(60), 50, seed=2, mixture=mixture)
    for epoch in range(3):
        read = list(islice(batches, batches.per_epoch))
        rows = torch.cat([batch.indices for batch in read]).sort().values
        assert rows.tolist() == mixture.rows(epoch).tolist()
        assert all(max(batch.src.numel(), batch.trg_out.numel()) <= 50 for batch in read)


@given(st.integers(0, 40))
def test_a_resumed_order_is_the_one_that_never_stopped(stop: int) -> None:
    def made() -> Batches:
        return Batches(split_of(60), 50, seed=5, mixture=Mixture([50, 10], [0.5, 2.0], seed=5))

    whole, resumed = made(), made()
    list(islice(whole, stop))
    resumed.load_state(whole.state())
    assert resumed.state() == whole.state()
    assert rows_of(list(islice(resumed, 30))) == rows_of(list(islice(whole, 30)))


def test_sizes_and_weights_belong_together() -> None:
    with pytest.raises(ValueError, match="2 sizes and 1 weights"):
        Mixture([1, 2], [1.0], seed=1)
