"""Encoded rows come back as they were written."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.encoded import EncodedSplit, Side, SideWriter

ROWS = st.lists(st.lists(st.integers(0, 65535), max_size=5), max_size=8)


@given(ROWS, ROWS)
def test_rows_come_back_from_disk(
    tmp_path_factory: pytest.TempPathFactory, first: list[list[int]], second: list[list[int]]
) -> None:
    path: Path = tmp_path_factory.mktemp("side") / "train.0.src"
    with SideWriter(path, "uint16") as writer:
        writer.append(first)
        writer.append(second)

    side = Side.open(path, "uint16")

    rows = first + second
    assert [row.tolist() for row in side.rows(range(len(rows)))] == rows
    assert side.lengths().tolist() == [len(row) for row in rows]
    assert writer.tokens == sum(map(len, rows))


def test_sides_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="segmentations"):
        EncodedSplit([Side.of([[4], [5]])], [Side.of([[4]])])


def test_lengths_are_those_of_the_epoch() -> None:
    split = EncodedSplit([Side.of([[4], []]), Side.of([[4, 4], [5]])], [Side.of([[4], [5]])] * 2)
    assert (len(split), split.segmentations) == (2, 2)
    assert split.lengths()[0].tolist() == [1, 0]
    assert split.lengths(3)[0].tolist() == [2, 1]
    assert split.lengths()[1].tolist() == [1, 1]
