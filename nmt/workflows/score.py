"""Score a run, or a file of translations, against references → result.json."""

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Self

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
from nmt.data.directions import lines_by_tag
from nmt.data.encoded import EncodedSplit
from nmt.data.filtering import scan
from nmt.data.labelled import check_known, check_labels
from nmt.data.lines import in_memory, read_lines
from nmt.data.text import NormalizedCorpus
from nmt.decoding.engine import Engine
from nmt.decoding.options import TranslationOptions
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.evaluation.metrics import form_of, label_scores, scores, text_scores
from nmt.hub import name_of_copy
from nmt.results import Decoding, Result, Score, read_result
from nmt.run import Run
from nmt.tasks.language_modeling import LanguageModelTask
from nmt.tokenization.preprocessing import preprocessing_of, without_preprocessing
from nmt.workflows.result import ScoredData, System, machine, make_result, readable

# Keys that have an effect even where the rest of data and decoding has none.
USED_ANYWAY = ("data.src", "data.trg", "decoding.tokens_per_batch")


def run_experiment(folder: Path, overrides: Sequence[str], idle: Sequence[str] = ()) -> Experiment:
    """Return the configuration of a run, with overrides of its data and decoding only.

    idle: keys and sections that have no effect on this use of the run. Raises UserError if an override is
    one of these, or contradicts the model.
    """
    run = Run(folder)
    trained = run.experiment()
    experiment = load_experiment(run.config, overrides)
    for key, was, now in changed_keys(trained, experiment):
        if not key.startswith(("data.", "decoding.")) or key.startswith(
            ("data.tokenizer", "data.normalize", "data.preprocess", "data.reverse_target")
        ):
            raise UserError(
                f"--set {key}: {folder} was trained with {was!r}, found {now!r}; "
                "only what is translated (data) and how (decoding) can be set here"
            )
        without = idle if isinstance(trained.model, ModelConfig) else (*idle, "decoding")
        if key not in USED_ANYWAY and any(f"{key}.".startswith(f"{section}.") for section in without):
            raise UserError(f"--set {key}: has no effect here; leave it out")
    return experiment


class EvaluationSet(NamedTuple):
    """All pairs of a corpus or of files, for scoring; split: the split of the run's data.

    more_references: more translations of each source. The source is empty for a text without sources.
    tags: that of each source, "" for none; none at all if no source has one.
    """

    pairs: list[Pair]
    dataset: str
    split: str | None = None
    more_references: Sequence[Sequence[str]] = ()
    tags: Sequence[str] = ()

    def by_tag(self) -> dict[str, Sequence[int]]:
        """Return the numbers of the pairs with each tag."""
        return {**lines_by_tag(self.tags)} if self.tags else {"": range(len(self.pairs))}


class ScoredLines(NamedTuple):
    """The lines with one tag, "" for none, and how BLEU is computed over them.

    tokenize: sacreBLEU's tokenizer. moses: the language of papers' BLEU, None without it.
    """

    tag: str
    lines: Sequence[int]
    tokenize: str
    moses: str | None = None


def held_out(experiment: Experiment, split: str, *, instead: str = "") -> list[Pair]:
    """Return all pairs of a split in order; instead: the options that replace a split, for the message."""
    return held_out_with_tags(experiment, split, instead=instead)[0]


def held_out_with_tags(
    experiment: Experiment, split: str, *, instead: str = ""
) -> tuple[list[Pair], list[str]]:
    """Return all pairs of a split in order, and the tag of each source, "" for none; see `held_out`."""
    corpus = corpus_of(experiment)
    for name in corpus.splits:
        if name == split:
            rows = ((*pair, tag) for pair, tag in corpus.tagged(name))
            found = in_memory(rows, f"split {name} of {corpus.describe(name)}")
            return [Pair(src, trg) for src, trg, _ in found], [tag for _, _, tag in found]
    raise UserError(
        f"{corpus.describe()} has no split {split!r}; give --split with one of {', '.join(corpus.splits)}"
        f"{instead and f', or {instead}'}"
    )


def pairs_of_files(src: Path, ref: Path, data: DataConfig) -> list[Pair]:
    """Return the pairs of two text files, normalized like the run's data."""
    files = (TextFile("--src", src), TextFile("--ref", ref))
    corpus = FileCorpus({"train": files}, Pair, "text files")
    return in_memory(NormalizedCorpus(corpus, build_normalizer(data)).pairs("train"), f"{src} and {ref}")


def read_together(*paths: Path) -> list[list[str]]:
    """Return the lines of several files, line by line together; each file is read once.

    Raises UserError if the first file is empty, or another has more or fewer lines.
    """
    texts = [in_memory(read_lines(path), str(path)) for path in paths]
    for path, lines in zip(paths, texts, strict=True):
        if len(lines) != len(texts[0]):
            raise UserError(
                f"{paths[0]} has {len(texts[0])} lines and {path} has {len(lines)}; "
                "line n of one must translate line n of the other"
            )
    if not texts[0]:
        raise UserError(f"{paths[0]} is empty: nothing to score; give one translation per line")
    return texts


