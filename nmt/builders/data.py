"""The data section → a prepared corpus."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from nmt.builders.tokenizer import saved_tokenizers, train_tokenizer
from nmt.config.data import DataConfig, SavedTokenizer
from nmt.config.experiment import Experiment
from nmt.config.model import TaggerConfig
from nmt.data.corpus import Corpus, Pair, open_corpus
from nmt.data.labelled import LabelledCorpus
from nmt.data.prepared import Prepared, prepare
from nmt.data.text import NormalizedCorpus, Normalizer
from nmt.jobs.workers import apart
from nmt.tokenization.tokenizer import Tokenizer, WordTokenizer


def prepare_data(experiment: Experiment, say: Callable[[str], None]) -> Prepared:
    """Return the prepared corpus of an experiment, made now if it is not there."""
    data = experiment.data

    def train(pairs: Callable[[], Iterator[Pair]]) -> tuple[Tokenizer, Tokenizer]:
        return train_tokenizers(data, pairs)

    return prepare(data, corpus_of(experiment), train, seed=experiment.seed, say=say)


def prepare_data_apart(experiment: Experiment, say: Callable[[str], None]) -> Prepared:
    """Do what `prepare_data` does; where it needs the library `datasets`, in a process that ends with it.

    What that loads and keeps, some 150 MB, would else stay in memory to the end of a training. That process
    prints its lines itself, as they come; `say` hears those of this one alone.
    """
    if experiment.data.dataset is None:
        return prepare_data(experiment, say)
    return Prepared(apart(partial(_prepare, experiment), what="the process that prepares the data"))


def _prepare(experiment: Experiment) -> Path:
    return prepare_data(experiment, partial(print, flush=True)).folder


def corpus_of(experiment: Experiment) -> Corpus:
    """Return the corpus that an experiment names, its texts normalized; nothing is read yet."""
    data = experiment.data
    if data.labelled is None:
        return NormalizedCorpus(open_corpus(data), Normalizer.of(data))
    labelled = LabelledCorpus(data.labelled, each_word=isinstance(experiment.model, TaggerConfig))
    return NormalizedCorpus(labelled, Normalizer.of(data))


def train_tokenizers(data: DataConfig, pairs: Callable[[], Iterator[Pair]]) -> tuple[Tokenizer, Tokenizer]:
    """Return a tokenizer for each side, the same one twice if it is shared."""
    config = data.tokenizer
    if isinstance(config, SavedTokenizer):
        return saved_tokenizers(config, pairs=data.text is None)
    if data.text:
        only = train_tokenizer(config, (pair.trg for pair in pairs()))
        return only, only
    if data.labelled:
        # Every label is one that the model can give.
        labels = WordTokenizer.train(
            (pair.trg for pair in pairs()), vocab_size=None, min_frequency=1, lowercase=False
        )
        return train_tokenizer(config, (pair.src for pair in pairs())), labels
    if config.shared:
        shared = train_tokenizer(config, (text for pair in pairs() for text in pair))
        return shared, shared
    return (
        train_tokenizer(config, (pair.src for pair in pairs())),
        train_tokenizer(config, (pair.trg for pair in pairs())),
    )
