"""nmt.evaluation.calibration: a curve that rises, and says how often words are right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from nmt.evaluation.calibration import KNOTS, WORDS, Bin, Curve, calibration_error, reliability, right_words


def test_a_curve_is_linear_between_its_points_and_level_beyond() -> None:
    curve = Curve(((-4.0, 0.25), (-2.0, 0.5), (0.0, 1.0)))
    np.testing.assert_allclose(curve(np.array([-9.0, -4.0, -3.0, -1.0, 0.0])), [0.25, 0.25, 0.375, 0.75, 1.0])
    assert curve(np.array([])).shape == (0,)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ((), "expected 1 to 100 points, found 0"),
        (tuple((float(n), 0.5) for n in range(101)), "expected 1 to 100 points, found 101"),
        (((-1.0, 0.5), (-1.0, 0.6)), "expected points that rise"),
        (((-2.0, 0.5), (-1.0, 0.4)), "expected points that rise"),
        (((-2.0, 0.5), (-1.0, 1.5)), "expected rates from 0 to 1"),
        (((-2.0, -0.5),), "expected rates from 0 to 1"),
    ],
)
def test_other_points_are_no_curve(points: tuple[tuple[float, float], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Curve(points)


@examples(max_examples=60)
@given(
    words=st.lists(
        st.tuples(st.floats(-30, 0).map(lambda x: round(x, 2)), st.booleans()),
        min_size=2 * WORDS,
        max_size=700,
    )
)
def test_whatever_the_words_the_fit_is_a_curve_with_their_mean(words: list[tuple[float, bool]]) -> None:
    log_probs, right = np.array([word[0] for word in words]), np.array([word[1] for word in words])
    curve = Curve.fit(log_probs, right)
    assert curve is not None
    assert 1 <= len(curve.points) <= KNOTS
    rates = [rate for _, rate in curve.points]
    assert rates[0] - 1e-4 <= right.mean() <= rates[-1] + 1e-4


def test_a_fit_finds_the_rate_behind_the_words() -> None:
    chance = np.random.default_rng(1)
    log_probs = -chance.exponential(2.0, 20_000)
    rate = np.exp(log_probs / 3)
    right = chance.random(len(rate)) < rate
    curve = Curve.fit(log_probs, right)
    assert curve is not None
    np.testing.assert_allclose(
        curve(np.array([-4.0, -2.0, -0.5])), np.exp([-4 / 3, -2 / 3, -0.5 / 3]), atol=0.03
    )
    assert calibration_error(np.exp(log_probs), right) > 0.2
    assert calibration_error(curve(log_probs), right) < 0.02


def test_too_few_words_have_no_curve() -> None:
    assert Curve.fit(np.zeros(0), np.zeros(0, np.bool_)) is None
    assert Curve.fit(-np.arange(2 * WORDS - 1.0), np.ones(2 * WORDS - 1, np.bool_)) is None


@pytest.mark.parametrize(
    ("words", "reference", "right"),
    [
        ("the dog sleeps.", "The dog sleeps", [False, True, True]),
        ("a dog a dog", "a big dog", [True, True, False, False]),
        ("“Now,” he said.", "he said: now", [False, True, True]),
        ("– yes", "yes – no", [True, True]),
        ("caf\u00e9", "cafe\u0301", [True]),
        ("", "nothing", []),
    ],
)
def test_a_word_is_right_where_the_reference_has_it(words: str, reference: str, right: list[bool]) -> None:
    assert right_words(words.split(), reference) == right


def test_the_calibration_error_is_the_mean_gap() -> None:
    right = np.array([True, False, True, True])
    assert calibration_error(np.array([0.5, 0.5, 1.0, 1.0]), right) == pytest.approx(0)
    assert calibration_error(np.array([0.9, 0.9, 0.9, 0.9]), right) == pytest.approx(0.15)
    assert calibration_error(np.array([0.1, 0.1, 0.8, 0.8]), right) == pytest.approx((0.8 + 0.4) / 4)


def test_bins_of_equal_width_hold_all_words() -> None:
    confidence = np.array([0.05, 0.35, 0.31, 1.0, 0.95])
    right = np.array([False, True, False, True, True])
    assert reliability(confidence, right) == [
        Bin(1, pytest.approx(0.05), 0.0),
        Bin(2, pytest.approx(0.33), 0.5),
        Bin(2, pytest.approx(0.975), 1.0),
    ]
    assert reliability(np.array([]), np.array([], bool)) == []
