"""nmt.decoding.scorers: models together. What each does alone is known; so is what they must do together."""

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.builders.model import build_language_model, build_model
from nmt.config.model import DecoderConfig, EncoderConfig, LanguageModelConfig, ModelConfig
from nmt.data.batches import pad
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.engine import Hypothesis
from nmt.decoding.forcing import force
from nmt.decoding.processors import Ban
from nmt.decoding.sampling import SamplingSettings, sample
from nmt.decoding.scorers import EnsembleScorer, FusionScorer, LanguageModelScorer, ModelScorer
from nmt.decoding.search import SearchSettings, Step, StepScorer, beam_search
from nmt.errors import UserError
from nmt.models import Source
from nmt.tokenization.vocabulary import BOS, EOS, PAD, UNK

V = 40
SETTINGS = SearchSettings(
    beam=4,
    penalty=LengthPenalty(alpha=1.0, offset=5.0),
    bos=BOS,
    eos=EOS,
    processors=(Ban((PAD, UNK, BOS)),),
    n_best=3,
)


def model(seed: int, *, hidden: int = 12, layers: int = 1, dtype: torch.dtype = torch.float64) -> ModelScorer:
    torch.manual_seed(seed)
    encoder = EncoderConfig(hidden=hidden, layers=layers)
    decoder = DecoderConfig(hidden=hidden, layers=layers)
    return ModelScorer(
        _strong(build_model(ModelConfig(embedding=8, encoder=encoder, decoder=decoder), V, V), dtype)
    )


def language_model(seed: int, dtype: torch.dtype = torch.float64) -> LanguageModelScorer:
    torch.manual_seed(seed)
    made = build_language_model(LanguageModelConfig(embedding=8, hidden=10, layers=2), V)
    return LanguageModelScorer(_strong(made, dtype))


def _strong(made: torch.nn.Module, dtype: torch.dtype) -> torch.nn.Module:
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(2)  # a model drawn anew finds all pieces alike
    return made.to(dtype).eval()


def sentences(count: int, longest: int = 12) -> list[list[int]]:
    lengths = torch.randint(1, longest, (count,)).tolist()
    return [torch.randint(EOS + 1, V, (length,)).tolist() for length in lengths]


def batch(rows: list[list[int]]) -> Source:
    return Source(pad(rows, last=EOS), torch.tensor([len(row) + 1 for row in rows]))


def search(
    scorer: StepScorer, source: object, rows: list[list[int]], **changes: int
) -> list[list[Hypothesis]]:
    limits = SETTINGS.limits(torch.tensor([len(row) + 1 for row in rows]))
    return beam_search(scorer, source, limits, SETTINGS, details=True)


