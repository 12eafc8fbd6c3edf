"""nmt.decoding.scorers: a real model, asked step by step, in whatever company."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.builders.model import build_language_model, build_model
from nmt.config.model import LanguageModelConfig, ModelConfig
from nmt.data.batches import pad
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.engine import Hypothesis
from nmt.decoding.forcing import force
from nmt.decoding.processors import Ban
from nmt.decoding.scorers import LanguageModelScorer, ModelScorer
from nmt.decoding.search import SearchSettings, beam_search
from nmt.models import Seq2Seq, Source
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
MODELS: dict[str, dict[str, Any]] = {
    "input_feeding": {"decoder": {"style": "input_feeding"}},
    "layer_parallel": {"decoder": {"style": "layer_parallel"}},
    "coverage, lexical": {
        "decoder": {"style": "input_feeding", "attention": {"kind": "coverage"}},
        "head": {"kind": "lexical"},
    },
    "conditional, location": {"decoder": {"style": "conditional", "attention": {"kind": "location"}}},
}
styles = pytest.mark.parametrize("style", MODELS)


def model(style: str, dtype: torch.dtype) -> Seq2Seq:
    size = {"hidden": 12, "layers": 2}
    sections = MODELS[style] | {"encoder": size, "decoder": MODELS[style]["decoder"] | size}
    made = build_model(ModelConfig.model_validate({"embedding": 8} | sections), V, V).to(dtype).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(2)  # a model drawn anew finds all pieces alike
    return made


def sentences(count: int) -> list[list[int]]:
    return [torch.randint(EOS + 1, V, (int(length),)).tolist() for length in torch.randint(1, 12, (count,))]


def batch(rows: list[list[int]]) -> Source:
    return Source(pad(rows, last=EOS), torch.tensor([len(row) + 1 for row in rows]))


def search(scorer: ModelScorer, rows: list[list[int]]) -> list[list[Hypothesis]]:
    source = batch(rows)
    return beam_search(scorer, source, SETTINGS.limits(source.lengths), SETTINGS, details=True)


@styles
def test_log_probabilities_sum_to_one(style: str) -> None:
    scorer = ModelScorer(model(style, torch.float64))
    memory, state = scorer.start(batch(sentences(3)))
    step = scorer.step(torch.tensor([BOS] * 3), memory, state)
    assert step.log_probs.shape == (3, V)
    torch.testing.assert_close(step.log_probs.exp().sum(-1), torch.ones(3, dtype=torch.float64))


@pytest.mark.slow
@styles
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_neither_batch_size_nor_order_nor_neighbours_change_a_result(style: str, dtype: torch.dtype) -> None:
    scorer, rows = ModelScorer(model(style, dtype)), sentences(30)
    alone = [search(scorer, [row])[0] for row in rows]
    backward = search(scorer, rows[::-1])[::-1]
    pairs = [found for i in range(0, len(rows), 2) for found in search(scorer, rows[i : i + 2])]
    tolerance = 1e-12 if dtype == torch.float64 else 1e-4
    assert len({tuple(found[0].ids) for found in alone}) > 5
    for row, one, *others in zip(rows, alone, backward, pairs, strict=True):
        for other in others:
            assert [h.ids for h in other] == [h.ids for h in one]
            assert [h.score for h in other] == pytest.approx([h.score for h in one], abs=tolerance)
            _same_alignment(one[0], other[0], len(row) + 1)


def _same_alignment(one: Hypothesis, other: Hypothesis, length: int) -> None:
    assert one.alignment is not None
    assert other.alignment is not None
    np.testing.assert_allclose(one.alignment, other.alignment[:, :length], atol=1e-4, rtol=0)
    assert not other.alignment[:, length:].any()


@styles
def test_scores_and_alignments_are_those_of_teacher_forcing(style: str) -> None:
    made, rows = model(style, torch.float64), sentences(12)
    for row, hypotheses in zip(rows, search(ModelScorer(made), rows), strict=True):
        for h in hypotheses:
            log_probs, alignment = forced(made, row, h.ids)
            assert h.log_prob == pytest.approx(log_probs.sum().item(), abs=1e-10)
            assert h.score == pytest.approx(h.log_prob / ((5 + len(log_probs)) / 6), abs=1e-10)
            assert h.alignment is not None
            np.testing.assert_allclose(h.alignment[:, : len(row) + 1], alignment, rtol=1e-7, atol=1e-7)


def forced(made: Seq2Seq, row: list[int], ids: list[int]) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        output = made(batch([row]), torch.tensor([[BOS, *ids]]))
        log_probs = made.head(output.features).log_softmax(-1)[0]  # (Ty, V)
    return log_probs.gather(1, torch.tensor([[i] for i in [*ids, EOS]])), output.alignment[0]


def test_what_a_language_model_read_before_is_as_if_the_search_had_given_it() -> None:
    config = LanguageModelConfig.model_validate({"kind": "language_model", "embedding": 8, "hidden": 12})
    made = build_language_model(config, V).double().eval()
    line = [*sentences(1)[0], 7, 9, EOS]
    whole = force(LanguageModelScorer(made), 2, torch.tensor([line] * 2), bos=BOS)
    for place in range(1, len(line)):
        *before, last = [BOS, *line[:place]]
        rest = torch.tensor([line[place:]] * 2)
        assert torch.equal(force(LanguageModelScorer(made, before), 2, rest, bos=last), whole[:, place:])
