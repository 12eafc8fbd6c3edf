"""nmt.decoding.torch_engine: ids in, ids out; a batch changes nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.builders.translator import load_translator
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.options import TranslationOptions
from nmt.decoding.search import SearchSettings, Step
from nmt.decoding.torch_engine import TorchEngine
from nmt.errors import Diverged
from nmt.models import Source
from nmt.tokenization.vocabulary import BOS, EOS

ROWS = [[10, 20, 30], [40, 50], [60, 70, 80, 90], [5]]


@pytest.fixture
def engine(tiny_run: Path) -> TorchEngine:
    options = TranslationOptions(models=(tiny_run,), precision="float64", n_best=2)
    return load_translator(options).engine


def test_the_batches_change_nothing(engine: TorchEngine) -> None:
    single = replace(engine, tokens_per_batch=1)
    keys = [(1, n) for n in range(len(ROWS))]
    targets = [[*row, EOS] for row in ROWS[::-1]]
    for one, other in zip(single.hypotheses(ROWS), engine.hypotheses(ROWS), strict=True):
        assert [each.ids for each in one] == [each.ids for each in other]
        assert [each.score for each in one] == pytest.approx([each.score for each in other], abs=1e-12)
    assert single.sample(ROWS, keys=keys) == engine.sample(ROWS, keys=keys)
    forced = zip(single.force(ROWS, targets=targets), engine.force(ROWS, targets=targets), strict=True)
    for some, others in forced:
        assert some == pytest.approx(others, abs=1e-12)


def test_forced_log_probabilities_are_those_of_the_search(engine: TorchEngine) -> None:
    for rank in range(2):
        found = [hypotheses[rank] for hypotheses in engine.hypotheses(ROWS, details=True)]
        forced = engine.force(ROWS, targets=[[*each.ids, EOS] for each in found])
        assert [len(each) for each in forced] == [len(each.ids) + 1 for each in found]
        assert [sum(each) for each in forced] == pytest.approx([each.log_prob for each in found], abs=1e-10)
        for each, hypothesis in zip(forced, found, strict=True):
            assert hypothesis.token_log_probs == pytest.approx(each, abs=1e-10)


def test_an_alignment_is_a_float_array_over_the_batch(engine: TorchEngine) -> None:
    for row, hypotheses in zip(ROWS, engine.hypotheses(ROWS, details=True), strict=True):
        assert 1 <= len(hypotheses) <= 2
        for each in hypotheses:
            assert isinstance(each.alignment, np.ndarray)
            assert each.alignment.dtype == np.float64
            assert each.alignment.shape == (len(each.ids) + 1, 5)
            np.testing.assert_allclose(each.alignment[:, : len(row) + 1].sum(1), 1.0)
    plain = engine.hypotheses(ROWS[:1])[0][0]
    assert (plain.alignment, plain.token_log_probs) == (None, None)


def test_nothing_gives_nothing(engine: TorchEngine) -> None:
    assert engine.hypotheses([]) == []
    assert engine.sample([], keys=[]) == []
    assert engine.force([], targets=[]) == []


class Scorer:
    """A scorer that finds all tokens alike, and looks at every place alike in a type of its own."""

    def __init__(self, log_prob: float, dtype: torch.dtype = torch.float32) -> None:
        self.log_prob, self.dtype = log_prob, dtype

    def start(self, source: Source) -> tuple[Tensor, Tensor]:
        return source.ids, torch.zeros(len(source.ids))

    def step(self, y_prev: Tensor, memory: Tensor, state: Tensor) -> Step:
        log_probs = torch.full((len(y_prev), 6), self.log_prob)
        return Step(log_probs, state, torch.full((len(y_prev), memory.shape[1]), 0.25, dtype=self.dtype))


def made(scorer: Scorer) -> TorchEngine:
    search = SearchSettings(beam=1, penalty=LengthPenalty(alpha=0.0, offset=0.0), bos=BOS, eos=EOS)
    device = torch.device("cpu")
    return TorchEngine(scorer, search, tokens_per_batch=100, device=device, precision="float32")


def test_numpy_has_no_bfloat16() -> None:
    ((found,),) = made(Scorer(-1.0, torch.bfloat16)).hypotheses([[5, 5, 5]], details=True)
    assert found.alignment is not None
    assert found.alignment.dtype == np.float32
    assert (found.alignment == 0.25).all()


@pytest.mark.parametrize("log_prob", [float("nan"), float("-inf")])
def test_a_model_that_gives_no_number_is_an_error(log_prob: float) -> None:
    with pytest.raises(Diverged, match="gives no translation"):
        made(Scorer(log_prob)).hypotheses([[5], [5, 5]])