def first_step(scorer: StepScorer, source: object, rows: int) -> Tensor:
    memory, state = scorer.start(source)
    step = scorer.step(torch.full((rows,), BOS), memory, state)
    return step.log_probs


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("count", [2, 3])
def test_an_ensemble_of_a_model_with_itself_is_the_model(count: int, dtype: torch.dtype) -> None:
    one, rows = model(1, dtype=dtype), sentences(20)
    source = batch(rows)
    alone = search(one, source, rows)
    together = search(EnsembleScorer([one] * count, same_source=True), (source,) * count, rows)
    assert together == alone  # ids, scores and log-probabilities, to the last bit
    for (a, *_), (b, *_) in zip(together, alone, strict=True):
        assert a.alignment is not None
        assert b.alignment is not None
        np.testing.assert_allclose(a.alignment, b.alignment, rtol=1.3e-6, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_fusion_of_weight_0_is_the_model(dtype: torch.dtype) -> None:
    one, rows = model(1, dtype=dtype), sentences(20)
    source = batch(rows)
    assert search(FusionScorer(one, language_model(2, dtype), 0.0), source, rows) == search(one, source, rows)


def test_an_ensemble_gives_the_mean_of_probabilities() -> None:
    a, b, c = model(1), model(2, hidden=16, layers=2), model(3)
    source, others = batch(sentences(5)), batch(sentences(5, longest=30))
    found = first_step(EnsembleScorer([a, b, c], same_source=False), (source, others, source), 5)
    probabilities = (
        first_step(a, source, 5).exp() + first_step(b, others, 5).exp() + first_step(c, source, 5).exp()
    )
    torch.testing.assert_close(found, (probabilities / 3).log(), atol=1e-12, rtol=0)


class Always:
    """A scorer that has the same logits at every step, and looks at the source alike."""

    def __init__(self, logits: list[float], alignment: list[float] | None = None) -> None:
        self.logits, self.alignment = torch.tensor([logits], dtype=torch.float64), alignment

    def start(self, source: Tensor) -> tuple[Tensor, Tensor]:
        return source, source

    def step(self, y_prev: Tensor, memory: Tensor, state: Tensor) -> Step:
        alignment = None if self.alignment is None else torch.tensor([self.alignment] * len(y_prev))
        logits = self.logits.repeat(len(y_prev), 1)
        return Step(logits.log_softmax(-1), state, alignment)


def test_what_no_member_finds_possible_stays_so_and_what_is_tiny_is_not_lost() -> None:
    never, source = float("-inf"), torch.zeros(2, 1)
    scorer = EnsembleScorer([Always([0.0, never, -900.0]), Always([0.0, never, -901.0])], same_source=True)
    found = first_step(scorer, (source, source), 2)
    assert found[0, 1] == never
    assert found[:, 0].tolist() == [0.0, 0.0]
    assert found[1, 2].item() == pytest.approx(
        -900 + torch.tensor((1 + 0.36787944117144233) / 2).log().item()
    )


@pytest.mark.parametrize(
    ("second", "same_source", "expected"),
    [([0.5, 0.5], True, [0.75, 0.25]), ([0.5, 0.5], False, [1.0, 0.0]), ([0.2, 0.3, 0.5], False, [1.0, 0.0])],
)
def test_where_an_ensemble_looked(second: list[float], same_source: bool, expected: list[float]) -> None:
    scorer = EnsembleScorer([Always([0.0], [1.0, 0.0]), Always([0.0], second)], same_source=same_source)
    source = torch.zeros(2, 1)
    step = scorer.step(torch.tensor([BOS, BOS]), *scorer.start((source, source)))
    assert step.alignment is not None
    torch.testing.assert_close(step.alignment, torch.tensor([expected] * 2))


def test_a_fusion_scores_both_and_is_searched_for_their_sum() -> None:
    one, lm, rows, weight = model(1), language_model(2), sentences(12), 0.7
    fused = search(FusionScorer(one, lm, weight), batch(rows), rows)
    differ = 0
    for row, hypotheses, (alone, *_) in zip(rows, fused, search(one, batch(rows), rows), strict=True):
        differ += hypotheses[0].ids != alone.ids
        for h in hypotheses:
            targets = torch.tensor([[*h.ids, EOS]])
            translation = force(one, batch([row]), targets, bos=BOS).sum().item()
            text = force(lm, 1, targets, bos=BOS).sum().item()
            assert h.log_prob == pytest.approx(translation + weight * text, abs=1e-10)
    assert differ  # the language model has its say


def test_neighbours_change_nothing_of_an_ensemble_fused_with_a_language_model() -> None:
    members, rows = [model(1), model(2, layers=2)], sentences(15)
    others = [row + row[:3] for row in rows]  # the second one reads other pieces
    scorer = FusionScorer(EnsembleScorer(members, same_source=False), language_model(3), 0.3)
    together = search(scorer, (batch(rows), batch(others)), rows)
    for row, other, found in zip(rows, others, together, strict=True):
        (alone,) = search(scorer, (batch([row]), batch([other])), [row])
        assert [h.ids for h in found] == [h.ids for h in alone]
        assert [h.score for h in found] == pytest.approx([h.score for h in alone], abs=1e-12)


def test_models_together_are_sampled_from_like_one() -> None:
    one, rows = model(1), sentences(6)
    settings, limits = (
        SamplingSettings(bos=BOS, eos=EOS, processors=(Ban((PAD, UNK, BOS)),)),
        torch.full((6,), 20),
    )
    source, keys = batch(rows), [(3, n) for n in range(6)]
    alone = sample(one, source, limits, settings, keys=keys)
    assert len({tuple(each.ids) for each in alone}) > 3
    ensemble = EnsembleScorer([one] * 2, same_source=True)
    assert sample(ensemble, (source, source), limits, settings, keys=keys) == alone
    lm = language_model(2)
    assert sample(FusionScorer(one, lm, 0.0), source, limits, settings, keys=keys) == alone
    assert sample(FusionScorer(one, lm, 1.0), source, limits, settings, keys=keys) != alone


@pytest.mark.parametrize("weight", [-0.5, float("inf"), float("nan")])
def test_a_weight_that_could_raise_a_score_is_refused(weight: float) -> None:
    one = language_model(1)
    with pytest.raises(UserError, match=r"lm_weight .*: expected a number ≥ 0"):
        FusionScorer(one, one, weight)
