"""nmt.evaluation.mbr: the text that is most like all samples."""

import random
import sys

import pytest
import sacrebleu

from nmt.errors import UserError
from nmt.evaluation.mbr import least_risk


def test_it_is_the_one_with_the_best_mean_chrf() -> None:
    chance = random.Random(1)
    words = "the a dog cat runs sleeps on street grass green".split()
    rows = [[" ".join(chance.choices(words, k=chance.randint(1, 6))) for _ in range(7)] for _ in range(20)]
    chrf = sacrebleu.CHRF()
    for row, found in zip(rows, least_risk(rows), strict=True):
        means = {text: sum(chrf.sentence_score(text, [each]).score for each in row) for text in row}
        assert means[found] == pytest.approx(max(means.values()), rel=0.01)  # they differ in smoothing


def test_a_text_counts_as_often_as_it_was_sampled() -> None:
    assert least_risk([["a dog", "xyz", "xyz", "xyz"], ["", ""], ["b", "a"]]) == ["xyz", "", "b"]
    assert least_risk([]) == []


def test_without_the_package_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastchrf", None)
    with pytest.raises(UserError, match=r"pip install 'nmt\[mbr\]'"):
        least_risk([["a"]])
