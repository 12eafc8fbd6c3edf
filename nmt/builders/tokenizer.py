"""The data section → tokenizers and the text normalizer."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import assert_never

from nmt.config import data as config
from nmt.data.text import Normalizer
from nmt.errors import UserError
from nmt.tokenization.preprocessing import preprocessing_of, without_preprocessing
from nmt.tokenization.reversal import left_to_right
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers
from nmt.tokenization.words import TorchtextTokenizer, WordTokenizer

LearntTokenizer = (
    config.SubwordTokenizer | config.CharTokenizer | config.WordTokenizer | config.TorchtextTokenizer
)


def build_normalizer(data: config.DataConfig) -> Normalizer:
    """Return the normalizer of raw text."""
    return Normalizer(data.normalize, strip=data.text is None)


def train_tokenizer(section: LearntTokenizer, texts: Iterable[str], tags: Sequence[str] = ()) -> Tokenizer:
    """Return a tokenizer of the configured kind, trained in one pass over `texts`; tags: special tokens."""
    match section:
        case config.SubwordTokenizer(kind=kind, vocab_size=size, dropout=dropout):
            return SentencePieceTokenizer.train(texts, kind=kind, vocab_size=size, dropout=dropout, tags=tags)
        case config.CharTokenizer():
            return SentencePieceTokenizer.train(texts, kind="char", tags=tags)
        case config.WordTokenizer(vocab_size=size, min_frequency=least, lowercase=lowercase):
            return WordTokenizer.train(
                texts, vocab_size=size, min_frequency=least, lowercase=lowercase, tags=tags
            )
        case config.TorchtextTokenizer(vocab_size=size, min_frequency=least, lowercase=lowercase):
            return TorchtextTokenizer.train(
                texts, vocab_size=size, min_frequency=least, lowercase=lowercase, tags=tags
            )
        case _:
            assert_never(section)


def saved_tokenizers(section: config.SavedTokenizer, *, pairs: bool) -> tuple[Tokenizer, Tokenizer]:
    """Return the tokenizers of both sides from the section's folder; for plain text the target's, twice.

    Of a run that writes from right to left, the target's goes from left to right again. Raises UserError if
    there are none, or if `shared` differs from the section (for pairs).
    """
    src, written = load_tokenizers(Path(section.path))
    trg = left_to_right(written)
    if not pairs:
        return trg, trg
    # With preprocessing, or reversed, a shared vocabulary may be of two tokenizers.
    shared = src is trg or (
        (trg is not written or bool(preprocessing_of(src)))
        and without_preprocessing(src).fingerprint == without_preprocessing(trg).fingerprint
    )
    if shared != section.shared:
        raise UserError(
            f"data.tokenizer.shared is {section.shared}, but {section.path} holds "
            f"{'one for both sides' if shared else 'one for each side'}; set it to {shared}"
        )
    return src, src if shared and src.fingerprint == trg.fingerprint else trg
