"""Runs → a report: each translates one text as nmt score does, and is looked at from all sides."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from nmt.builders.corpus import corpus_of, directions_of, languages_of
from nmt.builders.engine import open_translator
from nmt.builders.hardware import choose_device
from nmt.config.experiment import Experiment
from nmt.config.loading import changed_keys, dump_experiment, flat, is_of_one_run
from nmt.config.model import ModelConfig
from nmt.decoding.engine import Engine
from nmt.decoding.options import TranslationOptions
from nmt.decoding.translation import Translation
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.evaluation.buckets import (
    LENGTHS,
    bucket_labels,
    bucket_of,
    find_faults,
    ratio_counts,
    sentence_buckets,
    split_words,
    word_buckets,
)
from nmt.evaluation.calibration import calibration_error, reliability
from nmt.evaluation.curves import read_curves
from nmt.evaluation.metrics import METRICS, bounded_scores, sentence_chrf
from nmt.evaluation.verdict import Counts, counts_of, judge
from nmt.machine import source_commit
from nmt.report.content import Closer, Curves, Report, ReportedText, RunPart, System
from nmt.results import Result, Versions, read_result
from nmt.run import Run
from nmt.workflows.calibrate import judged_words
from nmt.workflows.compare import OneText
from nmt.workflows.result import machine
from nmt.workflows.score import run_experiment

MOST_TRAINING_PAIRS = 200_000  # that words are counted in


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What the runs translate, and how. files: sources, then references, in place of the split.

    metrics: bleu and chrf, and ter if it is asked for.
    """

    split: str = "test"
    files: Sequence[Path] = ()
    metrics: Sequence[str] = METRICS
    overrides: Sequence[str] = ()
    to: str | None = None
    beam: int | None = None
    device: str = "auto"


@dataclass(frozen=True)
class _Opened:
    """A run that is ready to translate, with all that is read of its folder."""

    folder: Path
    experiment: Experiment
    translator: Translator[Engine]
    curves: Curves
    recorded: Mapping[str, Result]


@dataclass(frozen=True)
class _Translated:
    """A run with its output, and what BLEU of any of its sentences follows from."""

    opened: _Opened
    found: Sequence[Translation]
    counts: Counts


def report_runs(
    folders: Sequence[Path], options: ReportOptions, *, command: str, log: Callable[[str], None]
) -> Report:
    """Return the report on some runs; those that differ in nothing but their seed are one system.

    command: what gives this report again. log: gets a line for each run. Raises UserError where a folder is
    no run of a model that translates, is given twice, or has another text than the first. Nothing is written.
    """
    experiments = _experiments(folders, options)
    texts = OneText(options.split, options.to, options.files)
    own = [texts.add(folder, each) for folder, each in experiments.items()]
    for folder, each in zip(experiments, own, strict=True):
        if each.sources != own[0].sources:
            raise UserError(
                f"{folder}: has other sources than {folders[0]}; a report is on runs that read one text, and "
                "nmt compare takes others"
            )
    # All before the first translates: what is wrong with a run shows at once.
    opened = [
        _open(folder, experiment, tag, options)
        for (folder, experiment), (_, tag) in zip(experiments.items(), own, strict=True)
    ]
    references = texts.references
    translated = []
    for run in opened:
        found = run.translator.translations(own[0].sources, details=True)
        counts = counts_of([each.text for each in found], references, texts.tokenize, more=texts.more)
        translated.append(_Translated(run, found, counts))
        log(f"{run.folder}: {len(found):,} sentences translated")
    groups = _systems(translated)
    words = _Words(texts, opened[0].experiment, own[0].tag)
    names = _names(groups)
    run_names = distinct_names([run.folder.resolve().name for run in opened], [run.folder for run in opened])
    of_folder = dict(zip(experiments, run_names, strict=True))
    first = groups[0]
    systems = [
        System(
            name=name,
            runs=[_run_part(run, of_folder[run.opened.folder], texts, options.metrics) for run in group],
            closer=_closer(group[0], texts, words),
            verdict=None if group is first else judge(_counts(group), _counts(first)),
            changed=_changed(first[0].opened.experiment, group[0].opened.experiment),
        )
        for name, group in zip(names, groups, strict=True)
    ]
    beams = {str(options.beam or each.experiment.decoding.beam) for each in opened}
    return Report(
        text=_text(texts, opened[0].experiment, own[0].tag, words),
        systems=systems,
        search=f"a beam of {' or '.join(sorted(beams))}, in float32",
        command=command,
        here=report_facts(options.device),
        date=now(),
    )


def check_given_once(folders: Sequence[Path]) -> None:
    """Raise UserError where two of the folders are one."""
    for place, folder in enumerate(folders):
        if any(folder.resolve() == each.resolve() for each in folders[:place]):
            raise UserError(f"{folder}: is given twice; give each run once")


def _experiments(folders: Sequence[Path], options: ReportOptions) -> dict[Path, Experiment]:
    """Return the configuration of each run; raises UserError for a folder that no report can be on."""
    idle = [*(["decoding.beam"] if options.beam else [])]
    check_given_once(folders)
    found: dict[Path, Experiment] = {}
    for folder in folders:
        experiment = run_experiment(folder, options.overrides, idle)
        if not isinstance(experiment.model, ModelConfig):
            kind = experiment.model.kind.replace("_", " ")
            raise UserError(f"{folder} is a {kind}; a report with translations is on models that translate")
        found[folder] = experiment
    return found


