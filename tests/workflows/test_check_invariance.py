"""nmt.workflows.check_invariance: a dependence on neighbours is found, and a tie is told from a mistake."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt.builders.engine import open_translator
from nmt.builders.translator import load_translator
from nmt.decoding.options import TranslationOptions
from nmt.decoding.search import Step
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.errors import CannotExport
from nmt.models import Source
from nmt.tokenization.vocabulary import EOS
from nmt.workflows.check_invariance import (
    Difference,
    Outcome,
    Precision,
    Way,
    check,
    check_run,
    closest_decision,
    ways,
)

LINES = ["der Hund läuft", "", "the dog runs quickly across a street", "schnell.", "die Straße, der Hund"]

BOTH: list[Precision] = ["float64", "float32"]


class Swayed:
    """A scorer that likes piece 100 best and 101 less by `gap`, unless many rows come together."""

    def __init__(self, size: int, gap: float, *, sway: float) -> None:
        self.size, self.gap, self.sway = size, gap, sway

    def start(self, source: Source) -> tuple[Tensor, Tensor]:
        return source.lengths, torch.zeros(len(source.ids))

    def step(self, y_prev: Tensor, memory: Tensor, state: Tensor) -> Step:
        logits = torch.zeros(len(y_prev), self.size, dtype=torch.float64)
        logits[:, 100] = 5.0
        logits[:, 101] = 5.0 - self.gap + (self.sway if len(memory) > 1 else 0.0)
        logits[:, EOS] = 3.0
        return Step(logits.log_softmax(-1), state, None)


def swayed(
    run: Path, gap: float, *, exact: float, rough: float, beam: int = 1
) -> dict[Precision, Translator[TorchEngine]]:
    found: dict[Precision, Translator[TorchEngine]] = {}
    for precision, sway in (("float64", exact), ("float32", rough)):
        translator = load_translator(TranslationOptions(models=(run,), beam=beam))
        scorer = Swayed(len(translator.trg_tokenizer.vocabulary), gap, sway=sway)
        engine = replace(translator.engine, scorer=scorer)
        found[precision] = replace(translator, engine=engine)  # type: ignore[index]
    return found


@pytest.mark.slow
def test_a_run_is_the_same_in_every_way(tiny_run: Path) -> None:
    lines = [*LINES, "der Hund, " * 40]
    outcomes = list(check_run(TranslationOptions(models=(tiny_run,), device="cpu"), lines))
    assert [each.way for each in outcomes] == ways(["float64", "float32", "int8"])
    assert [each.way for each in outcomes if not each.judged] == [Way("int8", "as it is", "usual")]
    assert all(each.passed and each.lines == len(lines) for each in outcomes)
    assert not any(each.differences for each in outcomes if each.judged)
    assert max(each.score_gap for each in outcomes if each.way.precision == "float64") < 1e-12


def test_a_layer_without_a_graph_is_not_checked_in_int8(
    tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise CannotExport("SomeCell cannot be exported")

    monkeypatch.setattr("nmt.workflows.check_invariance.open_translator", refuse)
    outcomes = check_run(TranslationOptions(models=(tiny_run,), beam=1, device="cpu"), LINES[:1])
    assert [each.way for each in outcomes] == ways(BOTH)


def test_what_the_neighbours_change_in_float64_is_wrong(tiny_run: Path) -> None:
    outcomes = list(check(swayed(tiny_run, 1e-6, exact=1e-3, rough=0.0), LINES))
    wrong = {each.way: each for each in outcomes if not each.passed}
    assert Way("float64", "as it is", "one") in wrong
    differences = wrong[Way("float64", "as it is", "one")].differences
    assert [each.line for each in differences] == [1, 3, 4, 5]
    assert differences[0].expected != differences[0].found
    assert differences[0].closest == pytest.approx(1e-6)


@pytest.mark.parametrize(("gap", "passed"), [(1e-6, True), (1e-3, False)])
def test_in_float32_one_line_may_differ_where_it_is_a_tie(tiny_run: Path, gap: float, passed: bool) -> None:
    translators = swayed(tiny_run, gap, exact=0.0, rough=2 * gap)
    outcomes = {each.way: each for each in check(translators, ["", *LINES[:1] * 2])}
    assert all(each.passed for way, each in outcomes.items() if way.precision == "float64")
    usual = outcomes[Way("float32", "as it is", "usual")]
    assert len(usual.differences) == 2  # too many of three
    assert not usual.passed
    assert outcomes[Way("float32", "as it is", "one")].differences == []
    assert Outcome(usual.way, 3, usual.differences[:1], 0.0).passed == passed


def test_int8_is_compared_with_float64_but_judged_by_itself(tiny_run: Path) -> None:
    translators = swayed(tiny_run, 1e-6, exact=0.0, rough=0.1)
    translators["int8"] = translators.pop("float32")
    outcomes = {each.way: each for each in check(translators, LINES)}
    usual, one = (outcomes[Way("int8", "as it is", batch)] for batch in ("usual", "one"))
    assert len(usual.differences) == 4
    assert usual.passed
    assert len(one.differences) == 4  # alone it is what float64 gives, but not what int8 gave
    assert not one.passed


def test_how_many_lines_may_differ() -> None:
    way, close, far = Way("float32", "as it is", "one"), *(Difference(1, "a", "b", x) for x in (9e-5, 2e-4))
    assert Outcome(way, 10_000, [close] * 4, 0.0).passed
    assert not Outcome(way, 10_000, [close] * 5, 0.0).passed
    assert not Outcome(way, 10_000, [far], 0.0).passed


@pytest.mark.parametrize("precision", ["float64", "int8"])
def test_what_is_exact_may_differ_in_no_line(precision: Precision) -> None:
    way = Way(precision, "as it is", "one")
    assert Outcome(way, 10_000, [], 0.0).passed
    assert not Outcome(way, 10_000, [Difference(1, "a", "b", 0.0)], 0.0).passed


@pytest.mark.parametrize(
    ("beam", "gap", "closest"),
    [
        (1, 0.25, 0.25),  # one slot keeps 100 and drops 101
        (2, 0.25, 0.25 * 6 / 7),  # two keep both and drop </s>; at the end their scores are compared
        (2, 1.9, 0.1),  # 101 is hardly better than </s>
    ],
)
def test_the_closest_decision_is_between_the_last_kept_and_the_first_dropped(
    tiny_run: Path, beam: int, gap: float, closest: float
) -> None:
    translator = swayed(tiny_run, gap, exact=0.0, rough=0.0, beam=beam)["float64"]
    two_steps = replace(translator.engine.search, max_ratio=0.01, max_extra=2)
    translator = replace(translator, engine=replace(translator.engine, search=two_steps))
    assert closest_decision(translator, "der Hund") == pytest.approx(closest)
    assert closest_decision(translator, " ") == float("inf")


def test_a_graph_shows_no_decisions(tiny_run: Path) -> None:
    translator = open_translator(TranslationOptions(models=(tiny_run,), device="cpu", precision="int8"))
    assert closest_decision(translator, "der Hund") == float("inf")
