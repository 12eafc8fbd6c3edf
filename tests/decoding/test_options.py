"""nmt.decoding.options: what is asked for must go together."""

from pathlib import Path

import pytest

from nmt.decoding.options import PenaltyKind, TranslationOptions, choose_beam
from nmt.errors import UserError


@pytest.mark.parametrize(
    ("n_best", "asked", "usual", "width"), [(1, None, 5, 5), (7, None, 5, 7), (3, 4, 5, 4), (1, 1, 5, 1)]
)
def test_a_beam_holds_the_n_best(n_best: int, asked: int | None, usual: int, width: int) -> None:
    assert choose_beam(n_best, asked=asked, usual=usual) == width


def test_more_of_the_best_than_the_beam_holds() -> None:
    with pytest.raises(UserError, match=r"a beam of 2 cannot give the 3 best; ask for a beam of 3 or more"):
        choose_beam(3, asked=2, usual=5)


@pytest.mark.parametrize(
    ("kind", "alpha", "of_run", "found"),
    [
        (None, None, (0.7, 5.0), (0.7, 5.0)),
        (None, 2.0, (0.7, 5.0), (2.0, 5.0)),
        (None, 0.0, (0.7, 0.0), (0.0, 0.0)),
        ("none", None, (0.7, 5.0), (0.0, 0.0)),
        ("average", None, (0.7, 5.0), (0.7, 0.0)),
        ("gnmt", 0.5, (0.0, 0.0), (0.5, 5.0)),
        ("gnmt", None, (0.0, 0.0), (1.0, 5.0)),
    ],
)
def test_the_length_penalty_is_the_runs_but_for_what_is_asked(
    kind: PenaltyKind | None, alpha: float | None, of_run: tuple[float, float], found: tuple[float, float]
) -> None:
    options = TranslationOptions(models=(Path("run"),), length_penalty=kind, alpha=alpha)
    assert options.penalty(*of_run) == found


def test_an_alpha_without_a_penalty() -> None:
    with pytest.raises(UserError, match=r"alpha 1.0: the run has length_penalty none; give length_penalty"):
        TranslationOptions(models=(), alpha=1.0).penalty(0.0, 0.0)
    with pytest.raises(UserError, match=r"alpha 1.0: no effect with length_penalty none; leave it out"):
        TranslationOptions(models=(), alpha=1.0, length_penalty="none")


@pytest.mark.parametrize("alpha", [-1.0, 1_001.0, float("nan")])
def test_an_alpha_that_is_none(alpha: float) -> None:
    with pytest.raises(UserError, match="expected a number from 0 to 1,000, such as 1"):
        TranslationOptions(models=(), alpha=alpha)


def test_the_least_risky_is_one_of_samples() -> None:
    with pytest.raises(UserError, match="mbr 8 chooses among samples; give sampling"):
        TranslationOptions(models=(Path("run"),), mbr=8)
