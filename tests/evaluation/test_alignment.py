from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.evaluation.alignment import (
    Gold,
    Link,
    alignment_error_rate,
    best_links,
    draw,
    merge_pieces,
    parse_pharaoh,
    pharaoh,
    read_pharaoh,
)

LINKS = st.frozensets(st.builds(Link, st.integers(0, 50), st.integers(0, 50)))


def gold(*links: tuple[int, int], possible: tuple[tuple[int, int], ...] = ()) -> Gold:
    sure = frozenset(Link(*link) for link in links)
    return Gold(sure, sure | {Link(*link) for link in possible})


def test_pieces_are_summed_over_the_source_and_averaged_over_the_target() -> None:
    attention = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4], [0.0, 0.0, 1.0]])
    words = merge_pieces(attention, [True, False, True], [True, False, True])
    np.testing.assert_allclose(words, [[0.45, 0.55], [0.0, 1.0]])


def test_the_first_piece_starts_a_word_whatever_its_flag() -> None:
    attention = np.array([[0.25, 0.75]])
    np.testing.assert_allclose(merge_pieces(attention, [False, True], [False]), attention)


@given(st.lists(st.booleans(), min_size=1), st.lists(st.booleans(), min_size=1), st.integers(0, 2**32 - 1))
def test_rows_that_sum_to_one_still_do(src: list[bool], trg: list[bool], seed: int) -> None:
    attention = np.random.default_rng(seed).dirichlet(np.ones(len(src)), size=len(trg))
    words = merge_pieces(attention, src, trg)
    assert words.shape == (1 + sum(trg[1:]), 1 + sum(src[1:]))
    np.testing.assert_allclose(words.sum(axis=1), 1)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"attention is \(2, 3\), the pieces are \(2, 2\)"):
        merge_pieces(np.ones((2, 3)), [True, True], [True, True])


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (2, 0)])
def test_an_empty_side_has_no_links(shape: tuple[int, int]) -> None:
    words = merge_pieces(np.zeros(shape), [True] * shape[1], [True] * shape[0])
    assert words.shape == shape
    assert best_links(words) == []


def test_each_target_word_goes_with_the_source_word_it_attends_to_most() -> None:
    words = np.array([[0.1, 0.9], [0.5, 0.5], [0.8, 0.2]])
    assert best_links(words) == [(1, 0), (0, 1), (0, 2)]


def test_pharaoh_is_ordered_by_source() -> None:
    assert pharaoh([Link(1, 0), Link(0, 10), Link(0, 2)]) == "0-2 0-10 1-0"


@given(LINKS)
def test_pharaoh_comes_back(links: frozenset[Link]) -> None:
    assert parse_pharaoh(pharaoh(links), "line") == Gold(links, links)


@pytest.mark.parametrize("line", ["0-0 1p2", "0-0 1?2"])
def test_possible_links_include_the_sure_ones(line: str) -> None:
    assert parse_pharaoh(line, "line") == gold((0, 0), possible=((1, 2),))


@pytest.mark.parametrize("word", ["1", "1-", "-1", "1-2-3", "a-b", "1:2", "²-1"])
def test_what_is_no_link_is_named(word: str) -> None:
    with pytest.raises(UserError, match=r"gold, sentence 7: '.*' is no link"):
        parse_pharaoh(f"0-0 {word}", "gold, sentence 7")


def test_a_link_out_of_range_is_named_with_its_sentence(tmp_path: Path) -> None:
    path = tmp_path / "de-en.wa"
    path.write_text("0-0 1-1\n\n0-0 12-16\n")
    assert read_pharaoh(path) == [gold((0, 0), (1, 1)), gold(), gold((0, 0), (12, 16))]
    with pytest.raises(
        UserError, match=r"de-en\.wa, sentence 3: link 12-16 is out of range.* 13 and 13 words"
    ):
        read_pharaoh(path, [(2, 2), (0, 0), (13, 13)])


def test_a_file_of_another_length_is_refused_with_both_counts(tmp_path: Path) -> None:
    path = tmp_path / "gold"
    path.write_text("0-0\n1-1\n")
    with pytest.raises(UserError, match="2 alignments, but 3 sentences"):
        read_pharaoh(path, [(2, 2)] * 3)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gold: cannot be read"):
        read_pharaoh(tmp_path / "gold")
    (tmp_path / "gold").write_bytes(b"0-0 \xff")
    with pytest.raises(UserError, match="gold: not UTF-8 at byte 4"):
        read_pharaoh(tmp_path / "gold")


def test_error_rate_of_a_worked_example() -> None:
    # A = 3 links, S = 2, A ∩ S = 1, A ∩ P = 2: 1 - 3 / 5.
    reference = gold((0, 0), (1, 1), possible=((2, 2),))
    assert alignment_error_rate([[Link(0, 0), Link(2, 2), Link(3, 3)]], [reference]) == pytest.approx(0.4)


def test_possible_links_cost_nothing_to_claim_and_nothing_to_miss() -> None:
    reference = gold((0, 0), possible=((1, 1),))
    assert alignment_error_rate([[Link(0, 0)]], [reference]) == 0
    assert alignment_error_rate([[Link(0, 0), Link(1, 1)]], [reference]) == 0


@given(LINKS.filter(bool), LINKS.filter(bool))
def test_with_sure_links_alone_it_is_one_minus_f1(found: frozenset[Link], sure: frozenset[Link]) -> None:
    f1 = 2 * len(found & sure) / (len(found) + len(sure))
    assert alignment_error_rate([found], [Gold(sure, sure)]) == pytest.approx(1 - f1)


def test_error_rate_refuses_other_counts_and_nothing_at_all() -> None:
    with pytest.raises(UserError, match="1 alignments, but 2 in the gold standard"):
        alignment_error_rate([[]], [gold(), gold()])
    with pytest.raises(UserError, match="no links"):
        alignment_error_rate([[]], [gold()])


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
