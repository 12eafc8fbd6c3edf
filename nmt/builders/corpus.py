"""The data section → a corpus and the tokenizers of its texts."""

from collections.abc import Callable, Iterator, Sequence
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
    Member,
    MonolingualCorpus,
    Pair,
    Rows,
    Split,
    TextFile,
    parse_swapped_tsv,
    parse_tsv,
)
from nmt.data.dataset import DatasetCorpus
from nmt.data.directions import Direction
from nmt.data.labelled import parse_labelled
from nmt.data.mixture import MixedCorpus, common
from nmt.data.preparation import TrainTokenizers
from nmt.data.text import NormalizedCorpus
from nmt.errors import UserError
from nmt.tokenization.preprocessing import Preprocessing, preprocessed, preprocessing_of
from nmt.tokenization.reversal import right_to_left
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.words import WordTokenizer

T = TypeVar("T")


def corpus_of(experiment: Experiment) -> Corpus:
    """Return the corpus of an experiment, with normalized texts; nothing is read yet."""
    data, normalize = experiment.data, build_normalizer(experiment.data)
    if data.corpora is not None:
        members = []
        for number, each in enumerate(data.corpora):
            corpus = open_corpus(each, place=f"data.corpora.{number}")
            members.append(Member(NormalizedCorpus(corpus, normalize), each.tag))
        return MixedCorpus(members)
    corpus = open_corpus(data, each_word=isinstance(experiment.model, TaggerConfig))
    return NormalizedCorpus(corpus, normalize)


def directions_of(data: config.DataConfig) -> tuple[Direction, ...]:
    """Return what a model of these corpora translates, each once; none where no corpus has a tag."""
    found = (Direction(each.src or "", each.trg or "", each.tag or "") for each in data.members)
    return tuple(dict.fromkeys(found)) if data.tags else ()


def languages_of(data: config.DataConfig) -> Languages:
    """Return the languages of the data, None where they are unknown or not those of all corpora."""
    if not data.members:
        return Languages(data.src, data.trg)
    return Languages(common(each.src for each in data.members), common(each.trg for each in data.members))


def open_corpus(data: config.OneCorpus, *, each_word: bool = False, place: str = "data") -> Corpus:
    """Return the corpus that a section names; nothing is read yet.

    each_word: labelled text has a label for each word. place: the key of the section, for messages.
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
            return FileCorpus(_files(f"{place}.files", section), Pair, "text files", languages)
        case config.TsvFiles(swap=swap):
            parse_pair, way = (parse_swapped_tsv, ":swapped") if swap else (parse_tsv, "")
            return FileCorpus(_files(f"{place}.tsv", section), parse_pair, "TSV file", languages, way=way)
        case config.LabelledText():
            parse = partial(parse_labelled, each_word=each_word)
            way = ":words" if each_word else ":texts"
            return FileCorpus(_files(f"{place}.labelled", section), parse, "TSV file", rows="labels", way=way)
        case config.PlainText(held_out=held_out, lines=lines):
            return MonolingualCorpus(
                _files(f"{place}.text", section), held_out=held_out, continuous=not lines
            )
        case config.BuiltinCorpus(seed=seed):
            counts = _named(section.train, section.validation, section.test)
            return BuiltinCorpus(counts, seed, languages)
        case _:
            assert_never(section)


def _named(train: T, validation: T | None, test: T | None) -> dict[Split, T]:
    """Return what there is for each split, by its name."""
    found: dict[Split, T | None] = {"train": train, "validation": validation, "test": test}
    return {split: each for split, each in found.items() if each is not None}


def _files(key: str, section: config.FilesConfig) -> dict[Split, list[TextFile]]:
    """Return the files of each split; where a part of train is held out, validation has the same one."""
    found: dict[Split, list[TextFile]] = {}
    validation = section.train if isinstance(section, config.PlainText) else None
    for split, names in _named(section.train, section.validation or validation, section.test).items():
        by_end = {"": names} if isinstance(names, str) else {".src": names.src, ".trg": names.trg}
        found[split] = [TextFile(f"{key}.{split}{end}", Path(name)) for end, name in by_end.items()]
    return found


def train_tokenizers(
    section: config.TokenizerConfig,
    rows: Rows,
    pairs: Callable[[], Iterator[Pair]],
    tags: Sequence[str] = (),
) -> tuple[Tokenizer, Tokenizer]:
    """Return a tokenizer for each side, the same one twice if it is shared.

    rows: what a pair is. tags: special tokens of the source.
    """
    if isinstance(section, config.SavedTokenizer):
        src, trg = saved_tokenizers(section, pairs=rows != "text")
        for tag in tags:
            src.vocabulary.tag(tag)
        return src, trg
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
        shared = train_tokenizer(section, (text for pair in pairs() for text in pair), tags)
        return shared, shared
    return (
        train_tokenizer(section, (pair.src for pair in pairs()), tags),
        train_tokenizer(section, (pair.trg for pair in pairs())),
    )


def build_preprocessing(data: config.DataConfig) -> tuple[Preprocessing, Preprocessing]:
    """Return what happens to the text of each side before it is tokenized; UserError if it cannot."""
    section, languages = data.preprocess, languages_of(data)
    if section.moses and None in languages:
        raise UserError(
            "data.preprocess.moses: splits each side by its language: set src and trg, alike in all corpora"
        )
    src, trg = (
        Preprocessing(language if section.moses and language else "", section.lowercase)
        for language in languages
    )
    src.check()
    trg.check()
    return src, trg


def preprocessing_tokenizers(data: config.DataConfig, train: TrainTokenizers) -> TrainTokenizers:
    """Return `train`, on text that is preprocessed as the data section says, giving tokenizers that do it.

    Saved tokenizers do already what they do; UserError where it is something else. Raises UserError at once
    if Moses cannot split a side.
    """
    src, trg = build_preprocessing(data)

    def trained(pairs: Callable[[], Iterator[Pair]]) -> tuple[Tokenizer, Tokenizer]:
        if isinstance(data.tokenizer, config.SavedTokenizer):
            found = train(pairs)
            if data.pairs and tuple(map(preprocessing_of, found)) != (src, trg):
                raise UserError(
                    f"data.preprocess: the tokenizers in {data.tokenizer.path} belong to other preprocessing "
                    "or languages; set it as in the run that they are of"
                )
            return found
        if not src and not trg:
            return train(pairs)
        changed = train(lambda: (Pair(src(pair.src), trg(pair.trg)) for pair in pairs()))
        return preprocessed(*changed, (src, trg))

    return trained


def reversing_tokenizers(data: config.DataConfig, train: TrainTokenizers) -> TrainTokenizers:
    """Return `train`, giving a tokenizer of the target that reverses it if the data section says so."""
    if not data.reverse_target:
        return train

    def trained(pairs: Callable[[], Iterator[Pair]]) -> tuple[Tokenizer, Tokenizer]:
        src, trg = train(pairs)
        return src, right_to_left(trg)

    return trained
