"""Tokenizers that were trained on a few words."""

import random
from typing import Literal

from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.words import WordTokenizer

SubwordKind = Literal["bpe", "unigram", "char"]
KINDS: tuple[SubwordKind, ...] = ("bpe", "unigram", "char")
SIZES: dict[SubwordKind, int | None] = {"bpe": 330, "unigram": 300, "char": None}
WORDS = "der Hund läuft schnell über die Straße the dog runs quickly across a street Ein Mann sitzt".split()


def some_texts(count: int = 300) -> list[str]:
    chance = random.Random(1)
    return [" ".join(chance.choices(WORDS, k=8)) + "." for _ in range(count)]


def trained(kind: SubwordKind, *, dropout: float = 0.0) -> SentencePieceTokenizer:
    return SentencePieceTokenizer.train(some_texts(), kind=kind, vocab_size=SIZES[kind], dropout=dropout)


SUBWORDS = {kind: trained(kind, dropout=0.0 if kind == "char" else 0.2) for kind in KINDS}


def word_tokenizer(*, lowercase: bool = False) -> WordTokenizer:
    texts = ["Der Hund , der schläft .", "der Hund frisst .", "<s> <unk>"]
    return WordTokenizer.train(texts, vocab_size=None, min_frequency=2, lowercase=lowercase)
