"""What of a raw text is read: the one way to ids that preparation, validation and translation share."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nmt.config.data import DataConfig, Normalization
from nmt.data.corpus import Corpus, Pair, Split, WrappedCorpus
from nmt.tokenization.tokenizer import Tokenizer


class Normalizer(NamedTuple):
    """Raw text → the text that is read: no white space at the ends, in form NFC where asked for.

    strip: off for language models, which read a text as it stands.
    """

    form: Normalization = "none"
    strip: bool = True

    @classmethod
    def of(cls, data: DataConfig) -> "Normalizer":
        """The normalizer of a run, by its data section."""
        return cls(data.normalize, strip=data.text is None)

    def __call__(self, text: str) -> str:
        """The text that is read; of that it is the same text again."""
        if self.form == "nfc" and not text.isascii():
            text = unicodedata.normalize("NFC", text)
        return text.strip() if self.strip else text


class TextEncoder(NamedTuple):
    """Raw text → ids, the same wherever it is read."""

    tokenizer: Tokenizer
    normalize: Normalizer = Normalizer()

    def encode(self, text: str) -> list[int]:
        """The ids of a raw text, without BOS and EOS."""
        return self.tokenizer.encode(self.normalize(text))

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """`encode` of each, faster."""
        return self.tokenizer.encode_batch([self.normalize(text) for text in texts])


class NormalizedCorpus(WrappedCorpus):
    """A corpus whose texts are normalized as they are read; the key of what is prepared says how."""

    def __init__(self, corpus: Corpus, normalize: Normalizer) -> None:
        super().__init__(corpus)
        self._normalize = normalize

    def pairs(self, split: Split) -> Iterator[Pair]:
        """The pairs of a split in their order, both texts normalized."""
        for src, trg in self.corpus.pairs(split):
            yield Pair(self._normalize(src), self._normalize(trg))
