"""A run or a file of translations, and references → result.json."""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import JsonValue

from nmt.builders.corpus import corpus_of
from nmt.builders.engine import open_translator
from nmt.builders.hardware import choose_device
from nmt.builders.labeller import load_labeller
from nmt.builders.language_model import load_language_model
from nmt.builders.tokenizer import build_normalizer
from nmt.config.data import DataConfig
from nmt.config.experiment import Experiment
from nmt.config.loading import changed_keys, load_experiment
from nmt.config.model import LanguageModelConfig, ModelConfig, TaggerConfig
from nmt.data.corpus import FileCorpus, Pair, TextFile
from nmt.data.encoded import EncodedSplit
from nmt.data.filtering import scan
from nmt.data.labelled import check_known, check_labels
from nmt.data.lines import in_memory, read_lines
from nmt.data.text import NormalizedCorpus
from nmt.decoding.options import TranslationOptions
from nmt.errors import UserError
from nmt.evaluation.metrics import label_scores, scores, text_scores
from nmt.results import Decoding, Result, Score, read_result
from nmt.run import Run
from nmt.tasks.language_modeling import LanguageModelTask
from nmt.workflows.result import ScoredData, System, machine, make_result, readable

# Of data and decoding, where all else of the section has no effect.
USED_ANYWAY = ("data.src", "data.trg", "decoding.tokens_per_batch")


