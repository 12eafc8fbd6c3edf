"""From raw text to ids: the one path shared by preparation, validation and translation."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from nmt.data.corpus import Corpus, Pair, Split, WrappedCorpus
from nmt.tokenization.tokenizer import Tokenizer


class Normalizer(NamedTuple):
    """Normalizes raw text: strips white space at both ends, and composes characters (NFC) if configured.

    strip: off for language models, which read a text as it stands.
    """

    form: Literal["none", "nfc"] = "none"
    strip: bool = True

    def __call__(self, text: str) -> str:
        """Return the normalized text; normalizing it again changes nothing."""
        if self.form == "nfc" and not text.isascii():
            text = unicodedata.normalize("NFC", text)
        return text.strip() if self.strip else text


def tagged(ids: list[int], tag: int | None) -> list[int]:
    """Return the ids of a source behind its tag, if there is one; a source without tokens stays empty."""
    return ids if tag is None or not ids else [tag, *ids]


class TextEncoder(NamedTuple):
    """Encodes raw text as ids, everywhere in the same way.

    tag: the id of the special token before a source, which says how it is translated; None = none.
    """

    tokenizer: Tokenizer
    normalize: Normalizer = Normalizer()
    tag: int | None = None

    def with_tag(self, name: str) -> "TextEncoder":
        """Return it with a tag, "" for none; raises UserError where the vocabulary lacks it."""
        return self._replace(tag=self.tokenizer.vocabulary.tag(name) if name else None)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a raw text, without BOS and EOS."""
        return tagged(self.tokenizer.encode(self.normalize(text)), self.tag)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return `encode` of each text, faster."""
        found = self.tokenizer.encode_batch([self.normalize(text) for text in texts])
        return [tagged(ids, self.tag) for ids in found]


class NormalizedCorpus(WrappedCorpus):
    """A corpus whose texts are normalized on reading; the key of the prepared data includes how."""

    def __init__(self, corpus: Corpus, normalize: Normalizer) -> None:
        super().__init__(corpus)
        self._normalize = normalize

    def pairs(self, split: Split) -> Iterator[Pair]:
        for src, trg in self.corpus.pairs(split):
            yield Pair(self._normalize(src), self._normalize(trg))