def score_texts(
    name: str,
    outputs: Sequence[str],
    dataset: str,
    references: Mapping[Path, Sequence[str]],
    *,
    metrics: Sequence[str],
    tokenize: str,
    moses: str | None,
    written: Sequence[str] | None = None,
    system: System | None = None,
) -> Result:
    """Return the scores of the translations in a file, or of a model, of this name against references.

    dataset: what the references are of, by name. moses: the language of papers' BLEU, None
    without it. written: see `as_written`. system: None for a file.
    """
    hashes = {
        str(path): hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
        for path, lines in references.items()
    }
    data = ScoredData(dataset, None, len(outputs), hashes)
    found = scores(
        outputs, *references.values(), metrics=metrics, tokenize=tokenize, moses=moses, written=written
    )
    return make_result(name, data, found, system)


def as_written(translator: Translator[Engine], sources: Sequence[str]) -> list[str] | None:
    """Return translations as a model wrote them that was trained on text split by Moses; None of another."""
    if not preprocessing_of(translator.trg_tokenizer).moses:
        return None
    inner = without_preprocessing(translator.trg_tokenizer)
    return replace(translator, trg_tokenizer=inner).translate(sources)


def other_models(options: TranslationOptions) -> dict[str, JsonValue]:
    """Return what a result says of a translator's models if they are several, nothing of just one."""

    def name(folder: Path) -> str:
        return readable(name_of_copy(folder) or str(folder))

    found: dict[str, JsonValue] = {}
    if len(options.models) > 1:
        found["models"] = [name(folder) for folder in options.models]
    if options.lm:
        found |= {"lm": name(options.lm), "lm_weight": options.weight}
    if options.rerank:
        found |= {"rerank": name(options.rerank), "rerank_weight": options.reranker_weight}
    return found


def score_run(
    options: TranslationOptions,
    experiment: Experiment,
    data: EvaluationSet,
    groups: Sequence[ScoredLines],
    *,
    metrics: Sequence[str],
) -> tuple[Result, list[str]]:
    """Return the scores of a run on some pairs, with the cost of its training, and its translations.

    experiment: that of the first run. groups: the lines that are scored together. The result of several
    models names them, without a cost.
    """
    together = other_models(options)
    trained = None if together else Trained.of(options.models[0])
    translator = open_translator(replace(options, tag=groups[0].tag), experiment)
    sources = [pair.src for pair in data.pairs]
    translator.translate(sources[:8])  # the first products include the creation of kernels
    began = time.perf_counter()
    outputs = [""] * len(sources)
    for group in groups:
        texts = translator.with_tag(group.tag).translate([sources[i] for i in group.lines])
        for i, text in zip(group.lines, texts, strict=True):
            outputs[i] = text
    seconds = time.perf_counter() - began
    references = ([pair.trg for pair in data.pairs], *data.more_references)
    system = System(
        experiment=experiment,
        trained=trained and trained.experiment,
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
    found = list[Score]()
    for tag, lines, tokenize, moses in groups:
        texts, *wanted = ([text[i] for i in lines] for text in (outputs, *references))
        written = None
        if moses is not None:
            written = as_written(translator.with_tag(tag), [sources[i] for i in lines])
        of_group = scores(texts, *wanted, metrics=metrics, tokenize=tokenize, moses=moses, written=written)
        several = len(groups) > 1
        found += [
            each.model_copy(update={"form": form_of(tag, each.form, several=several)}) for each in of_group
        ]
    return _result(experiment, trained, data, found, system), outputs


def score_text(folder: Path, experiment: Experiment, data: EvaluationSet, *, device: str) -> Result:
    """Return perplexity and bits per character of some lines, with the cost of the run's training.

    In float64. One long text is read as a whole, from its first line to its last.
    """
    before = Trained.of(folder)
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
    system = System(
        experiment=experiment,
        trained=before.experiment,
        machine=machine(trained.device),
        tokenizers=tokenizers,
    )
    return _result(experiment, before, data, found, system)


def score_labels(
    folder: Path, experiment: Experiment, data: EvaluationSet, *, device: str
) -> tuple[Result, list[str]]:
    """Return accuracy, macro F1 and the F1 of each label, with the run's cost, and the labels.

    Raises UserError if a text has a wrong number of labels, or a label that is not in the training data.
    """
    trained = Trained.of(folder)
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
    system = System(
        experiment=experiment,
        trained=trained.experiment,
        machine=machine(labeller.device),
        tokenizers=tokenizers,
    )
    found = label_scores(outputs, [pair.trg for pair in data.pairs])
    return _result(experiment, trained, data, found, system), outputs


class Trained(NamedTuple):
    """What is known of a run's training: its configuration, and its result if it has one."""

    experiment: Experiment
    result: Result | None

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Read a run; raises UserError for a broken result before anything is computed."""
        run = Run(folder)
        return cls(run.experiment(), read_result(run.result) if run.result.is_file() else None)


def _result(
    experiment: Experiment,
    trained: Trained | None,
    data: EvaluationSet,
    found: Iterable[Score],
    system: System,
) -> Result:
    """Return a result with the training cost from the run's own result; several runs have no cost."""
    # Hashed again: the data may have changed since the run was trained.
    monolingual = isinstance(experiment.model, LanguageModelConfig)
    scored = {data.split or data.dataset: scan(data.pairs, monolingual=monolingual).sha256}
    before = trained and trained.result
    hashes = {**(before.data_hashes if before else {}), **scored}
    if before:
        system = replace(system, training=before.training, parameters=before.parameters)
    of = ScoredData(data.dataset, data.split, len(data.pairs), hashes)
    return make_result(experiment.name, of, found, system)
