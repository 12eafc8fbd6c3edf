"""The data section → a corpus and the tokenizers of its texts."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar, assert_never

from nmt.builders.tokenizer import build_normalizer, saved_tokenizers, train_tokenizer
from nmt.config import data as config
from nmt.config.experiment import Experiment
from nmt.config.model import TaggerConfig
from nmt.data.corpus import (
    BuiltinCorpus,
    Corpus,
    FileCorpus,
    Languages,
    MonolingualCorpus,
    Pair,
    Rows,
    Split,
    TextFile,
    parse_tsv,
)
from nmt.data.dataset import DatasetCorpus
from nmt.data.labelled import parse_labelled
from nmt.data.text import NormalizedCorpus
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.words import WordTokenizer

T = TypeVar("T")


def corpus_of(experiment: Experiment) -> Corpus:
    """Return the corpus of an experiment, with normalized texts; nothing is read yet."""
    corpus = open_corpus(experiment.data, each_word=isinstance(experiment.model, TaggerConfig))
    return NormalizedCorpus(corpus, build_normalizer(experiment.data))


def open_corpus(data: config.DataConfig, *, each_word: bool = False) -> Corpus:
    """Return the corpus of a data section; nothing is read yet.

    each_word: labelled text has a label for each word.
    """
    languages = Languages(data.src, data.trg)
    match section := data.corpus:
        case config.HubDataset():
            names = _named(section.splits.train, section.splits.validation, section.splits.test)
            return DatasetCorpus(
                section.dataset,
                languages,
                names,
                config=section.config,
                revision=section.revision,
                streaming=section.streaming,
            )
        case config.TextFiles():
            return FileCorpus(_files("files", section), Pair, "text files", languages)
        case config.TsvFiles():
            return FileCorpus(_files("tsv", section), parse_tsv, "TSV file", languages)
        case config.LabelledText():
            parse = partial(parse_labelled, each_word=each_word)
            way = ":words" if each_word else ":texts"
            return FileCorpus(_files("labelled", section), parse, "TSV file", rows="labels", way=way)
        case config.PlainText(held_out=held_out, lines=lines):
            return MonolingualCorpus(_files("text", section), held_out=held_out, continuous=not lines)
        case config.BuiltinCorpus(seed=seed):
            counts = _named(section.train, section.validation, section.test)
            return BuiltinCorpus(counts, seed, languages)
        case _:
            assert_never(section)


def _named(train: T, validation: T, test: T | None) -> dict[Split, T]:
    """Return what there is for each split, by its name."""
    found: dict[Split, T] = {"train": train, "validation": validation}
    return found if test is None else {**found, "test": test}


def _files(key: str, section: config.FilesConfig) -> dict[Split, list[TextFile]]:
    """Return the files of each split; where a part of train is held out, validation has the same one."""
    found: dict[Split, list[TextFile]] = {}
    for split, names in _named(section.train, section.validation or section.train, section.test).items():
        by_end = {"": names} if isinstance(names, str) else {".src": names.src, ".trg": names.trg}
        found[split] = [TextFile(f"data.{key}.{split}{end}", Path(name)) for end, name in by_end.items()]
    return found


def train_tokenizers(
    section: config.TokenizerConfig, rows: Rows, pairs: Callable[[], Iterator[Pair]]
) -> tuple[Tokenizer, Tokenizer]:
    """Return a tokenizer for each side, the same one twice if it is shared; rows: what a pair is."""
    if isinstance(section, config.SavedTokenizer):
        return saved_tokenizers(section, pairs=rows != "text")
    if rows == "text":
        only = train_tokenizer(section, (pair.trg for pair in pairs()))
        return only, only
    if rows == "labels":
        # Every label is one that the model can give.
        labels = WordTokenizer.train(
            (pair.trg for pair in pairs()), vocab_size=None, min_frequency=1, lowercase=False
        )
        return train_tokenizer(section, (pair.src for pair in pairs())), labels
    if section.shared:
        shared = train_tokenizer(section, (text for pair in pairs() for text in pair))
        return shared, shared
    return (
        train_tokenizer(section, (pair.src for pair in pairs())),
        train_tokenizer(section, (pair.trg for pair in pairs())),
    )
