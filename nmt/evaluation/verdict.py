"""Is one configuration better than another? Over random seeds and test sentences together.

S sentences. The counts of a sentence are (10,): its length, the reference's, and the matched and all n-grams
of orders 1 to 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmt.evaluation.references import with_gaps

Counts = NDArray[np.int64]  # (S, 10)
TRIALS, SEED = 2_000, 12345
METHOD = f"bootstrap:{TRIALS}|over:seeds+sentences|seed:{SEED}"  # the signature of a verdict
SURE = 1.96  # standard deviations of 95 % of a normal distribution


@dataclass(frozen=True)
class Group:
    """The scores of the runs of one configuration, which differ by their seeds."""

    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Their mean."""
        return float(np.mean(self.scores))

    @property
    def deviation(self) -> float | None:
        """Their standard deviation, None of one run."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else None


@dataclass(frozen=True)
class Verdict:
    """A against B: the difference of the means, its 95 % interval, p, and what could have been shown.

    p: twice the fraction of resamples in which the difference has the other sign. smallest: 1.96 standard
    deviations of the resampled difference; a smaller one would not be told from chance at the level of 5 %.
    """

    a: Group
    b: Group
    difference: float
    low: float
    high: float
    p: float
    smallest: float


def counts_of(
    hypotheses: Sequence[str],
    references: Sequence[str],
    tokenize: str,
    *,
    more: Sequence[Sequence[str]] = (),
) -> Counts:
    """Return the counts of each sentence, from which BLEU of any selection follows; (S, 10).

    more: further references of the sentences, see `nmt.evaluation.references.with_gaps`.
    """
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize=tokenize, effective_order=True)
    found = []
    for hypothesis, *wanted in zip(hypotheses, *with_gaps([references, *more]), strict=True):
        score = metric.sentence_score(hypothesis, [each for each in wanted if each is not None])
        found.append([score.sys_len, score.ref_len, *score.counts, *score.totals])
    return np.array(found, np.int64)


def bleu(counts: NDArray[np.int64]) -> float:
    """Return sacreBLEU's corpus BLEU of summed counts (10,)."""
    from sacrebleu.metrics.bleu import BLEU

    length, reference, *ngrams = counts.tolist()
    score = BLEU.compute_bleu(
        correct=ngrams[:4], total=ngrams[4:], sys_len=length, ref_len=reference, smooth_method="exp"
    )
    return float(score.score)


def judge(a: Sequence[Counts], b: Sequence[Counts], *, seed: int = SEED, trials: int = TRIALS) -> Verdict:
    """Return the verdict on two groups of runs, each with the counts of the same sentences.

    A bootstrap over both (Koehn 2004 for the sentences; Dror et al. 2019 ask for the seeds too): each trial
    draws sentences, the same for all runs, and runs of each group, with replacement. Of a group of one run
    the seed's share of chance is not known, and left out.
    """
    groups = [Group(tuple(bleu(each.sum(axis=0)) for each in runs)) for runs in (a, b)]
    rng = np.random.default_rng(seed)
    size = len(a[0])
    found = np.empty(trials)
    for trial in range(trials):
        times = np.bincount(rng.integers(size, size=size), minlength=size)
        means = []
        for runs in (a, b):
            chosen = rng.integers(len(runs), size=len(runs))
            scores = {number: bleu(times @ runs[number]) for number in set(chosen.tolist())}
            means.append(np.mean([scores[number] for number in chosen.tolist()]))
        found[trial] = means[0] - means[1]
    low, high = np.quantile(found, (0.025, 0.975))
    tail = min((found <= 0).mean(), (found >= 0).mean())
    return Verdict(
        a=groups[0],
        b=groups[1],
        difference=groups[0].mean - groups[1].mean,
        low=float(low),
        high=float(high),
        p=min(1.0, 2 * max(float(tail), 1 / trials)),
        smallest=float(SURE * found.std()),
    )
