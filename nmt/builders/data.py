"""The data section → a prepared corpus."""

from collections.abc import Callable, Iterator

from nmt.builders.tokenizer import saved_tokenizers, train_tokenizer
from nmt.config.data import DataConfig, SavedTokenizer
from nmt.config.experiment import Experiment
from nmt.config.model import TaggerConfig
from nmt.data.corpus import Corpus, Pair, open_corpus
from nmt.data.labelled import LabelledCorpus
from nmt.data.text import NormalizedCorpus, Normalizer
from nmt.tokenization.tokenizer import Tokenizer, WordTokenizer


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
