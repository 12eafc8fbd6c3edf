"""What a model reads of a text as a whole. Needs no torch."""

from dataclasses import replace
from math import inf
from pathlib import Path
from typing import NamedTuple, Self

from nmt.data.lengths import TrainingLengths
from nmt.data.sentences import Ends, count_sentences, sentence_ends
from nmt.data.text import TextEncoder


class SourceReader(NamedTuple):
    """How one model reads a source: in tokens of its own, at most max_source at a time.

    Several sentences are read together up to `tokens` and `sentences`. ends: where sentences end.
    """

    encoder: TextEncoder
    max_source: int
    tokens: float = inf
    sentences: float = inf
    ends: Ends = sentence_ends

    def fits(self, text: str, *, several: bool) -> bool:
        """Say whether it reads the text, of several sentences or of one, as a whole."""
        if several and count_sentences(text, self.ends) > self.sentences:
            return False
        most = min(self.max_source, self.tokens) if several else self.max_source
        return len(self.encoder.encode(text)) <= most


class SourceLimits(NamedTuple):
    """What a model translates as a whole: a sentence of so many tokens, several as training showed them."""

    max_source: int
    lengths: TrainingLengths

    @classmethod
    def of(cls, tokenizers: Path, configured: int, *, asked: int | None = None) -> Self:
        """Return the limits of a model with these tokenizers, beside which the lengths of training lie.

        configured: its decoding.max_source. asked: tokens that are translated as a whole in place of both;
        how many sentences is as before. A run from before there were lengths translates each sentence by
        itself.
        """
        most = asked or configured
        lengths = TrainingLengths.load(tokenizers) or TrainingLengths(tokens=most)
        return cls(most, replace(lengths, tokens=asked) if asked else lengths)

    def reader(self, encoder: TextEncoder, *, split: bool = True, ends: Ends = sentence_ends) -> SourceReader:
        """Return how a model with these limits reads; split: False leaves out what training showed."""
        if not split:
            return SourceReader(encoder, self.max_source, ends=ends)
        return SourceReader(encoder, self.max_source, self.lengths.tokens, self.lengths.sentences, ends)
