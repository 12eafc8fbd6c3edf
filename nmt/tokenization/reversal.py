"""A target that is written from its last token to its first: the tokenizer reverses, no one else does."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.tokenization.preprocessing import PreprocessedTokenizer, without_preprocessing
from nmt.tokenization.tokenizer_files import Kind, add_reversal
from nmt.tokenization.vocabulary import Vocabulary

if TYPE_CHECKING:
    from nmt.tokenization.tokenizer import Tokenizer


class ReversedTokenizer:
    """A tokenizer whose ids begin with the last token of a text; it decodes such ids to the text.

    What it gives for each of the ids stands in their order. Preprocessing goes around it.
    """

    def __init__(self, inner: "Tokenizer") -> None:
        self.inner = inner
        self.vocabulary: Vocabulary = inner.vocabulary
        self.banned: tuple[int, ...] = inner.banned

    @property
    def kind(self) -> Kind:
        """The kind of the tokenizer inside."""
        return self.inner.kind

    @property
    def fingerprint(self) -> str:
        """SHA-256 over that of the tokenizer inside and the direction."""
        return hashlib.sha256(f"{self.inner.fingerprint} reversed".encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text from its last token to its first, without BOS and EOS."""
        return self.inner.encode(text)[::-1]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return `encode` of each text, faster."""
        return [ids[::-1] for ids in self.inner.encode_batch(texts)]

    def sample_batch(self, texts: Sequence[str], seed: int) -> list[list[int]]:
        """Return one random segmentation of each text; see `Tokenizer`."""
        return [ids[::-1] for ids in self.inner.sample_batch(texts, seed)]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of these ids, of which the last comes first."""
        return self.inner.decode(ids[::-1])

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens as in the vocabulary, printable, for a person."""
        return self.inner.tokens(ids)

    def surfaces(self) -> tuple[bytes, ...]:
        """Return what each token adds to a text; see `Tokenizer`."""
        return self.inner.surfaces()

    def word_starts(self, ids: Sequence[int]) -> list[bool]:
        """Return which tokens begin a word, which are the last ones of their words here."""
        return self.inner.word_starts(ids[::-1])[::-1]

    def words(self, text: str) -> list[str]:
        """Return the words of a text as they stand in it, the first word first."""
        return self.inner.words(text)

    def save(self, folder: Path, side: str) -> None:
        """Write SIDE.json and the file it describes."""
        self.inner.save(folder, side)
        add_reversal(folder, side)


def is_reversed(tokenizer: "Tokenizer") -> bool:
    """Say whether the ids of a text begin with its last token."""
    return isinstance(without_preprocessing(tokenizer), ReversedTokenizer)


def reading_order(tokenizer: "Tokenizer", count: int) -> list[int]:
    """Return the places of so many target ids, of which </s> is the last, as their text is read."""
    places = range(count - 1)
    return [*(reversed(places) if is_reversed(tokenizer) else places), count - 1]


def right_to_left(tokenizer: "Tokenizer") -> "Tokenizer":
    """Return the tokenizer that reverses the ids of this one, after the same preprocessing."""
    if isinstance(tokenizer, PreprocessedTokenizer):
        return PreprocessedTokenizer(right_to_left(tokenizer.inner), tokenizer.preprocessing)
    return ReversedTokenizer(tokenizer)


def left_to_right(tokenizer: "Tokenizer") -> "Tokenizer":
    """Return the tokenizer of the same ids in the order of the text; itself if it is that one."""
    match tokenizer:
        case ReversedTokenizer():
            return tokenizer.inner
        case PreprocessedTokenizer() if is_reversed(tokenizer):
            return PreprocessedTokenizer(left_to_right(tokenizer.inner), tokenizer.preprocessing)
    return tokenizer
