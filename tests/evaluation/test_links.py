"""nmt.evaluation.links: reading gold links, symmetrising, and the alignment error rate."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.evaluation.alignment import Link
from nmt.evaluation.links import Gold, Links, error_rate, read_gold, symmetrise

PAIRS = [("a b c", "x y"), ("d", "z z z")]


def links(text: str) -> Links:
    return {Link(*map(int, each.split("-"))) for each in text.split()}


def test_gold_links_are_sure_or_possible(tmp_path: Path) -> None:
    (tmp_path / "gold").write_text("0-0 2p1 1?1\n\n")
    first, second = read_gold(tmp_path / "gold", PAIRS)
    assert first == Gold(links("0-0"), links("0-0 2-1 1-1"))
    assert second == Gold(set(), set())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0-0\n0-3\n", "gold, line 2: the link 0-3 is out of range: expected words below 1 and 3"),
        ("3-0\n\n", "gold, line 1: the link 3-0 is out of range: expected words below 3 and 2"),
        ("0-0 1:1\n\n", "gold, line 1: expected links such as 0-0 or 0p0, found '1:1'"),
        ("0-0\n", "gold: expected a line for each of the 2 pairs, found 1"),
    ],
)
def test_what_is_no_link_of_the_pair_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "gold").write_text(text)
    with pytest.raises(UserError, match=message):
        read_gold(tmp_path / "gold", PAIRS)


def test_the_error_rate_is_that_of_och_and_ney() -> None:
    gold = [Gold(links("0-0 1-1"), links("0-0 1-1 2-1")), Gold(links("0-0"), links("0-0"))]
    found = error_rate([links("0-0 2-1 2-0"), links("0-0")], gold)
    assert found.aer == pytest.approx(1 - (2 + 3) / (4 + 3))
    assert (found.precision, found.recall) == (pytest.approx(3 / 4), pytest.approx(2 / 3))
    assert error_rate([], []).aer == 1


def plain_grow_diag_final_and(forward: Links, backward: Links, *, final: bool) -> Links:
    """As the Moses manual writes it down."""
    found, union = forward & backward, forward | backward
    neighbours = [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]

    def free(src: int, trg: int) -> tuple[bool, bool]:
        return all(link.src != src for link in found), all(link.trg != trg for link in found)

    before = -1
    while before != len(found):
        before = len(found)
        for src, trg in sorted(found):
            for right, down in neighbours:
                new = Link(src + right, trg + down)
                if any(free(*new)) and new in union:
                    found.add(new)
    for each in (forward, backward) if final else ():
        for link in sorted(each):
            if all(free(*link)):
                found.add(link)
    return found


SOME = st.sets(st.builds(Link, st.integers(0, 4), st.integers(0, 4)), max_size=8)


@given(forward=SOME, backward=SOME)
def test_symmetrising_is_between_the_intersection_and_the_union(forward: Links, backward: Links) -> None:
    both, either = forward & backward, forward | backward
    assert symmetrise(forward, backward, "intersection") == both
    assert symmetrise(forward, backward, "union") == either
    grown = symmetrise(forward, backward, "grow-diag")
    assert both <= grown <= symmetrise(forward, backward, "grow-diag-final-and") <= either
    for link in grown - both:
        assert any(abs(link.src - a) <= 1 and abs(link.trg - b) <= 1 for a, b in grown - {link})
    covered = plain_grow_diag_final_and(forward, backward, final=True)
    found = symmetrise(forward, backward, "grow-diag-final-and")
    assert {link.src for link in found} | {link.trg for link in found} == {link.src for link in covered} | {
        link.trg for link in covered
    }


@pytest.mark.parametrize(
    ("forward", "backward", "expected"),
    [
        ("0-0 1-1 2-1", "0-0 1-1", "0-0 1-1 2-1"),  # beside one that is there, its source word is free
        ("0-0 2-2", "0-0 3-3", "0-0 2-2 3-3"),  # not beside one, both words are free
        ("0-0 2-2", "0-0 2-3", "0-0 2-2"),  # a word of the second has a link by then
    ],
)
def test_grow_diag_final_and_by_hand(forward: str, backward: str, expected: str) -> None:
    assert symmetrise(links(forward), links(backward), "grow-diag-final-and") == links(expected)
    assert plain_grow_diag_final_and(links(forward), links(backward), final=True) == links(expected)
