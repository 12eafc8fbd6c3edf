"""nmt.evaluation.verdict: sacreBLEU's scores, and verdicts that hold as often as they say."""

import numpy as np
import pytest

from nmt.evaluation.metrics import corpus_bleu, scores
from nmt.evaluation.verdict import Counts, bleu, counts_of, judge

WORDS = "the a dog cat house runs sees small red old in on under big".split()


def texts(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(5, 15))) for _ in range(count)]


def noisy(lines: list[str], rate: float, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [
        " ".join(rng.choice(WORDS) if rng.random() < rate else word for word in line.split())
        for line in lines
    ]


def system(references: list[str], rate: float, seed: int) -> Counts:
    return counts_of(noisy(references, rate, seed), references, "13a")


def test_summed_counts_give_sacrebleus_score() -> None:
    references = texts(50, 1)
    outputs = noisy(references, 0.3, 2)
    counts = counts_of(outputs, references, "13a")
    assert counts.shape == (50, 10)
    assert bleu(counts.sum(axis=0)) == pytest.approx(corpus_bleu(outputs, references))
    some = counts_of(outputs, references, "13a")[:20].sum(axis=0)
    assert bleu(some) == pytest.approx(corpus_bleu(outputs[:20], references[:20]))


def test_summed_counts_of_several_references_give_sacrebleus_score() -> None:
    references = texts(50, 1)
    outputs = noisy(references, 0.3, 2)
    more = [line if number % 3 else "" for number, line in enumerate(noisy(outputs, 0.2, 3))]
    counts = counts_of(outputs, references, "13a", more=[more])
    assert bleu(counts.sum(axis=0)) == pytest.approx(scores(outputs, references, more)[0].score)


def test_a_clear_difference_is_found() -> None:
    references = texts(200, 1)
    good, bad = ([system(references, rate, seed) for seed in range(3)] for rate in (0.2, 0.35))
    verdict = judge(good, bad, trials=300)
    assert verdict.low > 0
    assert verdict.p <= 2 / 300 + 1e-12
    assert verdict.low < verdict.difference < verdict.high
    assert verdict.difference == pytest.approx(verdict.a.mean - verdict.b.mean)
    assert verdict.difference > verdict.smallest
    mirrored = judge(bad, good, trials=300)
    assert mirrored.high < 0


def test_runs_of_one_configuration_do_not_differ() -> None:
    references = texts(200, 1)
    some, others = ([system(references, 0.3, 10 * n + seed) for seed in range(3)] for n in (1, 2))
    verdict = judge(some, others, trials=300)
    assert verdict.low < 0 < verdict.high
    assert verdict.p > 0.05


def test_a_run_against_itself_is_no_difference() -> None:
    counts = system(texts(30, 1), 0.3, 2)
    verdict = judge([counts], [counts], trials=50)
    assert (verdict.difference, verdict.low, verdict.high, verdict.p, verdict.smallest) == (0, 0, 0, 1, 0)
    assert verdict.a.deviation is None


def test_seeds_that_differ_widen_the_interval() -> None:
    references = texts(200, 1)
    alike = [system(references, 0.3, 1)] * 3
    spread = [system(references, rate, 1) for rate in (0.2, 0.3, 0.4)]
    baseline = [system(references, 0.3, 5)] * 3
    assert judge(spread, baseline, trials=300).smallest > 2 * judge(alike, baseline, trials=300).smallest
