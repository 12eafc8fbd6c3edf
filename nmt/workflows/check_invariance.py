"""Does what a run translates depend on batch size, order or precision? Every difference, and may it be.

The reference is the search in float64, in the order of the file and with the run's own batches. The rounded
precision that `nmt translate` takes by itself has a reference of its own: that it differs from float64 is
reported, that it differs from itself is judged.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from random import Random
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from nmt.builders.hardware import choose_device, choose_translation_precision
from nmt.builders.translator import load_translator
from nmt.data.batches import pad
from nmt.decoding.options import TranslationOptions
from nmt.decoding.search import beam_search
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.jobs.blocks import BLOCK
from nmt.machine import Precision
from nmt.models import Source
from nmt.tokenization.vocabulary import EOS

TorchTranslator: TypeAlias = Translator[TorchEngine]
Order: TypeAlias = Literal["as it is", "reversed", "shuffled"]
Batch: TypeAlias = Literal["usual", "an eighth", "one"]


class Bound(NamedTuple):
    """Fewer than one line in so many may differ, and only where the search chose between two this close."""

    lines: int
    tie: float  # of log-probabilities


# In int8 a last bit turns one of the 254 steps of an activation, and with it log-probabilities by some 1e-3.
BOUNDS: dict[Precision, Bound] = {"float32": Bound(2000, 1e-4), "int8": Bound(500, 1e-2)}


class Way(NamedTuple):
    """A precision, an order of the lines, and how much of the usual batch is decoded together."""

    precision: Precision
    order: Order
    batch: Batch


class Difference(NamedTuple):
    """A line, counted from 1, whose pieces are not as expected; the closest decision of its search."""

    line: int
    expected: str
    found: str
    closest: float


@dataclass(frozen=True)
class Outcome:
    """What one way of decoding gave beside the reference; score_gap is the largest of the lines alike."""

    way: Way
    lines: int
    differences: list[Difference]
    score_gap: float
    judged: bool = True

    @property
    def passed(self) -> bool:
        """Below float64 a single line may differ, or as many as the precision's bound says; only ties."""
        if not self.judged:
            return True
        bound = BOUNDS.get(self.way.precision)
        if bound is None:
            return not self.differences
        rare = len(self.differences) <= 1 or len(self.differences) * bound.lines < self.lines
        return rare and all(difference.closest <= bound.tie for difference in self.differences)


class _Decoded(NamedTuple):
    ids: list[list[int]]  # of each part of the line
    score: float


_VARIED: list[tuple[Order, Batch]] = [
    ("as it is", "an eighth"),
    ("as it is", "one"),
    ("reversed", "usual"),
    ("shuffled", "an eighth"),
]
_USUAL: tuple[Order, Batch] = ("as it is", "usual")


def ways(precisions: Sequence[Precision]) -> list[Way]:
    """Return every way that is compared, in order; the usual one in float64 is the reference."""
    every = [Way(precision, *varied) for precision in precisions for varied in (_USUAL, *_VARIED)]
    return [way for way in every if way != Way("float64", *_USUAL)]


def check_run(options: TranslationOptions, lines: Sequence[str]) -> Iterator[Outcome]:
    """Yield the outcome of each way to decode the lines with a run's model, as soon as it is there."""

    def load(precision: Precision) -> TorchTranslator:
        return load_translator(replace(options, precision=precision))

    shipped = choose_translation_precision("auto", choose_device(options.device))
    return check(load, lines, ("float64", "float32", "int8") if shipped == "int8" else ("float64", "float32"))


def check(
    load: Callable[[Precision], TorchTranslator],
    lines: Sequence[str],
    precisions: Sequence[Precision],
) -> Iterator[Outcome]:
    """Yield the outcome of each way in the precisions for the translators that `load` gives."""
    exact = load("float64")
    translators = {
        precision: exact if precision == "float64" else load(precision) for precision in precisions
    }
    reference = _decode(exact, lines, *_USUAL)
    references = dict.fromkeys(precisions, reference)
    for way in ways(precisions):
        translator = translators[way.precision]
        found = _decode(translator, lines, way.order, way.batch)
        pairs = list(enumerate(zip(references[way.precision], found, strict=True)))
        differences = [
            Difference(i + 1, _pieces(exact, a), _pieces(exact, b), closest_decision(translator, lines[i]))
            for i, (a, b) in pairs
            if a.ids != b.ids
        ]
        gap = max((abs(a.score - b.score) for _, (a, b) in pairs if a.ids == b.ids), default=0.0)
        rounded = way == Way("int8", *_USUAL)
        if rounded:
            references["int8"] = found
        yield Outcome(way, len(lines), differences, gap, judged=not rounded)


def _decode(translator: TorchTranslator, lines: Sequence[str], order: Order, batch: Batch) -> list[_Decoded]:
    numbers = list(range(len(lines)))
    if order == "reversed":
        numbers.reverse()
    elif order == "shuffled":
        Random(1).shuffle(numbers)
    usual = translator.engine.tokens_per_batch
    engine = replace(
        translator.engine, tokens_per_batch={"usual": usual, "an eighth": usual // 8, "one": 0}[batch]
    )
    decoded: dict[int, _Decoded] = {}
    for begin in range(0, len(numbers), BLOCK):
        block = numbers[begin : begin + BLOCK]
        parts = {i: [part.ids for part in translator.parts(lines[i])] for i in block}
        found = iter(engine.hypotheses([ids for rows in parts.values() for ids in rows]))
        for i, rows in parts.items():
            best = [next(found)[0] for _ in rows]
            decoded[i] = _Decoded([each.ids for each in best], sum(each.score for each in best))
    return [decoded[i] for i in range(len(lines))]


def _pieces(translator: TorchTranslator, decoded: _Decoded) -> str:
    return " ".join(piece for ids in decoded.ids for piece in translator.trg_tokenizer.tokens(ids))


def closest_decision(translator: TorchTranslator, line: str) -> float:
    """Return the smallest gap between what the search for a line kept and what it dropped for it.

    That is, of log-probabilities, at each step between the last candidate kept and the first dropped, and at
    the end, of scores, between the best two.
    """
    parts = translator.parts(line)
    return min((_closest(translator.engine, part.ids) for part in parts), default=float("inf"))


def _closest(engine: TorchEngine, src: list[int]) -> float:
    gaps = [float("inf")]
    lengths = torch.tensor([len(src) + 1], device=engine.device)
    source = Source(pad([src], last=EOS).to(engine.device), lengths)
    settings = replace(engine.search, n_best=1)

    def observe(rows: Tensor, found: Tensor) -> None:
        gaps.extend(gap for gap in found.tolist() if isfinite(gap))

    beam_search(engine.scorer, source, settings.limits(lengths), settings, observer=observe)
    return min(gaps)
