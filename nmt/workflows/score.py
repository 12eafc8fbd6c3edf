"""A run or a file of translations, and references → result.json."""

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
from pydantic import JsonValue

from nmt.builders.data import corpus_of
from nmt.builders.labeller import load_labeller
from nmt.builders.language_model import load_language_model
from nmt.builders.translator import load_translator
from nmt.config.data import DataConfig, FilePair, TextFiles
from nmt.config.experiment import Experiment
from nmt.config.loading import changed_keys, load_experiment
from nmt.config.model import TaggerConfig
from nmt.data.corpus import Pair, TextCorpus
from nmt.data.encoded import EncodedSplit
from nmt.data.filtering import scan
from nmt.data.labelled import check_known, check_labels
from nmt.data.lines import in_memory, read_lines
from nmt.data.text import NormalizedCorpus, Normalizer
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.evaluation.metrics import Comparison, compare, label_scores, scores, text_scores
from nmt.machine import source_commit
from nmt.results import Decoding, Result, Versions, read_result
from nmt.run import Run
from nmt.tasks.language_modeling import LanguageModelTask
from nmt.workflows.result import machine


def run_experiment(folder: Path, overrides: Sequence[str]) -> Experiment:
    """Return the configuration of a run, with overrides of its data and decoding alone.

    UserError where one would say of the model what it is not.
    """
    run = Run(folder)
    trained = run.experiment()
    experiment = load_experiment(run.config, overrides)
    for key, was, now in changed_keys(trained, experiment):
        if not key.startswith(("data.", "decoding.")) or key.startswith(("data.tokenizer", "data.normalize")):
            raise UserError(
                f"--set {key}: {folder} was trained with {was!r}, found {now!r}; "
                "only what is translated (data) and how (decoding) can be set here"
            )
    return experiment


def held_out(experiment: Experiment, split: str, *, instead: str = "") -> list[Pair]:
    """Return the pairs of a split, every line of it in order; instead: options that do without a split."""
    corpus = corpus_of(experiment)
    for name in corpus.splits:
        if name == split:
            return in_memory(corpus.pairs(name), f"split {name} of {corpus.describe(name)}")
    raise UserError(
        f"{corpus.describe()} has no split {split!r}; give --split with one of {', '.join(corpus.splits)}"
        f"{instead and f', or {instead}'}"
    )


def pairs_of_files(src: Path, ref: Path, data: DataConfig) -> list[Pair]:
    """Return the pairs of two text files, normalized as the run's own are."""
    split = FilePair(src=str(src), trg=str(ref))
    corpus = TextCorpus(TextFiles(train=split, validation=split))
    return in_memory(NormalizedCorpus(corpus, Normalizer.of(data)).pairs("train"), f"{src} and {ref}")


def score_files(
    hypotheses: Path, references: Sequence[Path], *, metrics: Sequence[str], tokenize: str
) -> Result:
    """Return the scores of a file of translations against one or several of references, line by line."""
    outputs, *wanted = (in_memory(read_lines(path), str(path)) for path in (hypotheses, *references))
    for path, lines in zip(references, wanted, strict=True):
        if len(outputs) != len(lines):
            raise UserError(
                f"{hypotheses} has {len(outputs)} lines and {path} has {len(lines)}; "
                "line n of one must translate line n of the other"
            )
    return Result(
        name=hypotheses.name,
        date=datetime.now(UTC),
        dataset=" ".join(map(str, references)),
        sentences=len(outputs),
        scores=tuple(scores(outputs, *wanted, metrics=metrics, tokenize=tokenize)),
        versions=Versions.installed(),
        data_hashes={
            str(path): hashlib.sha256("".join(f"{w}\n" for w in lines).encode()).hexdigest()
            for path, lines in zip(references, wanted, strict=True)
        },
    )


def compare_files(
    hypotheses: Path, references: Sequence[Path], baseline: Path, *, tokenize: str
) -> list[Comparison]:
    """Return how a file of translations differs from a baseline's, and whether by more than chance."""
    files = (hypotheses, baseline, *references)
    outputs, others, *wanted = (in_memory(read_lines(path), str(path)) for path in files)
    return compare(wanted, others, {hypotheses.name: outputs}, tokenize=tokenize)


