"""Words between spaces, and the words of torchtext; rare ones (`<unk>`) and the spacing are lost."""

import hashlib
import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Literal, Self

from nmt.errors import UserError
from nmt.tokenization.tokenizer_files import write_tokenizer
from nmt.tokenization.vocabulary import EOS, SPECIALS, UNK, Vocabulary, printable


class WordTokenizer:
    """Words between white space, for text that is already tokenised (by Moses or others).

    Punctuation is not split off. Words outside the vocabulary become UNK, which a search may emit as `<unk>`.
    Decoding joins words by single spaces.
    """

    kind: Literal["word", "torchtext"] = "word"

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool) -> None:
        self.vocabulary, self.lowercase = vocabulary, lowercase
        self._split = self._splitter(lowercase=lowercase)
        special = (i for i in range(len(vocabulary.specials)) if i not in (UNK, EOS))
        self.banned: tuple[int, ...] = (*special, *vocabulary.unprintable)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        vocab_size: int | None,
        min_frequency: int,
        lowercase: bool,
        tags: Sequence[str] = (),
    ) -> Self:
        """Keep words seen `min_frequency` times or more, at most `vocab_size` including special tokens.

        tags: special tokens of its own. Raises UserError if no word is left.
        """
        split = cls._splitter(lowercase=lowercase)
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(split(text))
        vocabulary = cls._keep(counts, size=vocab_size, min_frequency=min_frequency, tags=tags)
        if not vocabulary.text_ids:
            raise UserError(
                f"no word of the training text occurs data.tokenizer.min_frequency = {min_frequency} times "
                f"({len(counts)} distinct words); lower it or check data"
            )
        return cls(vocabulary, lowercase=lowercase)

    @staticmethod
    def _splitter(*, lowercase: bool) -> Callable[[str], list[str]]:
        return (lambda text: text.lower().split()) if lowercase else str.split

    @staticmethod
    def _keep(
        counts: Counter[str], *, size: int | None, min_frequency: int, tags: Sequence[str]
    ) -> Vocabulary:
        return Vocabulary.from_counts(counts, size=size, min_frequency=min_frequency, tags=tags)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the kind, the case and the words."""
        parts = f"{self.kind} {self.lowercase} {self.vocabulary.fingerprint}"
        return hashlib.sha256(parts.encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Return the ids of the words, UNK for those outside the vocabulary."""
        return [self.vocabulary.id(word) for word in self._split(text)]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return `encode` of each text."""
        return [self.encode(text) for text in texts]

    def sample_batch(self, texts: Sequence[str], seed: int) -> list[list[int]]:
        """Return `encode` of each text; words have one segmentation."""
        return self.encode_batch(texts)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the words joined by spaces; special tokens are skipped, UNK is `<unk>`."""
        special = self.vocabulary.is_special
        return " ".join(self.tokens([i for i in ids if i == UNK or not special(i)]))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the words as in the vocabulary."""
        return [printable(self.vocabulary.tokens[i]) for i in ids]

    def surfaces(self) -> tuple[bytes, ...]:
        """Return what each token adds to a text; see `Tokenizer`."""
        return tuple(
            b"" if self.vocabulary.is_special(i) and i != UNK else f" {token}".encode()
            for i, token in enumerate(self.vocabulary.tokens)
        )

    def word_starts(self, ids: Sequence[int]) -> list[bool]:
        """Return True for every token."""
        return [True] * len(ids)

    def words(self, text: str) -> list[str]:
        """Return the words, in lower case if the vocabulary is."""
        return self._split(text)

    def save(self, folder: Path, side: str) -> None:
        """Write SIDE.json and SIDE.pieces.json."""
        data = self.vocabulary.to_json()
        write_tokenizer(folder, side, data, kind=self.kind, lowercase=self.lowercase)


class TorchtextTokenizer(WordTokenizer):
    """The words and vocabulary of torchtext 0.6, to repeat older experiments (extra: torchtext).

    Lowercased text is split by `get_tokenizer("basic_english")`, other text by `get_tokenizer(None)` (white
    space); `Vocab` keeps the words. Raises UserError if the package is missing.
    """

    kind = "torchtext"

    @staticmethod
    def _splitter(*, lowercase: bool) -> Callable[[str], list[str]]:
        splitter: Callable[[str], list[str]] = _torchtext("torchtext.data.utils").get_tokenizer(
            "basic_english" if lowercase else None
        )
        return splitter

    @staticmethod
    def _keep(
        counts: Counter[str], *, size: int | None, min_frequency: int, tags: Sequence[str]
    ) -> Vocabulary:
        specials = [*SPECIALS, *tags]
        most = None if size is None else size - len(specials)  # torchtext does not count the specials
        kept = _torchtext("torchtext.vocab").Vocab(counts, most, min_frequency, specials=specials)
        return Vocabulary(kept.itos, specials)


def _torchtext(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"data.tokenizer.kind torchtext needs the extra of that name ({error}); "
            "install it with: pip install torchtext==0.6.0"
        ) from None
