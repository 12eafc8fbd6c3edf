"""The tables of buckets and faults, a column a system."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from nmt.evaluation.buckets import LETTERS, LONGEST_PHRASE, RATIOS, Faults, SentenceBucket
from nmt.report.content import Report, System
from nmt.report.grid import Grid

_FAULTS = {
    "e": ("empty outputs", "empty"),
    "c": ("copies of the source", "copies"),
    "r": ("a phrase twice in a row", "repeats"),
    "w": ("a word of the source", "copied_words"),
}


def bucket_tables(report: Report) -> list[Grid]:
    """Return the tables on the first run of each system."""
    systems = report.systems
    found = [
        _sentence_table("By length of the source, in words", [s.closer.by_length for s in systems], systems),
        *_frequencies(report),
        _faults(report),
        _ratios(report),
    ]
    if report.text.training_pairs:
        unknown = [s.closer.by_unknown for s in systems]
        found.insert(
            1, _sentence_table("By words of the source that training never showed", unknown, systems)
        )
    return found


def fault_letters(faults: Faults) -> dict[int, str]:
    """Return the letters of the faults of each sentence that has some, as the page's script has them."""
    found: dict[int, str] = {}
    for letter, (_, name) in _FAULTS.items():
        for number in getattr(faults, name):
            found[number] = found.get(number, "") + letter
    return found


def _by_system(systems: Sequence[System], *measures: str) -> list[str]:
    """Return the names of columns: each measure of each system."""
    alone = len(systems) == 1
    return [measure if alone else f"{system.name}: {measure}" for measure in measures for system in systems]


def _sentence_table(
    caption: str, buckets: Sequence[Sequence[SentenceBucket]], systems: Sequence[System]
) -> Grid:
    rows = []
    for of_systems in zip(*buckets, strict=True):
        first = of_systems[0]
        scores = [f"{each.bleu:.1f}" for each in of_systems]
        ratios = [f"{each.ratio:.2f}" for each in of_systems]
        rows.append([first.label, f"{first.sentences:,}", *scores, *ratios])
    columns = ["bucket", "sentences", *_by_system(systems, "BLEU", "length ratio")]
    return Grid(caption, columns, rows)


def _frequencies(report: Report) -> Iterator[Grid]:
    systems, pairs = report.systems, report.text.training_pairs
    if not pairs:
        return
    rows = []
    for of_systems in zip(*(system.closer.by_frequency for system in systems), strict=True):
        first = of_systems[0]
        scores = ["–" if each.f1 is None else f"{each.f1:.1f}" for each in of_systems]
        right = [f"{each.right:,}" for each in of_systems]
        rows.append([first.label, f"{first.wanted:,}", *scores, *right])
    columns = ["times in training", "words of the reference", *_by_system(systems, "F1", "right")]
    note = (
        f"Counted in {pairs:,} training pairs. F1 = 2 right / (words of the references + words of the "
        "outputs), in percent. A word is right if the reference of its sentence has it too."
    )
    yield Grid("By frequency of a target word in training", columns, rows, note)


def _faults(report: Report) -> Grid:
    def row(label: str, count: Callable[[System], int]) -> list[str]:
        return [label, *(f"{count(system):,}" for system in report.systems)]

    rows = [
        row(label, lambda system, name=name: len(getattr(system.closer.faults, name)))  # type: ignore[misc]
        for label, name in _FAULTS.values()
    ]
    note = (
        f"A phrase has up to {LONGEST_PHRASE} words; if one stands twice in the reference too, it is not "
        f"counted. A word of the source counts from {LETTERS} letters on, and if the reference lacks it."
    )
    return Grid("Outputs with a fault", ["fault", *_by_system(report.systems, "sentences")], rows, note)


def _ratios(report: Report) -> Grid:
    ends = [f"{a:g} to {b:g}" for a, b in pairwise(RATIOS)]
    labels = [*ends, f"{RATIOS[-1]:g} or more"]
    rows = [
        [label, *(f"{system.closer.ratios[number]:,}" for system in report.systems)]
        for number, label in enumerate(labels)
    ]
    columns = ["words for one of the reference", *_by_system(report.systems, "sentences")]
    return Grid("By length of the output", columns, rows)
