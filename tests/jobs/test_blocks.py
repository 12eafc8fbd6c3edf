"""nmt.jobs.blocks: cuts fall between blocks, and no line is lost or doubled."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.jobs.blocks import BLOCK, Shard, blocks, ready_blocks


@given(total=st.integers(0, 20 * BLOCK), parts=st.integers(1, 30))
@example(total=0, parts=3)
@example(total=BLOCK, parts=2)
def test_the_shards_in_order_are_the_text(total: int, parts: int) -> None:
    ranges = [Shard(number, parts).lines(total) for number in range(1, parts + 1)]
    assert [line for each in ranges for line in each] == list(range(total))
    assert all(each.start % BLOCK == 0 for each in ranges)
    sizes = [-(-len(each) // BLOCK) for each in ranges]
    assert max(sizes) - min(sizes) <= 1


def test_a_shard_is_read() -> None:
    assert Shard.parse("2/3") == Shard(2, 3)


@pytest.mark.parametrize(
    "text", ["", "0/3", "4/3", "1/0", "0/0", "-1/3", "1", "1/2/3", "a/b", "1.5/2", " 1/2"]
)
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"--shard .*: expected i/n such as 1/4"):
        Shard.parse(text)


def numbered(count: int, problem: Exception | None = None) -> Iterator[str]:
    yield from map(str, range(count))
    if problem is not None:
        raise problem


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_windows_are_full_but_for_the_last(count: int) -> None:
    found = list(blocks(numbered(count)))
    assert [line for block, _ in found for line in block] == list(numbered(count))
    assert [len(block) for block, _ in found[:-1]] == [BLOCK] * (len(found) - 1)
    assert all(block and problem is None for block, problem in found)


@pytest.mark.parametrize("cut", [blocks, ready_blocks])
@pytest.mark.parametrize("count", [0, 3, BLOCK, BLOCK + 1])
@pytest.mark.parametrize("problem", [UserError("line 4"), OSError(5, "EIO"), ValueError("closed")])
def test_a_problem_comes_with_the_lines_before_it(cut: type, count: int, problem: Exception) -> None:
    found = list(cut(numbered(count, problem)))
    assert [line for block, _ in found for line in block] == list(numbered(count))
    assert [what for _, what in found] == [None] * (len(found) - 1) + [problem]


def test_a_line_that_is_there_does_not_wait_for_the_next() -> None:
    answered = threading.Semaphore(0)

    def slow() -> Iterator[str]:
        for line in "abc":
            yield line
            assert answered.acquire(timeout=60)

    found = []
    for block, _ in ready_blocks(slow()):
        found.append(block)
        answered.release()
    assert [line for block in found for line in block] == ["a", "b", "c"]
    assert found[:3] == [["a"], ["b"], ["c"]]
