"""Items made in a thread come in order, and the thread ends with the iterator."""

import threading
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import pytest

from nmt.data.batches import Batches
from nmt.data.encoded import EncodedSplit
from nmt.data.prefetch import map_ahead

AHEAD = [0, 1, 3, 50]
SPLIT = EncodedSplit.of([[4] * (i % 13) for i in range(90)], [[5] * (i % 7) for i in range(90)])


def threads() -> int:
    return sum(thread.name.startswith("ahead") for thread in threading.enumerate())


@pytest.mark.parametrize("ahead", AHEAD)
@pytest.mark.parametrize("count", [0, 1, 20])
def test_everything_comes_once_and_in_order(ahead: int, count: int) -> None:
    assert list(map_ahead(lambda i: i * i, range(count), ahead=ahead)) == [i * i for i in range(count)]
    assert threads() == 0


@pytest.mark.parametrize("ahead", AHEAD)
def test_no_more_is_taken_than_it_may_be_ahead(ahead: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    made = map_ahead(lambda i: i, items(), ahead=ahead)
    assert taken == []
    for i in range(20):
        assert next(made) == i
        assert len(taken) == i + 1 + ahead
    made.close()


def test_it_is_made_before_it_is_asked_for() -> None:
    made = [threading.Event() for _ in range(3)]
    stream = map_ahead(lambda i: made[i].set(), range(3), ahead=2)
    next(stream)
    assert made[2].wait(10)
    stream.close()


@pytest.mark.parametrize("ahead", AHEAD)
def test_an_exception_comes_where_its_item_would_have_and_ends_the_thread(ahead: int) -> None:
    def inverse(i: int) -> float:
        return 1 / (i - 2)

    stream = map_ahead(inverse, range(9), ahead=ahead)
    assert [next(stream), next(stream)] == [-0.5, -1.0]
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert threads() == 0


@pytest.mark.parametrize(
    "end", [Batches.close, lambda batches: batches.load_state({"epoch": 1, "position": 2})]
)
def test_the_thread_of_batches_ends_when_they_are_closed_or_go_elsewhere(
    end: Callable[[Batches], None],
) -> None:
    batches = Batches(SPLIT, 100, seed=5, ahead=2)
    next(batches)
    assert threads() == 1
    end(batches)
    assert threads() == 0


def test_the_thread_of_batches_ends_with_them() -> None:
    batches = Batches(SPLIT, 100, seed=5, ahead=2)
    next(batches)
    assert threads() == 1
    del batches
    assert threads() == 0


def rows(batches: Batches, count: int) -> list[list[int]]:
    return [batch.indices.tolist() for batch in islice(batches, count)]


@pytest.mark.parametrize("ahead", AHEAD)
def test_batches_and_their_state_are_the_same_however_far_ahead(ahead: int) -> None:
    plain, other = Batches(SPLIT, 100, seed=5), Batches(SPLIT, 100, seed=5, ahead=ahead)
    count = 2 * plain.per_epoch + 3
    for number in range(count):
        assert other.state() == plain.state()
        assert rows(other, 1) == rows(plain, 1)
        if number % 4 == 0:
            other.close()

    resumed = Batches(SPLIT, 100, seed=5, ahead=ahead)
    resumed.load_state(other.state())
    assert rows(resumed, count) == rows(plain, count)
    resumed.close()
    other.close()


def test_what_is_tried_beforehand_changes_nothing_of_what_comes() -> None:
    plain, other = Batches(SPLIT, 100, seed=5), Batches(SPLIT, 100, seed=5, ahead=2)
    assert rows(other, 3) == rows(plain, 3)
    other.largest(), other.typical(3)
    assert other.state() == plain.state()
    assert rows(other, 30) == rows(plain, 30)
    other.close()


def test_the_largest_batches_have_the_most_positions_and_the_longest_pairs() -> None:
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, 40, (200, 2))
    split = EncodedSplit.of([[4] * s for s, _ in lengths], [[5] * t for _, t in lengths])
    batches = Batches(split, 300, seed=1)
    positions, longest = zip(
        *((b.src.numel() + b.trg_in.numel(), max(b.src.shape[1], b.trg_in.shape[1]))
          for b in islice(batches, batches.per_epoch)),
        strict=True,
    )  # fmt: skip
    batches.load_state({"epoch": 0, "position": 0})
    found = batches.largest()
    assert max(b.src.numel() + b.trg_in.numel() for b in found) == max(positions)
    assert max(max(b.src.shape[1], b.trg_in.shape[1]) for b in found) == max(longest)


def test_typical_batches_are_spread_over_the_lengths() -> None:
    batches = Batches(SPLIT, 40, seed=1)
    widths = [batch.src.shape[1] for batch in batches.typical(3)]
    assert widths == sorted(set(widths))
    assert 1 < widths[1] < 13
    assert len(Batches(SPLIT, 10_000, seed=1).typical(3)) == 1
