"""Whose fault is a bad translation: of the search, which missed a better one, or of the model.

All is in float64 and by the score that the search goes by, length penalty included.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from nmt.builders.translator import load_translator
from nmt.decoding.options import TranslationOptions
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator

EQUAL = 1e-9  # scores as close as this are of one text, summed in another order


class Scored(NamedTuple):
    """A text with the score that the search goes by."""

    text: str
    score: float


class Judged(NamedTuple):
    """The translation of a sentence, and what the model gives a higher score.

    reference: None if the search may not write it: it holds a banned token or is too long. better: the best
    output found that is better than the translation. proved: no output is better than it, or than the
    translation where there is none.
    """

    translation: Scored
    reference: Scored | None
    better: Scored | None
    proved: bool

    @property
    def reference_wins(self) -> bool:
        """Whether the search missed the reference, which is better than the translation."""
        return self.reference is not None and self.reference.score > self.translation.score + EQUAL

    @property
    def is_best(self) -> bool:
        """Whether no output is better than the translation."""
        return self.proved and not self.gap

    @property
    def best(self) -> Scored:
        """The best text that was seen."""
        seen = (self.translation, self.reference, self.better)
        return max((each for each in seen if each is not None), key=lambda each: each.score)

    @property
    def gap(self) -> float:
        """How much better than the translation the best text is."""
        gap = self.best.score - self.translation.score
        return gap if gap > EQUAL else 0.0


def judge(options: TranslationOptions, pairs: Sequence[tuple[str, str]], *, most: int) -> Iterator[Judged]:
    """Yield for each source and reference what the search found and what it missed.

    Each source is translated as a whole. most: how many prefixes the exact search extends for a sentence; 0
    for none. Raises UserError like `load_translator`.
    """
    translator = load_translator(replace(options, precision="float64"))
    engine, decode = translator.engine, translator.trg_tokenizer.decode
    (rows, *others), targets = translator.encoded(pairs)
    found = [each[0] for each in engine.hypotheses(rows, *others)]
    forced = engine.force(rows, *others, targets=targets)
    exact = engine.better(rows, *others, above=[each.score for each in found], most=most)
    for row, ids, log_probs, best, (_, text) in zip(rows, targets, forced, found, pairs, strict=True):
        other = next(exact)
        differs = other.best is not None and other.best.ids != best.ids
        yield Judged(
            translation=Scored(decode(best.ids), best.score),
            reference=Scored(text, engine.score(sum(log_probs), len(log_probs)))
            if _can_write(translator, row, ids)
            else None,
            better=Scored(decode(other.best.ids), other.best.score) if other.best and differs else None,
            proved=other.proved,
        )


def _can_write(translator: Translator[TorchEngine], row: list[int], ids: Sequence[int]) -> bool:
    fits = len(ids) - 1 <= translator.engine.longest(row)
    return fits and set(ids).isdisjoint(translator.trg_tokenizer.banned)