def _open(folder: Path, experiment: Experiment, tag: str, options: ReportOptions) -> _Opened:
    chosen = TranslationOptions(
        models=(folder,), tag=tag, beam=options.beam, device=options.device, precision="float32"
    )
    metrics = Run(folder).metrics
    results = sorted(path.name for path in folder.glob("result*.json"))
    return _Opened(
        folder,
        experiment,
        open_translator(chosen, experiment),
        read_curves(metrics) if metrics.is_file() else {},
        {name: read_result(folder / name) for name in results},
    )


def _systems(runs: Sequence[_Translated]) -> list[list[_Translated]]:
    """Return the runs by configuration, in order; the seed, names and places do not count."""
    groups: dict[str, list[_Translated]] = {}
    for run in runs:
        keys = flat(run.opened.experiment.model_dump(mode="json"))
        groups.setdefault(repr([each for each in keys.items() if not is_of_one_run(each[0])]), []).append(run)
    return list(groups.values())


def _names(groups: Sequence[Sequence[_Translated]]) -> list[str]:
    """Return a name for each system, all different: of its run or experiment, with a folder if need be."""
    opened = [group[0].opened for group in groups]
    plain = [
        run.experiment.name if len(group) > 1 else run.folder.resolve().name
        for run, group in zip(opened, groups, strict=True)
    ]
    return distinct_names(plain, [run.folder for run in opened])


def distinct_names(names: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Return the names, all with the folder above the run's, or a number, where some are the same."""
    found = list(names)
    if len({*found}) < len(found):
        parents = [folder.resolve().parent.name for folder in folders]
        found = [f"{parent}/{name}" for parent, name in zip(parents, found, strict=True)]
    if len({*found}) < len(found):
        found = [f"{name} ({number})" for number, name in enumerate(found, 1)]
    return found


def _run_part(translated: _Translated, name: str, texts: OneText, metrics: Sequence[str]) -> RunPart:
    run, outputs = translated.opened, [each.text for each in translated.found]
    return RunPart(
        folder=str(run.folder),
        name=name,
        seed=run.experiment.seed,
        config=dump_experiment(run.experiment),
        curves=run.curves,
        scores=bounded_scores(
            outputs, texts.references, *texts.more, metrics=metrics, tokenize=texts.tokenize
        ),
        recorded=run.recorded,
    )


def _counts(group: Sequence[_Translated]) -> list[Counts]:
    return [run.counts for run in group]


def _changed(first: Experiment, other: Experiment) -> list[tuple[str, str, str]]:
    found = changed_keys(first, other)
    return [(key, str(was), str(now)) for key, was, now in found if not is_of_one_run(key)]


class _Words:
    """The words of both sides of the text, and how often training showed each.

    unknown: the sentences with a source word that training never showed. pairs: 0 where the training text
    cannot be read, and no word is known then.
    """

    def __init__(self, texts: OneText, experiment: Experiment, tag: str) -> None:
        self.tokenize = texts.tokenize
        self.sources = split_words((pair.src for pair in texts.pairs), texts.tokenize)
        self.references = split_words(texts.references, texts.tokenize)
        self.known = Counter[str]()
        self.unknown: list[int] = []
        self.pairs = 0
        try:
            tagged = corpus_of(experiment).tagged("train")
            train = list(islice((pair for pair, of in tagged if of == tag), MOST_TRAINING_PAIRS))
        except UserError:  # the text may be gone since
            return
        self.pairs = len(train)
        known = {word for line in split_words((pair.src for pair in train), texts.tokenize) for word in line}
        self.unknown = [number for number, line in enumerate(self.sources) if not known.issuperset(line)]
        for line in split_words((pair.trg for pair in train), texts.tokenize):
            self.known.update(line)


def _closer(run: _Translated, texts: OneText, words: _Words) -> Closer:
    outputs = [each.text for each in run.found]
    split = split_words(outputs, words.tokenize)
    lengths = [bucket_of(len(line), LENGTHS) for line in words.sources]
    unknown = {*words.unknown}
    confidence, right = judged_words(run.found, texts.references, run.opened.translator.trg_tokenizer)
    return Closer(
        translations=run.found,
        scores=[sentence_chrf(*pair) for pair in zip(outputs, texts.references, strict=True)],
        by_length=sentence_buckets(lengths, bucket_labels(LENGTHS), run.counts),
        by_unknown=sentence_buckets(
            [int(number in unknown) for number in range(len(outputs))], ["none", "one or more"], run.counts
        ),
        by_frequency=word_buckets(split, words.references, words.known),
        ratios=ratio_counts(split, words.references),
        faults=find_faults(words.sources, split, words.references),
        reliability=reliability(confidence, right),
        calibration_error=calibration_error(confidence, right) if len(right) else None,
    )


def _text(texts: OneText, experiment: Experiment, tag: str, words: _Words) -> ReportedText:
    of_tag = {each.src for each in directions_of(experiment.data) if each.tag == tag}
    src = next(iter(of_tag)) if len(of_tag) == 1 else languages_of(experiment.data).src
    files = " ".join(path.name for path in texts.files)
    return ReportedText(
        name=files or corpus_of(experiment).name,
        split=None if texts.files else texts.split,
        languages=f"{src}→{texts.language}" if src and texts.language else "",
        pairs=texts.pairs,
        references=1 + len(texts.more),
        training_pairs=words.pairs,
        unknown=words.unknown,
    )


def now() -> str:
    """Return the time as a report shows it."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def report_facts(device: str) -> list[tuple[str, str]]:
    """Return commit, machine and versions of a report itself."""
    found = machine(choose_device(device))
    versions = {name: str(value) for name, value in Versions.installed().model_dump().items() if value}
    facts = {"commit of the result": source_commit() or "–", "machine": found.description, **versions}
    return [*facts.items()]
