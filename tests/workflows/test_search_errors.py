"""nmt.workflows.search_errors: what a search misses is its error, not what the model dislikes."""

from dataclasses import replace
from pathlib import Path

import pytest

from nmt.builders.translator import load_translator
from nmt.decoding.options import TranslationOptions
from nmt.workflows.search_errors import judge

LINES = ["der Hund läuft", "the dog runs quickly across a street", "schnell."]


def test_what_greedy_search_misses_is_its_error(tiny_run: Path) -> None:
    options = TranslationOptions(models=(tiny_run,), beam=1, length_penalty="none")
    pairs = [(line, "dog") for line in LINES]  # short, and so more probable than what greedy search writes
    forced_pairs = load_translator(replace(options, precision="float64")).force(pairs)
    judged = list(judge(options, pairs, most=50))
    for each, forced in zip(judged, forced_pairs, strict=True):
        assert each.reference is not None
        assert each.reference.score == pytest.approx(sum(forced.log_probs), abs=1e-9)
        assert each.reference_wins == (each.reference.score > each.translation.score + 1e-9)
        assert each.best.score >= max(each.reference.score, each.translation.score)
        assert each.better is None or each.better.score > each.translation.score
    assert any(each.reference_wins for each in judged)


def test_a_translation_as_its_own_reference_is_no_error(tiny_run: Path) -> None:
    options = TranslationOptions(models=(tiny_run,), precision="float64")
    translator = load_translator(options)
    pairs = list(zip(LINES, translator.translate(LINES), strict=True))
    for each, (_, text) in zip(judge(options, pairs, most=0), pairs, strict=True):
        assert each.translation.text == text
        assert not each.proved
        if each.reference is not None and each.reference.score == pytest.approx(each.translation.score):
            assert not each.reference_wins
            assert each.gap == 0


def test_a_reference_that_cannot_be_written_is_told_apart(tiny_run: Path) -> None:
    options = TranslationOptions(models=(tiny_run,), precision="float64")
    (each,) = judge(options, [("schnell.", "schnell " * 500)], most=0)
    assert each.reference is None
    assert not each.reference_wins