def run_experiment(folder: Path, overrides: Sequence[str], idle: Sequence[str] = ()) -> Experiment:
    """Return the configuration of a run, with overrides of its data and decoding alone.

    idle: keys and sections that have no effect on what is done with the run. UserError where an override is
    of one of these, or would say of the model what it is not.
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
        without = idle if isinstance(trained.model, ModelConfig) else (*idle, "decoding")
        if key not in USED_ANYWAY and any(f"{key}.".startswith(f"{section}.") for section in without):
            raise UserError(f"--set {key}: has no effect here; leave it out")
    return experiment


class EvaluationSet(NamedTuple):
    """Pairs to score on, all that a corpus or files hold; split: which of the run's data they are.

    more_references: further translations of each source. Of a text without sources the first side is empty.
    """

    pairs: list[Pair]
    dataset: str
    split: str | None = None
    more_references: Sequence[Sequence[str]] = ()


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
    files = (TextFile("--src", src), TextFile("--ref", ref))
    corpus = FileCorpus({"train": files}, Pair, "text files")
    return in_memory(NormalizedCorpus(corpus, build_normalizer(data)).pairs("train"), f"{src} and {ref}")


def read_together(*paths: Path) -> list[list[str]]:
    """Return the lines of files, line n of one for line n of the other; each is read once.

    UserError where the first has no line, or another has more or fewer.
    """
    texts = [in_memory(read_lines(path), str(path)) for path in paths]
    for path, lines in zip(paths, texts, strict=True):
        if len(lines) != len(texts[0]):
            raise UserError(
                f"{paths[0]} has {len(texts[0])} lines and {path} has {len(lines)}; "
                "line n of one must translate line n of the other"
            )
    if not texts[0]:
        raise UserError(f"{paths[0]} is empty: nothing to score; give translations, one a line")
    return texts


def score_texts(
    hypotheses: Path,
    outputs: Sequence[str],
    references: Mapping[Path, Sequence[str]],
    *,
    metrics: Sequence[str],
    tokenize: str,
) -> Result:
    """Return the scores of the lines of a file of translations, against those of its references."""
    hashes = {
        str(path): hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
        for path, lines in references.items()
    }
    data = ScoredData(" ".join(map(str, references)), None, len(outputs), hashes)
    found = scores(outputs, *references.values(), metrics=metrics, tokenize=tokenize)
    return make_result(hypotheses.name, data, found)


def score_run(
    options: TranslationOptions,
    experiment: Experiment,
    data: EvaluationSet,
    *,
    metrics: Sequence[str],
    tokenize: str,
) -> tuple[Result, list[str]]:
    """Return the scores of a run on some pairs, with what its training cost, and its translations.

    experiment: the first run's. Of an ensemble or a fusion the result says which runs, and no cost.
    """
    trained = None if options.lm or len(options.models) > 1 else _trained(options.models[0])
    translator = open_translator(options, experiment)
    together: dict[str, JsonValue] = {}
    if len(options.models) > 1:
        together["models"] = [readable(str(folder)) for folder in options.models]
    if options.lm:
        together |= {"lm": readable(str(options.lm)), "lm_weight": options.weight}
    sources = [pair.src for pair in data.pairs]
    translator.translate(sources[:8])  # the first products pay for the kernels' making
    began = time.perf_counter()
    outputs = translator.translate(sources)
    seconds = time.perf_counter() - began
    references = ([pair.trg for pair in data.pairs], *data.more_references)
    system = System(
        experiment=experiment,
        machine=machine(choose_device(options.device)),
        tokenizers={"src": translator.src_tokenizer.fingerprint, "trg": translator.trg_tokenizer.fingerprint},
        decoding=Decoding(
            settings={
                **experiment.decoding.model_dump(mode="json"),
                "beam": translator.engine.beam,
                **together,
            },
            sentences_per_second=len(data.pairs) / seconds,
            precision=translator.engine.precision,
        ),
    )
    found = scores(outputs, *references, metrics=metrics, tokenize=tokenize)
    return _result(trained, data, found, system), outputs


def score_text(folder: Path, experiment: Experiment, data: EvaluationSet, *, device: str) -> Result:
    """Return perplexity and bits a character of some lines, with what the run's training cost.

    In float64. One long text is read in one piece, from its first line to its last.
    """
    before = _trained(folder)
    trained = load_language_model(folder, experiment=experiment, device=device, precision=torch.float64)
    lines = [pair.trg for pair in data.pairs]
    if not lines:
        raise UserError(f"{data.dataset}: no lines; there is nothing to score")
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
    rows = 1 if continuous else None
    found = text_scores(nll, text, characters, tokenizer=trained.tokenizer.kind, rows=rows)
    tokenizers = {"trg": trained.tokenizer.fingerprint}
    system = System(experiment=experiment, machine=machine(trained.device), tokenizers=tokenizers)
    return _result(before, data, found, system)


def score_labels(
    folder: Path, experiment: Experiment, data: EvaluationSet, *, device: str
) -> tuple[Result, list[str]]:
    """Return accuracy, macro F1 and the F1 of each label with what the run's training cost, and the labels.

    UserError where a text has not as many labels as it shall, or one that training never saw.
    """
    trained = _trained(folder)
    labeller = load_labeller(folder, experiment=experiment, device=device)
    each_word = isinstance(experiment.model, TaggerConfig)
    for number, pair in enumerate(data.pairs, 1):
        try:
            check_labels(pair, each_word=each_word)
        except ValueError as error:
            raise UserError(f"{data.dataset}: line {number}: {error}") from None
    check_known(data.pairs, labeller.labels, data.dataset)
    outputs = labeller.label([pair.src for pair in data.pairs])
    tokenizers = {"src": labeller.encoder.tokenizer.fingerprint, "trg": labeller.labels.fingerprint}
    system = System(experiment=experiment, machine=machine(labeller.device), tokenizers=tokenizers)
    found = label_scores(outputs, [pair.trg for pair in data.pairs])
    return _result(trained, data, found, system), outputs


def _trained(folder: Path) -> Result | None:
    """Return the result that the run has so far; a broken one is a UserError before anything is computed."""
    path = Run(folder).result
    return read_result(path) if path.is_file() else None


def _result(trained: Result | None, data: EvaluationSet, found: Iterable[Score], system: System) -> Result:
    """Return a result with what the training cost, as the run's own says; None of several runs together."""
    # What was scored is hashed anew: it need not be what lay there when the run was trained.
    monolingual = isinstance(system.experiment.model, LanguageModelConfig)
    scored = {data.split or data.dataset: scan(data.pairs, monolingual=monolingual).sha256}
    hashes = {**(trained.data_hashes if trained else {}), **scored}
    if trained:
        system = replace(system, training=trained.training, parameters=trained.parameters)
    of = ScoredData(data.dataset, data.split, len(data.pairs), hashes)
    return make_result(system.experiment.name, of, found, system)
