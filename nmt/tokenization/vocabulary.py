"""Tokens and their ids; the first four ids mean the same in every vocabulary."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self, TypeGuard

from nmt.errors import UserError
from nmt.records import parse_json

# The special tokens of every vocabulary, and their ids: a special token's place is its id.
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")
PAD, UNK, BOS, EOS = range(len(SPECIALS))
# What may end a line, control a terminal or is not a character: control characters except the tab, U+2028,
# U+2029 and halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def printable(text: str) -> str:
    """Return the text with U+FFFD for control characters, line ends and halves of surrogate pairs."""
    return _UNPRINTABLE.sub("\ufffd", text)


class Vocabulary:
    """An ordered set of tokens: the place of a token is its id.

    specials: the tokens that no text has, which come first: `SPECIALS`, and after them tags of its own.
    """

    def __init__(self, tokens: Iterable[str], specials: Sequence[str] = SPECIALS) -> None:
        self.tokens, self.specials = tuple(tokens), tuple(specials)
        if self.specials[: len(SPECIALS)] != SPECIALS:
            raise UserError(f"special tokens start with {SPECIALS}, found {self.specials[: len(SPECIALS)]}")
        first = self.tokens[: len(self.specials)]
        if first != self.specials:
            raise UserError(f"a vocabulary starts with {self.specials}, found {first}")
        # Without the special tokens: a text that spells "</s>" must not end the sentence.
        self._ids = {self.tokens[i]: i for i in self.text_ids}
        if len(self._ids) != len(self.text_ids) or len(set(self.specials)) != len(self.specials):
            raise UserError("expected every token of a vocabulary once, found one twice")

    @property
    def text_ids(self) -> range:
        """The ids of all tokens that are text."""
        return range(len(self.specials), len(self.tokens))

    def is_special(self, i: int) -> bool:
        """Whether an id is that of a special token."""
        return i < len(self.specials)

    @classmethod
    def from_counts(
        cls, counts: Counter[str], *, size: int | None, min_frequency: int, tags: Sequence[str] = ()
    ) -> Self:
        """Return the most frequent tokens, ties by code point; size includes specials, None keeps all."""
        specials = [*SPECIALS, *tags]
        kept = [p for p, n in counts.items() if n >= min_frequency and p not in specials]
        kept.sort(key=lambda p: (-counts[p], p))
        return cls([*specials, *kept][:size], specials)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Return the vocabulary that `to_json` wrote; raises UserError for anything else."""
        try:
            content = parse_json(data)
        except ValueError as error:
            raise UserError(f"not a JSON list of tokens ({error})") from None
        if _are_tokens(content):
            return cls(content)
        if not isinstance(content, dict) or not content.keys() <= {"specials", "tokens"}:
            raise UserError("not a JSON list of tokens (Input should be a valid list)")
        specials, tokens = content.get("specials", []), content.get("tokens", [])
        if not _are_tokens(specials) or not _are_tokens(tokens):
            raise UserError("not a JSON list of tokens (Input should be a valid string)")
        return cls([*specials, *tokens], specials)

    def to_json(self) -> bytes:
        """A JSON list of the tokens, one a line; with tags an object of two lists, specials and tokens."""
        content: object = self.tokens
        if self.specials != SPECIALS:
            content = {"specials": self.specials, "tokens": self.tokens[len(self.specials) :]}
        return (json.dumps(content, ensure_ascii=False, indent=0) + "\n").encode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the tokens in their order, and over how many of them are special if there are tags."""
        content = [self.tokens] if self.specials == SPECIALS else [len(self.specials), self.tokens]
        return hashlib.sha256(" ".join(map(json.dumps, content)).encode()).hexdigest()

    @property
    def unprintable(self) -> tuple[int, ...]:
        """The ids of tokens that no line of text may hold; see `printable`."""
        return tuple(i for i, token in enumerate(self.tokens) if _UNPRINTABLE.search(token))

    def id(self, token: str) -> int:
        """Return the id of a token; UNK if it is unknown or spells a special token."""
        return self._ids.get(token, UNK)

    @property
    def tags(self) -> tuple[str, ...]:
        """The special tokens of its own, in their order."""
        return self.specials[len(SPECIALS) :]

    def tag(self, name: str) -> int:
        """Return the id of a tag; raises UserError if there is none of that name."""
        if name not in self.tags:
            found = ", ".join(self.tags) or "none"
            raise UserError(f"the tag {name} is no token of this source vocabulary: its tags are {found}")
        return self.specials.index(name)

    def __len__(self) -> int:
        return len(self.tokens)


def _are_tokens(content: object) -> TypeGuard[list[str]]:
    return isinstance(content, list) and all(isinstance(each, str) for each in content)
