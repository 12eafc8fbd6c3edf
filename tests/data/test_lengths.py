"""nmt.data.lengths: what training showed, measured, kept and read again."""

from pathlib import Path

import pytest

from nmt.data.lengths import Lengths, TrainingLengths
from nmt.errors import UserError


def measured(rows: list[tuple[str, int, int]]) -> TrainingLengths:
    lengths = Lengths()
    for text, src, trg in rows:
        lengths.add([text], [[7] * src], [[7] * trg])
    return lengths.measured()


def test_a_rare_pair_decides_nothing() -> None:
    usual = [("Er kam. Sie ging.", 12, 9), ("Er kam.", 6, 1)] * 1000
    assert measured(usual) == TrainingLengths(tokens=12, sentences=2, ratio=0.75)
    assert measured([*usual, ("A. b! C! D! E! F!", 150, 1)]) == measured(usual)
    few = [("Er kam. Sie ging.", 12, 9)] + [("Er kam.", 12, 9)] * 12
    assert measured(few * 100).sentences == 1
    assert measured([("", 1, 1)]) == TrainingLengths(tokens=1, sentences=1, ratio=0.0)


def test_an_output_is_too_short_by_ratio_where_the_source_is_long() -> None:
    lengths = TrainingLengths(tokens=12, ratio=0.5)
    assert [lengths.too_short(*pair) for pair in [(20, 9), (20, 10), (9, 0), (10, 4)]] == [
        True,
        False,
        False,
        True,
    ]
    assert not TrainingLengths(tokens=12).too_short(100, 0)


def test_it_lies_beside_the_tokenizers(tmp_path: Path) -> None:
    assert TrainingLengths.load(tmp_path) is None
    lengths = TrainingLengths(tokens=31, sentences=2, ratio=0.4)
    lengths.save(tmp_path)
    assert TrainingLengths.load(tmp_path) == lengths


@pytest.mark.parametrize(
    "content",
    ["", "[" * 5000, '{"tokens": 0}', '{"tokens": 9, "ratio": NaN}', '{"tokens": 9, "x": 1}', "x" * 20_000],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "lengths.json").write_text(content)
    with pytest.raises(UserError, match=r"lengths\.json: .*restore it, or delete it"):
        TrainingLengths.load(tmp_path)
