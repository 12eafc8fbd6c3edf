"""data.tokenizer → tokenizers."""

from collections.abc import Iterable
from typing import assert_never

from nmt.config import data as config
from nmt.data.tokenizer import SentencePieceTokenizer, Tokenizer, TorchtextTokenizer, WordTokenizer


def train_tokenizer(section: config.TokenizerConfig, texts: Iterable[str]) -> Tokenizer:
    """A tokenizer of the kind that the section asks for, learnt from one pass over `texts`."""
    match section:
        case config.SubwordTokenizer(kind=kind, vocab_size=size, dropout=dropout):
            return SentencePieceTokenizer.train(texts, kind=kind, vocab_size=size, dropout=dropout)
        case config.CharTokenizer():
            return SentencePieceTokenizer.train(texts, kind="char")
        case config.WordTokenizer(vocab_size=size, min_frequency=least, lowercase=lowercase):
            return WordTokenizer.train(texts, vocab_size=size, min_frequency=least, lowercase=lowercase)
        case config.TorchtextTokenizer(vocab_size=size, min_frequency=least, lowercase=lowercase):
            return TorchtextTokenizer.train(texts, vocab_size=size, min_frequency=least, lowercase=lowercase)
        case _:
            assert_never(section)
