"""Batches are a permutation of the split, within the budget, in an order that can be resumed."""

from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.data.batches import Batch, Batches, collate, ordered_batches, pad
from nmt.data.encoded import EncodedSplit, Side
from nmt.tokenization.vocabulary import BOS, EOS, PAD

LENGTHS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=60)


def split_of(lengths: list[tuple[int, int]]) -> EncodedSplit:
    return EncodedSplit.of([[4] * s for s, _ in lengths], [[5] * t for _, t in lengths])


def epoch_of(batches: Batches) -> list[Batch]:
    return list(islice(batches, batches.per_epoch))


def real_tokens(batch: Batch) -> int:
    return int(batch.src_len.sum() + batch.trg_len.sum())


def padded_tokens(batch: Batch) -> int:
    return batch.src.numel() + batch.trg_out.numel()


def rows_of(batches: list[Batch]) -> list[int]:
    return [i for batch in batches for i in batch.indices.tolist()]


def test_a_batch_encloses_and_pads_its_rows() -> None:
    split = EncodedSplit.of([[7, 8, 9], [6], []], [[5], [4, 5], [8, 8]])

    batch = collate(split, np.array([0, 1, 2]))

    assert batch.src.tolist() == [[7, 8, 9, EOS], [6, EOS, PAD, PAD], [EOS, PAD, PAD, PAD]]
    assert batch.trg_in.tolist() == [[BOS, 5, PAD], [BOS, 4, 5], [BOS, 8, 8]]
    assert batch.trg_out.tolist() == [[5, EOS, PAD], [4, 5, EOS], [8, 8, EOS]]
    assert (batch.src_len.tolist(), batch.trg_len.tolist()) == ([4, 2, 1], [2, 3, 3])
    assert (batch.src != PAD).sum(1).tolist() == batch.src_len.tolist()
    assert batch.trg_mask.sum(1).tolist() == batch.trg_len.tolist()
    assert (len(batch), real_tokens(batch), padded_tokens(batch)) == (3, 15, 21)
    assert batch.recurrent is None
    tensors = Batch.__dataclass_fields__.keys() - {"recurrent"}
    assert all(getattr(batch, name).dtype == torch.int64 for name in tensors)
    assert batch.to("cpu").src.equal(batch.src)


def test_pieces_hold_all_rows_without_needless_padding() -> None:
    split = split_of([(3, 1), (2, 9), (1, 1), (1, 2), (5, 1)])
    batch = collate(split, np.arange(5))

    pieces = batch.micro_batches(2)

    assert [piece.indices.tolist() for piece in pieces] == [[0, 1, 2], [3, 4]]
    assert [tuple(piece.src.shape) for piece in pieces] == [(3, 4), (2, 6)]
    assert [tuple(piece.trg_out.shape) for piece in pieces] == [(3, 10), (2, 3)]
    assert sum(map(real_tokens, pieces)) == real_tokens(batch)
    assert len(batch.micro_batches(99)) == 5


def test_pad_takes_lists_and_arrays() -> None:
    assert pad([[4], np.array([5, 6], np.uint16)], first=BOS, last=EOS).tolist() == [
        [BOS, 4, EOS, PAD],
        [BOS, 5, 6, EOS],
    ]


@given(LENGTHS, st.integers(1, 200), st.integers(0, 3))
@settings(deadline=None)
def test_each_epoch_is_a_permutation_within_the_budget(
    lengths: list[tuple[int, int]], budget: int, seed: int
) -> None:
    batches = Batches(split_of(lengths), budget, seed=seed)
    for number in range(2):
        assert (batches.epoch, batches.position) == (number, 0)
        share = batches.padding_share
        epoch = epoch_of(batches)
        assert sorted(rows_of(epoch)) == list(range(len(lengths)))
        for batch in epoch:
            assert max(batch.src.numel(), batch.trg_out.numel()) <= budget or len(batch) == 1
        real = sum(map(real_tokens, epoch))
        assert share == pytest.approx(1 - real / sum(map(padded_tokens, epoch)))


