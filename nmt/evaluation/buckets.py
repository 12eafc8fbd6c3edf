"""Where a system is good or bad: scores by length and by rareness of words, and faults that can be counted.

S sentences. A text is a list of words a sentence, split as BLEU splits it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from nmt.evaluation.verdict import Counts, bleu

Words: TypeAlias = Sequence[str]
LENGTHS = (1, 6, 11, 16, 21, 31, 51)  # the first length of each bucket
FREQUENCIES = (0, 1, 2, 5, 10, 100, 1000)
RATIOS = (0.0, 0.5, 0.8, 1.25, 2.0)
LONGEST_PHRASE = 4  # words that are looked for twice in a row
LETTERS = 4  # of a word that counts as copied: shorter ones are often the same in both languages


class SentenceBucket(NamedTuple):
    """Some of the sentences: their number, their BLEU, and words of the outputs for one of the references."""

    label: str
    sentences: int
    bleu: float
    ratio: float


class WordBucket(NamedTuple):
    """Words of one frequency: those in the references and in the outputs, and those in both."""

    label: str
    wanted: int
    given: int
    right: int

    @property
    def f1(self) -> float | None:
        """2 right / (wanted + given) in percent, None of no words."""
        return 200 * self.right / (self.wanted + self.given) if self.wanted + self.given else None


class Faults(NamedTuple):
    """The numbers of the sentences with each fault, from 0.

    empty: no output for a source that is not blank. copies: the output is the source, and the reference is
    not. repeats: a phrase stands twice in a row, and in the reference none does. copied_words: the output
    holds a word of four letters or more of the source that is not in the reference.
    """

    empty: list[int]
    copies: list[int]
    repeats: list[int]
    copied_words: list[int]


def split_words(texts: Iterable[str], tokenize: str) -> list[list[str]]:
    """Return the words of each text, as sacreBLEU's tokenizer of this name splits them."""
    from sacrebleu.metrics.bleu import BLEU

    split = BLEU(tokenize=tokenize).tokenizer
    return [str(split(text.strip())).split() for text in texts]


def bucket_labels(edges: Sequence[int]) -> list[str]:
    """Return the names of the buckets that begin at these whole numbers, such as 1–5 and 51 or more."""
    ends = [str(a) if b == a + 1 else f"{a}–{b - 1}" for a, b in pairwise(edges)]
    return [*ends, f"{edges[-1]:,} or more"]


def bucket_of(value: float, edges: Sequence[float]) -> int:
    """Return the number of the bucket that a value falls in; what is below the first edge is in the first."""
    return max(0, int(np.searchsorted(edges, value, side="right")) - 1)


def sentence_buckets(
    of_sentence: Sequence[int], labels: Sequence[str], counts: Counts
) -> list[SentenceBucket]:
    """Return BLEU and length ratio of the sentences in each bucket; empty ones are left out.

    of_sentence: the number of the bucket of each sentence. counts: those of `counts_of`, (S, 10).
    """
    found = []
    for number, label in enumerate(labels):
        chosen = counts[np.array(of_sentence) == number]
        if len(chosen):
            total = chosen.sum(axis=0)
            ratio = total[0] / total[1] if total[1] else 0.0
            found.append(SentenceBucket(label, len(chosen), bleu(total), float(ratio)))
    return found


def word_buckets(
    outputs: Sequence[Words], references: Sequence[Words], known: Mapping[str, int]
) -> list[WordBucket]:
    """Return how many words of each frequency are wanted, given and right.

    known: how often each word stands in the training text. A word is right if the reference of its sentence
    has it too, each of the reference's for one word (as in compare-mt, Neubig et al. 2019).
    """
    wanted, given, right = (Counter[int]() for _ in range(3))
    for output, reference in zip(outputs, references, strict=True):
        a, b = Counter(output), Counter(reference)
        for counts, total in ((b, wanted), (a, given), (a & b, right)):
            for word, times in counts.items():
                total[bucket_of(known.get(word, 0), FREQUENCIES)] += times
    labels = ["never", *bucket_labels(FREQUENCIES[1:])]
    return [WordBucket(label, wanted[n], given[n], right[n]) for n, label in enumerate(labels)]


def ratio_counts(outputs: Sequence[Words], references: Sequence[Words]) -> list[int]:
    """Return how many sentences have a length ratio in each bucket of RATIOS.

    An empty reference counts as one word.
    """
    found = [0] * len(RATIOS)
    for output, reference in zip(outputs, references, strict=True):
        found[bucket_of(len(output) / max(1, len(reference)), RATIOS)] += 1
    return found


def find_faults(sources: Sequence[Words], outputs: Sequence[Words], references: Sequence[Words]) -> Faults:
    """Return the sentences with faults that need no judgement."""
    faults = Faults([], [], [], [])
    for number, (src, out, ref) in enumerate(zip(sources, outputs, references, strict=True)):
        if src and not out:
            faults.empty.append(number)
        if out and _folded(out) == _folded(src) != _folded(ref):
            faults.copies.append(number)
        if repeats(out) and not repeats(ref):
            faults.repeats.append(number)
        if any(len(word) >= LETTERS and word.isalpha() for word in {*out} & {*src} - {*ref}):
            faults.copied_words.append(number)
    return faults


def repeats(words: Words) -> bool:
    """Say whether a phrase of one to four words stands twice in a row; punctuation alone does not count."""
    return any(
        words[at : at + size] == words[at + size : at + 2 * size]
        and any(char.isalnum() for word in words[at : at + size] for char in word)
        for size in range(1, LONGEST_PHRASE + 1)
        for at in range(len(words) - 2 * size + 1)
    )


def _folded(words: Words) -> list[str]:
    return [word.casefold() for word in words]
