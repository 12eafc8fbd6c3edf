"""What a report says: systems, the runs of each, one text that all translated, and verdicts in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from nmt.data.corpus import Pair
from nmt.decoding.translation import Translation
from nmt.evaluation.buckets import Faults, SentenceBucket, WordBucket
from nmt.evaluation.calibration import Bin
from nmt.evaluation.metrics import CASED, Bounded
from nmt.evaluation.verdict import TRIALS, Group, Verdict
from nmt.results import Result
from nmt.training.tracking import Table

Curves: TypeAlias = Mapping[str, tuple[list[int], list[float]]]
LEVEL = 0.05  # of p, below which a difference is called real


@dataclass(frozen=True, kw_only=True)
class RunPart:
    """A run: its folder, configuration as YAML, curves, scores on the text, and the results in its folder.

    seed: None where the folder does not say it. trained: what training says of its cost, None where the run
    has no result.
    """

    folder: str
    name: str
    seed: int | None
    config: str
    curves: Curves
    scores: Sequence[Bounded]
    recorded: Mapping[str, Result]  # by the file's name

    @property
    def trained(self) -> Result | None:
        """The result with the cost of training, if there is one."""
        return next((each for each in self.recorded.values() if each.training), None)


@dataclass(frozen=True, kw_only=True)
class RecordedRuns:
    """What a page says of runs by what their folders hold, without their models. For the rest see Report."""

    runs: Sequence[RunPart]
    command: str
    here: Sequence[tuple[str, str]]
    date: str


@dataclass(frozen=True, kw_only=True)
class Closer:
    """A closer look at the output of a system's first run.

    scores: sentence chrF2 of each output. known_words: None where the training text cannot be read.
    """

    translations: Sequence[Translation]
    scores: Sequence[float]
    by_length: Sequence[SentenceBucket]
    by_unknown: Sequence[SentenceBucket]
    by_frequency: Sequence[WordBucket]
    ratios: Sequence[int]
    faults: Faults
    reliability: Sequence[Bin]
    calibration_error: float | None


@dataclass(frozen=True, kw_only=True)
class System:
    """A configuration: the runs that differ in nothing but their seed, and a look at the first of them.

    verdict: the system against the first one, None for that one. changed: the keys that differ from the first
    system's configuration, with both values.
    """

    name: str
    runs: Sequence[RunPart]
    closer: Closer
    verdict: Verdict | None
    changed: Sequence[tuple[str, str, str]]


class ReportedText(NamedTuple):
    """The text that all systems translated."""

    name: str
    split: str | None
    languages: str
    pairs: Sequence[Pair]
    training_pairs: int  # that words were counted in, 0 for none
    unknown: Sequence[int]  # sentences with a source word that training never showed
    references: int = 1  # of each sentence; the pairs have the first

    @property
    def label(self) -> str:
        """Its name as a paper gives it."""
        parts = (self.name, self.split, self.languages)
        return f"{' '.join(filter(None, parts))}, {len(self.pairs):,} sentences"


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that a page or a table is made of. here: versions, machine and commit of the report itself."""

    text: ReportedText
    systems: Sequence[System]
    search: str
    command: str
    here: Sequence[tuple[str, str]]
    date: str

    @property
    def runs(self) -> list[RunPart]:
        """The runs of all systems, in order."""
        return [run for system in self.systems for run in system.runs]


def show_p(p: float) -> str:
    """Return p as text; no smaller one can be had of so many resamples."""
    return f"p ≤ {2 / TRIALS:.3f}" if p <= 2 / TRIALS else f"p = {p:.3f}"


def cased_places(report: Report) -> list[int]:
    """Return the places of the cased scores of every run: BLEU, chrF2, and TER if it was asked for."""
    found = report.systems[0].runs[0].scores
    return [place for place, each in enumerate(found) if each.score.form == CASED]


def spread(system: System, place: int, digits: int = 2) -> str:
    """Return a score of a system: its mean over the runs, ± its standard deviation if there are several."""
    found = Group(tuple(run.scores[place].score.score for run in system.runs))
    around = "" if found.deviation is None else f" ± {found.deviation:.{digits}f}"
    return f"{found.mean:.{digits}f}{around}"


def verdict_in_words(system: System, first: System) -> str:
    """Return the verdict on a system against the first one, as a sentence or two."""
    found = system.verdict
    assert found is not None
    between = f"95 % interval {_signed(found.low)} to {_signed(found.high)}, {show_p(found.p)}"
    if found.p < LEVEL:
        better, worse = (system, first) if found.difference > 0 else (first, system)
        return f"{better.name} is better than {worse.name} by {abs(found.difference):.2f} BLEU ({between})."
    return (
        f"No difference between {system.name} and {first.name} can be shown: {_signed(found.difference)} "
        f"BLEU ({between}). A difference below {found.smallest:.2f} cannot be told from chance here."
    )


def verdicts(report: Report) -> list[str]:
    """Return what a report says first: which systems are better than the first one, or how good it is."""
    first, *others = report.systems
    if others:
        return [verdict_in_words(system, first) for system in others]
    return [f"{first.name}: BLEU {spread(first, 0)} on {report.text.label}."]


def sentence_table(report: Report) -> Table:
    """Return all sentences with the output of each system and its sentence chrF2."""
    names = [name for system in report.systems for name in (system.name, f"{system.name}: chrF2")]
    rows: list[list[object]] = []
    for number, pair in enumerate(report.text.pairs):
        found: list[object] = []
        for system in report.systems:
            found += [system.closer.translations[number].text, round(system.closer.scores[number], 1)]
        rows.append([*pair, *found])
    return Table(["source", "reference", *names], rows)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def what_p_ignores(systems: Sequence[System]) -> list[str]:
    """Return what the verdicts on these systems do not know."""
    found = ["p is about this one test set; another domain may rank the systems otherwise."]
    if alone := [system.name for system in systems if len(system.runs) == 1]:
        runs = "has one run, whose" if len(alone) == 1 else "have one run each, whose"
        found.append(f"{' and '.join(alone)} {runs} luck of the seed p ignores; train two more seeds.")
    if len(systems) > 2:
        found.append(
            f"{len(systems) - 1} systems are compared with the first, and p is not corrected for that: one "
            "in twenty comparisons of equal systems gives p < 0.05."
        )
    return found
