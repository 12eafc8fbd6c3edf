"""What happens to text before it is tokenized, as papers prepare it: Moses, lowercase."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.tokenization.moses import Moses
from nmt.tokenization.tokenizer_files import Kind, add_preprocessing
from nmt.tokenization.vocabulary import Vocabulary

if TYPE_CHECKING:
    from nmt.tokenization.tokenizer import Tokenizer

_KEPT, _LONGEST = 8192, 1000  # texts that are remembered, and their longest, in characters


@dataclass(frozen=True)
class Preprocessing:
    """Lowercases text, then splits it by Moses; equal ones do it alike.

    moses: the language, "" for none. See `check`.
    """

    moses: str = ""
    lowercase: bool = False

    def __bool__(self) -> bool:
        """Say whether it changes anything."""
        return self.lowercase or bool(self.moses)

    def check(self) -> None:
        """Raise UserError if Moses is not installed, or does not know the language."""
        if self.moses:
            self._moses.join("")

    def __call__(self, text: str) -> str:
        """Return the text as the tokenizer reads it."""
        return self._remembered(text) if len(text) <= _LONGEST else self._changed(text)

    def undo(self, text: str) -> str:
        """Return what the model wrote as a person writes it; lowercase stays."""
        return self._moses.join(text) if self.moses else text

    def _changed(self, text: str) -> str:
        text = text.lower() if self.lowercase else text
        return self._moses.split(text) if self.moses else text

    @cached_property
    def _remembered(self) -> Callable[[str], str]:
        """`_changed`; preparation asks for the same text once for each of its segmentations."""
        return lru_cache(_KEPT)(self._changed)

    @cached_property
    def _moses(self) -> Moses:
        return Moses(self.moses, "data.preprocess.moses")


class PreprocessedTokenizer:
    """A tokenizer that reads text after some preprocessing, and decodes without it.

    Two sides with one vocabulary may differ in the language of Moses.
    """

    def __init__(self, inner: "Tokenizer", preprocessing: Preprocessing) -> None:
        self.inner, self.preprocessing = inner, preprocessing
        self.vocabulary: Vocabulary = inner.vocabulary
        self.banned: tuple[int, ...] = inner.banned

    @property
    def kind(self) -> Kind:
        """The kind of the tokenizer inside."""
        return self.inner.kind

    @property
    def fingerprint(self) -> str:
        """SHA-256 over that of the tokenizer inside and the preprocessing."""
        how = f"{self.inner.fingerprint} {self.preprocessing.moses} {self.preprocessing.lowercase}"
        return hashlib.sha256(how.encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Return the ids of a raw text, without BOS and EOS."""
        return self.inner.encode(self.preprocessing(text))

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return `encode` of each text, faster."""
        return self.inner.encode_batch([self.preprocessing(text) for text in texts])

    def sample_batch(self, texts: Sequence[str], seed: int) -> list[list[int]]:
        """Return one random segmentation of each text; see `Tokenizer`."""
        return self.inner.sample_batch([self.preprocessing(text) for text in texts], seed)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of these ids as a person writes it; lowercase stays."""
        return self.preprocessing.undo(self.inner.decode(ids))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens as in the vocabulary, printable, for a person."""
        return self.inner.tokens(ids)

    def surfaces(self) -> tuple[bytes, ...]:
        """Return what each token adds to a text, as the model writes it."""
        return self.inner.surfaces()

    def word_starts(self, ids: Sequence[int]) -> list[bool]:
        """Return which tokens begin a word: one of Moses, if it splits the text."""
        return self.inner.word_starts(ids)

    def words(self, text: str) -> list[str]:
        """Return the words of a raw text, of which `word_starts` says where they start."""
        return [self.preprocessing.undo(word) for word in self.inner.words(self.preprocessing(text))]

    def save(self, folder: Path, side: str) -> None:
        """Write SIDE.json and the file it describes."""
        self.inner.save(folder, side)
        add_preprocessing(
            folder, side, moses=self.preprocessing.moses, lowercase=self.preprocessing.lowercase
        )


def preprocessing_of(tokenizer: "Tokenizer") -> Preprocessing:
    """Return what the tokenizer does to text first, which may be nothing."""
    return tokenizer.preprocessing if isinstance(tokenizer, PreprocessedTokenizer) else Preprocessing()


def without_preprocessing(tokenizer: "Tokenizer") -> "Tokenizer":
    """Return the tokenizer of preprocessed text, which decodes what a model wrote as it wrote it."""
    return tokenizer.inner if isinstance(tokenizer, PreprocessedTokenizer) else tokenizer


def words_as_written(tokenizer: "Tokenizer", text: str) -> list[str]:
    """Return the words of a raw text as a model writes them, with what Moses escapes."""
    return without_preprocessing(tokenizer).words(preprocessing_of(tokenizer)(text))


def preprocessed(
    src: "Tokenizer", trg: "Tokenizer", how: tuple[Preprocessing, Preprocessing]
) -> tuple["Tokenizer", "Tokenizer"]:
    """Return the tokenizers of both sides with their preprocessing, one object if they are alike."""
    first, second = (
        PreprocessedTokenizer(each, given) if given else each
        for each, given in zip((src, trg), how, strict=True)
    )
    return first, first if src is trg and how[0] == how[1] else second
