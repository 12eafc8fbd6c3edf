"""Check whether translations depend on batch size, order or precision; report and judge each difference.

The reference is torch's search in float64, in the order of the file and with the run's own batch size. int8,
the default of `nmt translate` on a CPU, has its own reference: differences from float64 are only reported,
differences from its own reference are judged.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import isfinite
from random import Random
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from nmt.builders.engine import open_translator
from nmt.builders.hardware import choose_device
from nmt.builders.translator import load_translator
from nmt.data.batches import pad
from nmt.decoding.engine import Engine
from nmt.decoding.options import TranslationOptions
from nmt.decoding.search import beam_search
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.errors import CannotExport
from nmt.jobs.blocks import BLOCK
from nmt.machine import Precision
from nmt.models import Source
from nmt.runtime.engine import GraphEngine
from nmt.tokenization.vocabulary import EOS

Order: TypeAlias = Literal["as it is", "reversed", "shuffled"]
Batch: TypeAlias = Literal["usual", "an eighth", "one"]


class Bound(NamedTuple):
    """Fewer than one line in `lines` may differ, and only where two candidates were this close."""

    lines: int
    tie: float  # of log-probabilities


# In float64 and int8 no line may differ: products in int8 are exact, and each row has its own scale.
BOUNDS: dict[Precision, Bound] = {"float32": Bound(2000, 1e-4)}


class Way(NamedTuple):
    """A precision, an order of the lines, and a batch size as a fraction of the usual one."""

    precision: Precision
    order: Order
    batch: Batch


class Difference(NamedTuple):
    """A line (from 1) whose tokens differ from the reference.

    closest: the closest decision of its search in torch; infinity for a search on ONNX Runtime.
    """

    line: int
    expected: str
    found: str
    closest: float


@dataclass(frozen=True)
class Outcome:
    """One way of decoding compared with the reference; score_gap: the largest over the equal lines."""

    way: Way
    lines: int
    differences: list[Difference]
    score_gap: float
    judged: bool = True

    @property
    def passed(self) -> bool:
        """Return whether the differences are allowed.

        Without a bound none is. Otherwise one line, or fewer than the bound, may differ, and only at a tie.
        """
        if not self.judged:
            return True
        bound = BOUNDS.get(self.way.precision)
        if bound is None:
            return not self.differences
        rare = len(self.differences) <= 1 or len(self.differences) * bound.lines < self.lines
        return rare and all(difference.closest <= bound.tie for difference in self.differences)


class _Decoded(NamedTuple):
    ids: list[list[int]]  # for each part of the line
    score: float


_VARIED: list[tuple[Order, Batch]] = [
    ("as it is", "an eighth"),
    ("as it is", "one"),
    ("reversed", "usual"),
    ("shuffled", "an eighth"),
]
_USUAL: tuple[Order, Batch] = ("as it is", "usual")


def ways(precisions: Sequence[Precision]) -> list[Way]:
    """Return every way to compare, in order; the usual way in float64 is the reference."""
    every = [Way(precision, *varied) for precision in precisions for varied in (_USUAL, *_VARIED)]
    return [way for way in every if way != Way("float64", *_USUAL)]


def check_run(options: TranslationOptions, lines: Sequence[str]) -> Iterator[Outcome]:
    """Yield the outcome of each way to decode the lines with a run's model, as soon as it is known.

    int8 is among the ways on a CPU, if all layers of the model have an ONNX graph.
    """
    translators: dict[Precision, Translator[Engine]] = {
        "float64": load_translator(replace(options, precision="float64")),
        "float32": load_translator(replace(options, precision="float32")),
    }
    if choose_device(options.device).type == "cpu":
        with suppress(CannotExport):
            translators["int8"] = open_translator(replace(options, precision="int8"))
    return check(translators, lines)


def check(translators: Mapping[Precision, Translator[Engine]], lines: Sequence[str]) -> Iterator[Outcome]:
    """Yield the outcome of each way, with a translator for each precision; float64 is one of them."""
    exact = translators["float64"]
    reference = _decode(exact, lines, *_USUAL)
    references = dict.fromkeys(translators, reference)
    for way in ways(list(translators)):
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


def _decode(
    translator: Translator[Engine], lines: Sequence[str], order: Order, batch: Batch
) -> list[_Decoded]:
    numbers = list(range(len(lines)))
    if order == "reversed":
        numbers.reverse()
    elif order == "shuffled":
        Random(1).shuffle(numbers)
    engine = _in_batches(translator.engine, batch)
    decoded: dict[int, _Decoded] = {}
    for begin in range(0, len(numbers), BLOCK):
        block = numbers[begin : begin + BLOCK]
        parts = {i: [part.ids for part in translator.parts(lines[i])] for i in block}
        found = iter(engine.hypotheses([ids for rows in parts.values() for ids in rows]))
        for i, rows in parts.items():
            best = [next(found)[0] for _ in rows]
            decoded[i] = _Decoded([each.ids for each in best], sum(each.score for each in best))
    return [decoded[i] for i in range(len(lines))]


def _in_batches(engine: Engine, batch: Batch) -> Engine:
    """Return the engine with another size of batches."""
    assert isinstance(engine, TorchEngine | GraphEngine)
    usual = engine.tokens_per_batch
    return replace(engine, tokens_per_batch={"usual": usual, "an eighth": usual // 8, "one": 0}[batch])


def _pieces(translator: Translator[Engine], decoded: _Decoded) -> str:
    return " ".join(token for ids in decoded.ids for token in translator.trg_tokenizer.tokens(ids))


def closest_decision(translator: Translator[Engine], line: str) -> float:
    """Return the smallest gap between a kept and a dropped candidate in the search for a line.

    At each step: the log-probability gap between the last candidate kept and the first dropped. At the end:
    the score gap between the best two. Infinity if the search is a graph, which shows no candidates.
    """
    engine = translator.engine
    if not isinstance(engine, TorchEngine):
        return float("inf")
    return min((_closest(engine, part.ids) for part in translator.parts(line)), default=float("inf"))


def _closest(engine: TorchEngine, src: list[int]) -> float:
    gaps = [float("inf")]
    lengths = torch.tensor([len(src) + 1], device=engine.device)
    source = Source(pad([src], last=EOS).to(engine.device), lengths)
    settings = replace(engine.search, n_best=1)

    def observe(rows: Tensor, found: Tensor) -> None:
        gaps.extend(gap for gap in found.tolist() if isfinite(gap))

    beam_search(engine.scorer, source, settings.limits(lengths), settings, observer=observe)
    return min(gaps)
