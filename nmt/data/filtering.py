"""Which training pairs are dropped, and why; one reason per example, never the text itself.

Of several corpora, a pair is a duplicate of one with the same tag, and it is in test or validation if it is
there in either direction.
Pairs are compared by 64-bit hashes: among 5 million, any two collide with probability 1e-6.
"""

import hashlib
import unicodedata
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nmt.config.data import Filters
from nmt.data.corpus import Pair, Split
from nmt.data.encoded import Lengths

Reasons: TypeAlias = NDArray[np.uint8]


class Reason(IntEnum):
    """Why a training pair is dropped; the first reason that holds counts."""

    KEPT = 0
    EMPTY = 1  # only white space on one side
    IN_TEST = 2
    IN_VALIDATION = 3
    DUPLICATE = 4  # of an earlier pair
    TOO_LONG = 5
    RATIO = 6


@dataclass(frozen=True)
class Scan:
    """The facts about a split after one pass without a tokenizer.

    sides: the hash of each pair by which it is sought in other splits; that of a pair in either order, where
    there are corpora of several directions.
    """

    hashes: NDArray[np.uint64]  # (rows,) one for each pair with its tag
    sides: NDArray[np.uint64]  # (rows,)
    empty: NDArray[np.bool_]  # (rows,)
    sha256: str  # over "src \t trg \n", or "trg \n" of monolingual text, of all rows, UTF-8
    decomposed: int  # texts that are not in form NFC

    def __len__(self) -> int:
        return len(self.hashes)


def scan(pairs: Iterable[Pair], *, monolingual: bool = False, tags: Iterable[str] | None = None) -> Scan:
    """Read pairs once, keeping 9 bytes per pair in memory; monolingual text has only a target.

    tags: that of each pair, of several corpora; then a pair takes 17 bytes.
    """
    hashes, sides, empty, digest, decomposed = array("Q"), array("Q"), bytearray(), hashlib.sha256(), 0
    of_each = iter(tags) if tags is not None else None
    for pair in pairs:
        src, trg = pair.src.encode(), pair.trg.encode()
        digest.update(b"%b\n" % trg if monolingual else b"%b\t%b\n" % (src, trg))
        if of_each is None:
            hashes.append(_hash(src, trg))
        else:
            hashes.append(_hash(src, trg, next(of_each).encode()))
            sides.append(_hash(*sorted((src, trg))))
        empty.append(not (monolingual or pair.src.strip()) or not pair.trg.strip())
        decomposed += sum(not unicodedata.is_normalized("NFC", text) for text in pair)
    found = np.array(hashes, np.uint64)
    return Scan(
        hashes=found,
        sides=found if tags is None else np.array(sides, np.uint64),
        empty=np.frombuffer(empty, np.bool_),
        sha256=digest.hexdigest(),
        decomposed=decomposed,
    )


def _hash(*texts: bytes) -> int:
    # 0xff never occurs in UTF-8, so different texts give different bytes.
    return int.from_bytes(hashlib.blake2b(b"\xff".join(texts), digest_size=8).digest(), "little")


def by_text(scans: Mapping[Split, Scan], filters: Filters) -> tuple[Reasons, dict[Split, int]]:
    """Return a reason per training example from its text alone, and the overlap with other splits.

    Overlap is counted even if the filters do not drop it; a pair in both splits counts for test.
    """
    train = scans["train"]
    reasons = np.where(train.empty, np.uint8(Reason.EMPTY), np.uint8(Reason.KEPT))
    overlap: dict[Split, int] = {}
    found = train.empty.copy()
    held_out: dict[Split, Reason] = {"test": Reason.IN_TEST, "validation": Reason.IN_VALIDATION}
    for split, reason in held_out.items():
        if split in scans:
            inside = np.isin(train.sides, scans[split].sides) & ~found
            overlap[split] = int(inside.sum())
            found |= inside
            if filters.drop_test_overlap:
                reasons[inside] = reason
    if filters.drop_duplicates:
        kept = np.flatnonzero(reasons == Reason.KEPT)
        _, first = np.unique(train.hashes[kept], return_index=True)
        again = np.ones(len(kept), np.bool_)
        again[first] = False
        reasons[kept[again]] = Reason.DUPLICATE
    return reasons, overlap


def by_length(src_lengths: Lengths, trg_lengths: Lengths, filters: Filters) -> Reasons:
    """Return a reason per example from its lengths in tokens alone."""
    longer = np.maximum(src_lengths, trg_lengths)
    shorter = np.maximum(np.minimum(src_lengths, trg_lengths), 1)
    reasons = np.where(longer > filters.max_ratio * shorter, np.uint8(Reason.RATIO), np.uint8(Reason.KEPT))
    reasons[longer > filters.max_length] = Reason.TOO_LONG
    return reasons


def counts(reasons: Reasons) -> dict[str, int]:
    """Return the number of examples dropped for each reason, by its name in lower case."""
    number = np.bincount(reasons, minlength=len(Reason))
    return {reason.name.lower(): int(number[reason]) for reason in Reason if reason is not Reason.KEPT}


_WORDS = {
    "empty": "with an empty side",
    "in_test": "also in test",
    "in_validation": "also in validation",
    "duplicate": "exact duplicates",
    "too_long": "too long",
    "ratio": "with sides of too different length",
}


def describe(dropped: Mapping[str, int]) -> str:
    """Return the result of `counts` as text; "" for nothing."""
    return ", ".join(f"{count:,} {_WORDS[reason]}" for reason, count in dropped.items() if count)
