"""The corpus that comes with the package: English–German pairs that a synchronous grammar writes.

It holds what makes translation more than copying: articles and adjectives that agree, verbs in second
and in last place, separable verbs, compounds, numbers and dates in words, pronouns that follow the
gender of their noun. `tables` and `lexicon` have the words, `grammar` turns phrases and clauses into either
language, `clauses` fills them by luck, `sentences` joins them; here stand the splits.

The splits hold out *combinations*. Every adjective with its noun and every verb with its object belongs,
by a hash of the two words, to train (5 of 6), validation or test (1 of 12 each). A training sentence has
combinations of train alone; a test sentence has one of test at least and none of validation; and the
other way round. So no sentence is in two splits, and BLEU on test measures how well a model puts together
what it has never seen together. The words themselves it knows: each word of validation and test, in the
form and with the capital that it has there, stands in the first 10,000 training pairs of the same seed.
"""

from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Literal
from zlib import crc32

from nmt.data.builtin.sentences import Writer
from nmt.errors import UserError

LANGUAGES = ("de", "en")
# So many distinct pairs were written in full when tried (seed 3); there are more.
LIMITS = {"train": 1_000_000, "validation": 100_000, "test": 100_000}
_PRIMER = 10_000  # training pairs that hold every word of the other splits

Split = Literal["train", "validation", "test"]


def pairs(split: Split, count: int, *, seed: int) -> Iterator[tuple[str, str]]:
    """The first `count` distinct pairs (German, English) of a split; the same everywhere for one seed.

    A smaller count gives the beginning of a larger one. UserError when the count is beyond what the
    split is known to hold.
    """
    limit = LIMITS[split]
    if count > limit:
        raise UserError(
            f"data.builtin.{split}: the built-in corpus holds {limit:,} {split} pairs, found {count:,}; "
            f"ask for {limit:,} or fewer"
        )
    return _distinct(split, count, seed)


def split_of(first: str, second: str) -> Split:
    """The split that owns a combination: adjective and noun, or verb and object, as dictionary forms."""
    bucket = crc32(f"{first} {second}".encode()) % 12
    return "test" if bucket == 0 else "validation" if bucket == 1 else "train"


_owner = cache(split_of)


@cache
def _known_words(seed: int) -> frozenset[str]:
    return frozenset(
        word for pair in _distinct("train", _PRIMER, seed) for text in pair for word in words(text)
    )


def words(text: str) -> list[str]:
    """The words of a sentence of this corpus, without its punctuation."""
    return text.replace(",", "").rstrip(".?").split()


def _distinct(split: Split, count: int, seed: int) -> Iterator[tuple[str, str]]:
    writer = Writer(Random(f"{split} {seed}"))
    owned = set() if split == "train" else {split}
    known = None if split == "train" else _known_words(seed)
    seen: set[str] = set()
    while len(seen) < count:
        german, english = writer.sentence()
        if {_owner(*combination) for combination in writer.combinations} - {"train"} != owned:
            continue
        if german in seen or (known and not known.issuperset(words(german) + words(english))):
            continue
        seen.add(german)
        yield german, english
