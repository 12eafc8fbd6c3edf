"""nmt.decoding.options: what is asked for must go together."""

import pytest

from nmt.decoding.options import choose_beam
from nmt.errors import UserError


@pytest.mark.parametrize(
    ("n_best", "asked", "usual", "width"), [(1, None, 5, 5), (7, None, 5, 7), (3, 4, 5, 4), (1, 1, 5, 1)]
)
def test_a_beam_holds_the_n_best(n_best: int, asked: int | None, usual: int, width: int) -> None:
    assert choose_beam(n_best, asked=asked, usual=usual) == width


def test_more_of_the_best_than_the_beam_holds() -> None:
    with pytest.raises(UserError, match=r"a beam of 2 cannot give the 3 best; ask for a beam of 3 or more"):
        choose_beam(3, asked=2, usual=5)
