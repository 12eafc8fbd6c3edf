import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.evaluation.alignment import (
    Link,
    best_links,
    detail,
    draw,
    merge_tokens,
    paint,
    pharaoh,
    sum_tokens,
)
from nmt.tokenization.words import WordTokenizer


def test_pieces_are_summed_over_the_source_and_averaged_over_the_target() -> None:
    attention = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.0, 0.0, 1.0]])
    words = merge_tokens(attention, [True, False, True], [True, False, True])
    np.testing.assert_allclose(words, [[0.45, 0.55], [0.0, 1.0]])


def test_the_first_piece_starts_a_word_whatever_its_flag() -> None:
    attention = np.array([[0.25, 0.75]])
    np.testing.assert_allclose(merge_tokens(attention, [False, True], [False]), attention)


@given(st.lists(st.booleans(), min_size=1), st.lists(st.booleans(), min_size=1), st.integers(0, 2**32 - 1))
def test_rows_that_sum_to_one_still_do(src: list[bool], trg: list[bool], seed: int) -> None:
    attention = np.random.default_rng(seed).dirichlet(np.ones(len(src)), size=len(trg))
    words = merge_tokens(attention, src, trg)
    assert words.shape == (1 + sum(trg[1:]), 1 + sum(src[1:]))
    np.testing.assert_allclose(words.sum(axis=1), 1)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"attention is \(2, 3\), the tokens are \(2, 2\)"):
        merge_tokens(np.ones((2, 3)), [True, True], [True, True])


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (2, 0)])
def test_an_empty_side_has_no_links(shape: tuple[int, int]) -> None:
    words = merge_tokens(np.zeros(shape), [True] * shape[1], [True] * shape[0])
    assert words.shape == shape
    assert best_links(words) == []


def test_each_target_word_goes_with_the_source_word_it_attends_to_most() -> None:
    words = np.array([[0.1, 0.9], [0.5, 0.5], [0.8, 0.2]])
    assert best_links(words) == [(1, 0), (0, 1), (0, 2)]


def test_pharaoh_is_ordered_by_source() -> None:
    assert pharaoh([Link(1, 0), Link(0, 10), Link(0, 2)]) == "0-2 0-10 1-0"


def test_drawing() -> None:
    words = np.array([[0.9, 0.1, 0.0], [0.0, 0.3, 0.7], [0.0, 0.0, 0.0]])
    assert draw(words, ["der", "kleine", "Hund"], ["the", "dog", "."]).split("\n") == [
        "    der",
        "    │  kleine",
        "    │  │  Hund",
        "the ██ ░░ ·",
        "dog ·  ▒▒ ▓▓",
        "  . ·  ·  ·",
        "    ░ 0.05  ▒ 0.25  ▓ 0.50  █ 0.75 and more",
    ]


@pytest.mark.parametrize("count", [5, 30, 45, 90])
def test_a_drawing_fits_where_it_can(count: int) -> None:
    drawing = draw(np.eye(count), ["w"] * count, ["word"] * count, width=100)
    assert max(map(len, drawing.split("\n"))) <= 100


def test_a_drawing_keeps_columns_under_wide_and_combining_characters() -> None:
    lines = draw(np.ones((3, 1)), ["x"], ["日本", "e\N{COMBINING ACUTE ACCENT}", "abcd"]).split("\n")
    assert lines[1:4] == ["日本 ██", "   e\N{COMBINING ACUTE ACCENT} ██", "abcd ██"]


def test_no_control_character_reaches_the_terminal() -> None:
    drawing = draw(np.ones((1, 1)), ["a\x1b[2J"], ["b\t\r\x9bc"])
    assert drawing.replace("\n", "").isprintable()


def test_drawing_nothing_is_no_error() -> None:
    assert draw(np.zeros((0, 0)), [], []).strip().startswith("░")


def test_where_words_looked_leaves_the_end_and_padding_out() -> None:
    words = WordTokenizer.train(["a b c", "x y"], vocab_size=None, min_frequency=1, lowercase=False)
    src, trg = words.encode("b a"), words.encode("y x c")
    attention = np.arange(20.0).reshape(4, 5)  # a row for </s>, columns for </s> and padding
    found = detail((words, words), src, trg, attention, [-0.5, -1.0, -2.0, -4.0])
    assert (found.src_words, found.trg_words) == (["b", "a"], ["y", "x", "c"])
    np.testing.assert_array_equal(found.weights, attention[:3, :2])
    assert found.tokens == ["y", "x", "c", "</s>"]
    assert found.log_probs == [-0.5, -1.0, -2.0, -4.0]
    assert found.confidence == pytest.approx(np.exp([-0.5, -1.0, -2.0]))


def test_a_word_is_as_probable_as_its_tokens_together() -> None:
    np.testing.assert_allclose(sum_tokens([-0.5, -1.0, -2.0], [True, False, True]), [-1.5, -2.0])
    assert sum_tokens([], []).shape == (0,)


def test_the_picture_is_dark_where_the_attention_is() -> None:
    src, trg = ["ein", "Hund", "schläft"], ["a", "dog", "sleeps", "now"]
    places = [(1, 0), (1, 2), (3, 1)]
    centres = []
    for row, column in places:
        attention = np.zeros((4, 3))
        attention[row, column] = 1.0
        # The words and the frame are the same in every picture.
        dark = paint(attention, src, trg) < paint(np.zeros((4, 3)), src, trg)
        centres.append(np.argwhere(dark).mean(axis=0))
        assert dark.sum() == (np.ptp(np.argwhere(dark), axis=0) + 1).prod()
    (y0, x0), (y1, x1), (y2, x2) = centres
    assert y0 == y1 < y2
    assert x0 < x2 < x1


def test_the_words_of_a_picture_stand_beside_their_rows_and_above_their_columns() -> None:
    src, trg = ["lang", "lang", "lang"], ["long", "long", "long"]
    cells = np.argwhere(paint(np.ones((3, 3)), src, trg) != paint(np.zeros((3, 3)), src, trg))
    (top, left), (bottom, right) = cells.min(axis=0), cells.max(axis=0)
    for number in range(3):
        start, end = (top + (bottom - top) * n / 3 for n in (number, number + 1))
        changed = changes(src, trg, src, [*trg[:number], "i", *trg[number + 1 :]])
        assert (changed[:, 1] < left).all()
        assert ((changed[:, 0] > start) & (changed[:, 0] < end)).all()
        start, end = (left + (right - left) * n / 3 for n in (number, number + 1))
        changed = changes(src, trg, [*src[:number], "i", *src[number + 1 :]], trg)
        assert (changed[:, 0] < top).all()
        assert ((changed[:, 1] > start) & (changed[:, 1] < end)).all()


def changes(src: list[str], trg: list[str], other_src: list[str], other_trg: list[str]) -> np.ndarray:
    nothing = np.zeros((len(trg), len(src)))
    return np.argwhere(paint(nothing, src, trg) != paint(nothing, other_src, other_trg))


def test_a_picture_takes_any_word() -> None:
    src = ["$a_{", "数学", "x" * 400, "a\x1bb"]
    assert paint(np.eye(4), src, src[::-1]).min() == 0
    with pytest.raises(ValueError, match=r"attention is \(4, 4\), the words are \(3, 4\)"):
        paint(np.eye(4), src, src[:3])
