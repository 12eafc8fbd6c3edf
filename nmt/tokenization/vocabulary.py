"""Pieces and their ids; the first four ids mean the same in every vocabulary."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Self

from pydantic import TypeAdapter, ValidationError

from nmt.errors import UserError

PAD, UNK, BOS, EOS = 0, 1, 2, 3
# What ends a line for some reader, steers a terminal or is no character: all control characters but the tab,
# U+2028, U+2029 and the halves of surrogate pairs.
_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PIECES = TypeAdapter(list[str])
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")


def printable(text: str) -> str:
    """The text as part of a line: U+FFFD for a control character, line end or half of a surrogate pair."""
    return _UNPRINTABLE.sub("\ufffd", text)


class Vocabulary:
    """An ordered set of pieces: the place of a piece is its id, ids 0 to 3 are `SPECIALS`."""

    def __init__(self, pieces: Iterable[str]) -> None:
        self.pieces = tuple(pieces)
        if self.pieces[: len(SPECIALS)] != SPECIALS:
            raise UserError(f"a vocabulary starts with {SPECIALS}, found {self.pieces[: len(SPECIALS)]}")
        # The specials are left out: a text that spells "</s>" must not end the sentence.
        self._ids = {piece: i for i, piece in enumerate(self.pieces) if i > EOS}
        if len(self._ids) != len(self.pieces) - len(SPECIALS):
            raise UserError("a vocabulary holds every piece once, found a piece twice")

    @classmethod
    def from_counts(cls, counts: Counter[str], *, size: int | None, min_frequency: int) -> Self:
        """The most frequent pieces, ties by code point; `size` counts the specials, None keeps all."""
        kept = [p for p, n in counts.items() if n >= min_frequency and p not in SPECIALS]
        kept.sort(key=lambda p: (-counts[p], p))
        return cls([*SPECIALS, *kept][:size])

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """The vocabulary that `to_json` wrote; UserError for anything else."""
        try:
            return cls(_PIECES.validate_json(data, strict=True))
        except ValidationError as error:
            raise UserError(f"not a JSON list of pieces ({error.errors()[0]['msg']})") from None

    def to_json(self) -> bytes:
        """A JSON list of the pieces, one a line."""
        return (json.dumps(self.pieces, ensure_ascii=False, indent=0) + "\n").encode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the pieces in their order."""
        return hashlib.sha256(json.dumps(self.pieces).encode()).hexdigest()

    @property
    def unprintable(self) -> tuple[int, ...]:
        """The ids of pieces that no line of text may hold; see `printable`."""
        return tuple(i for i, piece in enumerate(self.pieces) if _UNPRINTABLE.search(piece))

    def id(self, piece: str) -> int:
        """The id of a piece of text; UNK for what is not here, and for text that spells a special piece."""
        return self._ids.get(piece, UNK)

    def __len__(self) -> int:
        return len(self.pieces)
