"""The data section → tokenizers, and the normalizer of what they read."""

from collections.abc import Iterable
from pathlib import Path
from typing import assert_never

from nmt.config import data as config
from nmt.data.text import Normalizer
from nmt.errors import UserError
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers
from nmt.tokenization.words import TorchtextTokenizer, WordTokenizer

LearntTokenizer = (
    config.SubwordTokenizer | config.CharTokenizer | config.WordTokenizer | config.TorchtextTokenizer
)


def build_normalizer(data: config.DataConfig) -> Normalizer:
    """Return how raw text is normalized."""
    return Normalizer(data.normalize, strip=data.text is None)


def train_tokenizer(section: LearntTokenizer, texts: Iterable[str]) -> Tokenizer:
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


def saved_tokenizers(section: config.SavedTokenizer, *, pairs: bool) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of both sides that lie in the section's folder; for text the target's, twice.

    UserError if there are none, or where for pairs they are not shared as the section says.
    """
    src, trg = load_tokenizers(Path(section.path))
    if not pairs:
        return trg, trg
    if (src is trg) != section.shared:
        raise UserError(
            f"data.tokenizer.shared is {section.shared}, but {section.path} holds "
            f"{'one for both sides' if src is trg else 'one for each side'}; set it to {src is trg}"
        )
    return src, trg