@given(LENGTHS, st.integers(1, 200))
@settings(deadline=None)
def test_ordered_batches_hold_every_row_once_from_short_to_long(
    lengths: list[tuple[int, int]], budget: int
) -> None:
    split = split_of(lengths)
    batches = list(ordered_batches(split, budget))
    rows = rows_of(batches)
    assert sorted(rows) == list(range(len(lengths)))
    assert all(max(b.src.numel(), b.trg_out.numel()) <= budget or len(b) == 1 for b in batches)
    longer = [max(lengths[row]) for row in rows]
    assert longer == sorted(longer)
    assert rows == rows_of(list(ordered_batches(split, budget)))


@given(st.integers(0, 25))
@settings(deadline=None)
def test_a_resumed_order_is_the_one_that_never_stopped(stop: int) -> None:
    lengths = [(i % 13, i % 7) for i in range(90)]
    whole = Batches(split_of(lengths), 100, seed=5)
    list(islice(whole, stop))
    state = whole.state()

    resumed = Batches(split_of(lengths), 100, seed=5)
    resumed.load_state(state)

    assert resumed.state() == state
    assert rows_of(list(islice(resumed, 30))) == rows_of(list(islice(whole, 30)))


def test_epochs_and_seeds_differ_in_order_and_in_company() -> None:
    lengths = [(5 + i % 4, 5 + i % 3) for i in range(200)]
    batches = Batches(split_of(lengths), 64, seed=1)
    first, second = epoch_of(batches), epoch_of(batches)
    other = epoch_of(Batches(split_of(lengths), 64, seed=2))

    assert rows_of(first) == rows_of(epoch_of(Batches(split_of(lengths), 64, seed=1)))
    for epoch in (second, other):
        company = [{frozenset(b.indices.tolist()) for b in some} for some in (first, epoch)]
        assert len(company[0] & company[1]) < len(company[0]) / 4


def test_a_pair_longer_than_the_budget_stands_alone() -> None:
    epoch = epoch_of(Batches(split_of([(50, 2), (1, 1), (2, 60)]), 10, seed=1))
    assert sorted(map(rows_of, ([b] for b in epoch))) == [[0], [1], [2]]


def test_shares_of_rows_make_up_the_batches_and_may_be_empty() -> None:
    split = split_of([(i % 9, i % 7) for i in range(40)] + [(30, 2)])
    whole = epoch_of(Batches(split, 30, seed=3))
    shares = [epoch_of(Batches(split, 30, seed=3, rows=slice(start, None, 3))) for start in range(3)]
    assert min(map(len, whole)) == 1
    for batch, *parts in zip(whole, *shares, strict=True):
        assert sorted(rows_of(parts)) == sorted(rows_of([batch]))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        for part in parts:
            again = collate(split, part.indices.numpy())
            for name in Batch.__dataclass_fields__.keys() - {"recurrent"}:
                assert getattr(part, name).equal(getattr(again, name))
                assert getattr(part, name).dtype == torch.int64


def test_batches_of_similar_length_need_little_padding() -> None:
    rng = np.random.default_rng(0)
    src = np.clip(rng.gamma(4, 4, 5000), 1, 80).astype(int)
    trg = np.clip(src * rng.normal(1, 0.15, 5000), 1, 80).astype(int)
    batches = Batches(split_of(list(zip(src.tolist(), trg.tolist(), strict=True))), 1024, seed=1)
    assert batches.padding_share < 0.1


def test_each_epoch_reads_its_own_segmentation() -> None:
    split = EncodedSplit([Side.of([[4]]), Side.of([[5, 6]])], [Side.of([[7, 8]]), Side.of([[9]])])
    batches = Batches(split, 10, seed=1)
    seen = [(batch.src.tolist(), batch.trg_out.tolist()) for batch in islice(batches, 3)]
    assert seen == [
        ([[4, EOS]], [[7, 8, EOS]]),
        ([[5, 6, EOS]], [[9, EOS]]),
        ([[4, EOS]], [[7, 8, EOS]]),
    ]


def test_what_cannot_be_resumed_is_refused() -> None:
    batches = Batches(split_of([(1, 1)] * 4), 4, seed=1)
    with pytest.raises(ValueError, match="position 2 in an epoch of 2 batches"):
        batches.load_state({"epoch": 0, "position": 2})
    with pytest.raises(ValueError, match="without pairs"):
        Batches(EncodedSplit.of([], []), 4, seed=1)
