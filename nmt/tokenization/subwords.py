"""Subwords and characters by sentencepiece.

`decode(encode(text)) == text` holds for any valid text, with two exceptions: U+2581 (▁), which sentencepiece
uses for the space, comes back as a space, and characters that `printable` replaces come back as U+FFFD.
"""

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from random import Random
from typing import Self

from nmt.errors import UserError
from nmt.tokenization.regularization import BpeDropout, Sampler, UnigramSampling
from nmt.tokenization.tokenizer_files import SubwordKind, write_tokenizer
from nmt.tokenization.vocabulary import BOS, EOS, PAD, SPECIALS, UNK, Vocabulary, printable

SPACE = "\u2581"
# Largest sample of lines to train on; half a million keep unigram training under 1.5 GB.
MOST_SENTENCES = 500_000
# A space and what follows it, at most 100 characters, because sampling a very long word takes minutes.
_WORD = re.compile(f"{SPACE}[^{SPACE}]{{0,99}}|[^{SPACE}]{{1,100}}")


class SentencePieceTokenizer:
    """Subwords (BPE, Sennrich 2016; unigram, Kudo 2018) or characters; unseen characters become bytes."""

    def __init__(self, model: bytes, *, kind: SubwordKind, dropout: float = 0.0) -> None:
        import sentencepiece

        if not model:  # the library takes it, and complains at the first use
            raise UserError("it is empty")
        self._model, self._dropout = model, dropout
        self.kind: SubwordKind = kind
        self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        tokens = self._processor.id_to_piece(list(range(len(self._processor))))
        tags = takewhile(self._processor.is_control, range(len(SPECIALS), len(tokens)))
        self.vocabulary = Vocabulary(tokens, [*SPECIALS, *(tokens[i] for i in tags)])
        special = (i for i in range(len(self.vocabulary.specials)) if i != EOS)
        self.banned: tuple[int, ...] = (*special, *self.vocabulary.unprintable, *self._banned_bytes())

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        kind: SubwordKind,
        vocab_size: int | None = None,
        dropout: float = 0.0,
        tags: Sequence[str] = (),
    ) -> Self:
        """Learn a vocabulary from texts; vocab_size includes special and byte tokens, None = all (char only).

        tags: special tokens of its own, which no text spells. Of more than MOST_SENTENCES texts a sample of
        that size is used, always the same. Raises UserError if the texts are empty, support only a smaller
        vocabulary or need a larger one.
        """
        import sentencepiece

        sample = _sample(texts, MOST_SENTENCES)
        if not any(sample):
            raise UserError("the training text is empty, a tokenizer has nothing to learn from; check data")
        lines = (text.replace("\n", " ") for text in sample)  # no token may hold a line break
        model = io.BytesIO()
        pad, unk, bos, eos = SPECIALS
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=lines,
                model_writer=model,
                model_type=kind,
                vocab_size=vocab_size or 2**21,
                use_all_vocab=vocab_size is None,
                hard_vocab_limit=vocab_size is not None,
                pad_id=PAD,
                unk_id=UNK,
                bos_id=BOS,
                eos_id=EOS,
                pad_piece=pad,
                unk_piece=unk,
                bos_piece=bos,
                eos_piece=eos,
                control_symbols=list(tags),
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                add_dummy_prefix=kind != "char",
                byte_fallback=True,
                # The rarest 1 in 10,000 characters become bytes: too rare to learn, too many to keep.
                character_coverage=0.9999,
                max_sentence_length=2**30,
                num_threads=16,  # fixed: unigram training depends on it in the last bits
                minloglevel=5,
            )
        except RuntimeError as error:
            raise _explained(error, vocab_size) from error
        return cls(model.getvalue(), kind=kind, dropout=dropout)

    def _banned_bytes(self) -> Iterator[int]:
        """Yield the byte tokens of control characters; for `char` all byte tokens."""
        for i, token in enumerate(self.vocabulary.tokens):
            if self._processor.is_byte(i):
                character = chr(int(token[3:5], 16))
                if self.kind == "char" or (character.isascii() and printable(character) != character):
                    yield i

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the model file, which holds tokens and scores."""
        return hashlib.sha256(self._model).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without BOS and EOS."""
        ids: list[int] = self._processor.encode(text)
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Return `encode` of each text, on all cores."""
        ids: list[list[int]] = self._processor.encode(list(texts))
        return ids

    def sample_batch(self, texts: Sequence[str], seed: int) -> list[list[int]]:
        """Sample with `dropout`, BPE's rate of skipped merges or unigram's exponent."""
        if not self._dropout or self.kind == "char":
            return self.encode_batch(texts)
        chance = Random(seed)
        return [[i for word in self._words(text) for i in self._sampled(word, chance)] for text in texts]

    def _words(self, text: str) -> list[str]:
        """Return the words, which no token crosses, in sentencepiece's notation."""
        return _WORD.findall(SPACE + text.replace(" ", SPACE)) if text else []

    def _sampled(self, word: str, chance: Random) -> Iterator[int]:
        for token in self._sampler.segment(word, chance):
            if token in self.scores:
                yield self.vocabulary.id(token)
            else:
                yield from (self.vocabulary.id(f"<0x{byte:02X}>") for byte in token.encode())

    @cached_property
    def scores(self) -> dict[str, float]:
        """The score of each token that is text, bytes left out."""
        ids = [i for i in self.vocabulary.text_ids if not self._processor.is_byte(i)]
        return {self.vocabulary.tokens[i]: self._processor.get_score(i) for i in ids}

    @cached_property
    def _sampler(self) -> Sampler:
        kind = BpeDropout if self.kind == "bpe" else UnigramSampling
        return kind(self.scores, self._dropout)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of these ids; special ids are skipped, invalid UTF-8 becomes U+FFFD."""
        return printable(self._processor.decode([i for i in ids if not self.vocabulary.is_special(i)]))

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """Return the tokens as in the vocabulary: ▁ is a space, <0xE2> a byte."""
        return [printable(self.vocabulary.tokens[i]) for i in ids]

    def surfaces(self) -> tuple[bytes, ...]:
        """Return what each token adds to a text; see `Tokenizer`."""

        def surface(i: int, token: str) -> bytes:
            if self.vocabulary.is_special(i):
                return b""
            return (
                bytes([int(token[3:5], 16)])
                if self._processor.is_byte(i)
                else token.replace(SPACE, " ").encode()
            )

        return tuple(surface(i, token) for i, token in enumerate(self.vocabulary.tokens))

    def words(self, text: str) -> list[str]:
        """Return what stands between white space."""
        return text.split()

    def word_starts(self, ids: Sequence[int]) -> list[bool]:
        """Return which tokens begin a word; see `Tokenizer`."""
        starts = [False] * len(ids)
        between, gap = True, 0  # between two words, and the first token after the last word
        for n, i in enumerate(ids):
            if self.vocabulary.is_special(i):
                starts[n], between, gap = True, True, n + 1
                continue
            token = self.vocabulary.tokens[i]
            if token.startswith(SPACE) and not between:
                between, gap = True, n
            if between and token != SPACE:
                starts[gap], between = True, False
        starts[:1] = [True] * len(starts[:1])
        return starts

    def save(self, folder: Path, side: str) -> None:
        """Write SIDE.json and SIDE.model."""
        write_tokenizer(folder, side, self._model, kind=self.kind, dropout=self._dropout)


def _explained(error: RuntimeError, vocab_size: int | None) -> Exception:
    """Return a UserError for a wrong vocab_size; any other error of sentencepiece unchanged."""
    message = str(error)
    asked = f"data.tokenizer.vocab_size is {vocab_size}, but the training text"
    if found := re.search(r"size too high.*<= (\d+)", message):
        return UserError(f"{asked} supports at most {found[1]} tokens; set it to {found[1]} or less")
    if found := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return UserError(f"{asked} has so many characters that it needs {found[1]}; set it to that or more")
    return error


def _sample(texts: Iterable[str], most: int) -> list[str]:
    """Return all texts, or a uniform sample of `most`, always the same (Vitter 1985, algorithm R)."""
    kept: list[str] = []
    chance = Random(1)
    for n, text in enumerate(texts):
        if n < most:
            kept.append(text)
        elif (place := chance.randrange(n + 1)) < most:
            kept[place] = text
    return kept