def score_run(
    options: TranslationOptions,
    experiment: Experiment,
    pairs: Sequence[Pair],
    *,
    dataset: str,
    split: str | None,
    metrics: Sequence[str],
    tokenize: str,
    more_references: Sequence[Sequence[str]] = (),
) -> tuple[Result, list[str]]:
    """Return the scores of a run on some pairs, with what its training cost, and its translations.

    experiment: the first run's. more_references: further ones of the pairs. Of an ensemble or a fusion the
    result says which runs, and no cost.
    """
    run = Run(options.models[0])
    translator = load_translator(options, experiment)
    together: dict[str, JsonValue] = {}
    if len(options.models) > 1:
        together["models"] = [str(folder) for folder in options.models]
    if options.lm:
        together |= {"lm": str(options.lm), "lm_weight": options.weight}
    translator.translate([pair.src for pair in pairs[:8]])  # the first products pay for the kernels' making
    began = time.perf_counter()
    outputs = translator.translate([pair.src for pair in pairs])
    seconds = time.perf_counter() - began
    references = ([pair.trg for pair in pairs], *more_references)
    trained = read_result(run.result) if run.result.is_file() and not together else None
    result = Result(
        name=experiment.name,
        date=datetime.now(UTC),
        src=experiment.data.src,
        trg=experiment.data.trg,
        dataset=dataset,
        split=split,
        sentences=len(pairs),
        scores=tuple(scores(outputs, *references, metrics=metrics, tokenize=tokenize)),
        decoding=Decoding(
            settings={
                **experiment.decoding.model_dump(mode="json"),
                "beam": translator.search.beam,
                **together,
            },
            sentences_per_second=len(pairs) / seconds,
            precision=translator.precision,
        ),
        training=trained.training if trained else None,
        parameters=trained.parameters if trained else None,
        seed=experiment.seed,
        commit=source_commit(),
        versions=Versions.installed(),
        machine=machine(translator.device),
        # What was translated is hashed anew: it need not be what lay there when the run was trained.
        data_hashes={**(trained.data_hashes if trained else {}), split or dataset: scan(pairs).sha256},
        tokenizers={"src": translator.src_tokenizer.fingerprint, "trg": translator.trg_tokenizer.fingerprint},
    )
    return result, outputs


def score_text(
    folder: Path,
    experiment: Experiment,
    lines: Sequence[str],
    *,
    dataset: str,
    split: str | None,
    device: str,
) -> Result:
    """Return perplexity and bits a character of some lines, with what the run's training cost.

    In float64. One long text is read in one piece, from its first line to its last.
    """
    trained = load_language_model(folder, experiment=experiment, device=device, precision=torch.float64)
    if not lines:
        raise UserError(f"{dataset}: no lines; there is nothing to score")
    text = EncodedSplit.of([[]] * len(lines), trained.encoder.encode_batch(lines))
    continuous, characters = experiment.data.continuous, sum(len(line) + 1 for line in lines)
    task = LanguageModelTask(
        validation=text,
        characters=characters,
        smoothing=0.0,
        tokens_per_batch=experiment.decoding.tokens_per_batch,
        device=trained.device,
        continuous=continuous,
    )
    nll = task.validate(trained.model).figures["nll"]
    path = Run(folder).result
    before = read_result(path) if path.is_file() else None
    return Result(
        name=experiment.name,
        date=datetime.now(UTC),
        dataset=dataset,
        split=split,
        sentences=len(lines),
        scores=text_scores(
            nll,
            text,
            characters,
            pieces=trained.tokenizer.kind,
            rows=1 if continuous else None,
        ),
        training=before.training if before else None,
        parameters=before.parameters if before else None,
        seed=experiment.seed,
        commit=source_commit(),
        versions=Versions.installed(),
        machine=machine(trained.device),
        data_hashes={
            **(before.data_hashes if before else {}),
            split or dataset: scan((Pair("", line) for line in lines), monolingual=True).sha256,
        },
        tokenizers={"trg": trained.tokenizer.fingerprint},
    )


def score_labels(
    folder: Path,
    experiment: Experiment,
    pairs: Sequence[Pair],
    *,
    dataset: str,
    split: str | None,
    device: str,
) -> tuple[Result, list[str]]:
    """Return accuracy, macro F1 and the F1 of each label with what the run's training cost, and the labels.

    UserError where a text has not as many labels as it shall, or one that training never saw.
    """
    labeller = load_labeller(folder, experiment=experiment, device=device)
    each_word = isinstance(experiment.model, TaggerConfig)
    for number, pair in enumerate(pairs, 1):
        check_labels(pair, each_word=each_word, where=f"{dataset}: line {number}")
    check_known(pairs, labeller.labels, dataset)
    outputs = labeller.label([pair.src for pair in pairs])
    path = Run(folder).result
    before = read_result(path) if path.is_file() else None
    result = Result(
        name=experiment.name,
        date=datetime.now(UTC),
        dataset=dataset,
        split=split,
        sentences=len(pairs),
        scores=tuple(label_scores(outputs, [pair.trg for pair in pairs])),
        training=before.training if before else None,
        parameters=before.parameters if before else None,
        seed=experiment.seed,
        commit=source_commit(),
        versions=Versions.installed(),
        machine=machine(labeller.device),
        data_hashes={**(before.data_hashes if before else {}), split or dataset: scan(pairs).sha256},
        tokenizers={"src": labeller.tokenizer.fingerprint, "trg": labeller.labels.fingerprint},
    )
    return result, outputs
