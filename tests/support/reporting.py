"""A report from plain values, without a model."""

from collections.abc import Sequence

import numpy as np

from nmt.data.corpus import Pair
from nmt.decoding.translation import Ranked, Translation
from nmt.evaluation.alignment import Detail
from nmt.evaluation.buckets import find_faults, ratio_counts, sentence_buckets, split_words, word_buckets
from nmt.evaluation.calibration import calibration_error, reliability
from nmt.evaluation.metrics import bounded_scores, sentence_chrf
from nmt.evaluation.verdict import counts_of, judge
from nmt.report.content import Closer, Report, ReportedText, RunPart, System
from nmt.workflows.calibrate import judged_words
from small_tokenizers import word_tokenizer

PAIRS = [
    Pair("der Hund läuft über die Straße", "the dog runs across the street"),
    Pair("die Katze schläft heute", "the cat sleeps today"),
    Pair("wir essen Brot", "we eat bread"),
]


def translation(source: str, text: str) -> Translation:
    """A translation whose words look at one source word each, with confidence 0.8."""
    src, trg = source.split(), text.split()
    if not trg:
        return Translation([Ranked("", 0.0)])
    weights = np.eye(len(src))[[min(i, len(src) - 1) for i in range(len(trg))]]
    part = Detail(src, trg, weights, True, True, trg, [-0.2] * len(trg), [0.8] * len(trg))
    return Translation([Ranked(text, -1.0, [part])])


def system(name: str, *outputs: Sequence[str], pairs: Sequence[Pair] = PAIRS) -> System:
    """A system with a run for each of the outputs."""
    references = [pair.trg for pair in pairs]
    runs = [
        RunPart(
            folder=f"runs/{name}-{seed}",
            name=f"{name}-{seed}",
            seed=seed,
            config=f"name: {name}\n",
            curves={"train/loss": ([1, 2], [3.0, 2.0]), "validation/bleu": ([2], [20.0])},
            scores=bounded_scores(each, references),
            recorded={},
        )
        for seed, each in enumerate(outputs, 1)
    ]
    found = [translation(pair.src, text) for pair, text in zip(pairs, outputs[0], strict=True)]
    split = [split_words(side, "13a") for side in ([pair.src for pair in pairs], outputs[0], references)]
    confidence, right = judged_words(found, references, word_tokenizer())
    closer = Closer(
        translations=found,
        scores=[sentence_chrf(*each) for each in zip(outputs[0], references, strict=True)],
        by_length=sentence_buckets([0] * len(pairs), ["all"], counts_of(outputs[0], references, "13a")),
        by_unknown=sentence_buckets([0] * len(pairs), ["none"], counts_of(outputs[0], references, "13a")),
        by_frequency=word_buckets(split[1], split[2], {"the": 5}),
        ratios=ratio_counts(split[1], split[2]),
        faults=find_faults(*split),
        reliability=reliability(confidence, right),
        calibration_error=calibration_error(confidence, right) if len(right) else None,
    )
    return System(name=name, runs=runs, closer=closer, verdict=None, changed=[])


def report(
    *systems: System, outputs: Sequence[Sequence[Sequence[str]]] = (), pairs: Sequence[Pair] = PAIRS
) -> Report:
    """A report on systems; outputs: those of each, for the verdicts on all but the first."""
    references = [pair.trg for pair in pairs]
    counts = [[counts_of(each, references, "13a") for each in of_runs] for of_runs in outputs]
    judged = [
        System(
            name=each.name,
            runs=each.runs,
            closer=each.closer,
            verdict=judge(counts[place], counts[0]) if place else None,
            changed=[("model.embedding", "8", "16")] if place else [],
        )
        for place, each in enumerate(systems)
    ]
    return Report(
        text=ReportedText("corpus", "test", "de→en", pairs, 100, [1]),
        systems=judged,
        search="a beam of 5, in float32",
        command="nmt report runs/a --html a.html",
        here=[("python", "3.11")],
        date="2026-01-01 00:00 UTC",
    )
