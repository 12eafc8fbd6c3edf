"""nmt.decoding.forcing: what is given is scored as the model's own teacher forcing and search score it."""

import pytest
import torch

from nmt.builders.model import build_language_model, build_model
from nmt.config.model import DecoderConfig, EncoderConfig, LanguageModelConfig, ModelConfig
from nmt.data.batches import pad
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.forcing import force
from nmt.decoding.processors import Ban
from nmt.decoding.scorers import LanguageModelScorer, ModelScorer
from nmt.decoding.search import SearchSettings, beam_search
from nmt.models import Source
from nmt.tokenization.vocabulary import BOS, EOS

V = 30


def sentences(*lengths: int) -> list[list[int]]:
    return [torch.randint(EOS + 1, V, (length,)).tolist() for length in lengths]


def batch(rows: list[list[int]]) -> Source:
    return Source(pad(rows, last=EOS), torch.tensor([len(row) + 1 for row in rows]))


@pytest.fixture
def scorer() -> ModelScorer:
    config = ModelConfig(embedding=8, encoder=EncoderConfig(hidden=12), decoder=DecoderConfig(hidden=12))
    return ModelScorer(build_model(config, V, V).double().eval())


def test_of_a_translation_it_is_teacher_forcing(scorer: ModelScorer) -> None:
    rows, trg = sentences(3, 7, 1), sentences(5, 2, 8)
    with torch.no_grad():
        output = scorer.model(batch(rows), pad(trg, first=BOS))
        expected = scorer.model.head(output.features).log_softmax(-1)
    targets = pad(trg, last=EOS)
    found = force(scorer, batch(rows), targets, bos=BOS)
    assert found.shape == targets.shape
    for b, row in enumerate(trg):
        for t, piece in enumerate([*row, EOS]):
            assert found[b, t].item() == pytest.approx(expected[b, t, piece].item(), abs=1e-10)


def test_of_a_text_it_is_teacher_forcing() -> None:
    model = build_language_model(LanguageModelConfig(embedding=8, hidden=12, layers=2), V).double().eval()
    trg = sentences(4, 6)
    with torch.no_grad():
        expected = model.head(model(pad(trg, first=BOS))[0]).log_softmax(-1)
    found = force(LanguageModelScorer(model), 2, pad(trg, last=EOS), bos=BOS)
    for b, row in enumerate(trg):
        wanted = sum(expected[b, t, piece].item() for t, piece in enumerate([*row, EOS]))
        assert found[b, : len(row) + 1].sum().item() == pytest.approx(wanted, abs=1e-10)


def test_what_a_search_found_has_the_log_probability_that_it_had_there(scorer: ModelScorer) -> None:
    settings = SearchSettings(
        beam=4,
        penalty=LengthPenalty(alpha=1.0, offset=5.0),
        bos=BOS,
        eos=EOS,
        processors=(Ban((0, 1)),),
        n_best=4,
    )
    rows = sentences(3, 6, 9)
    for row, hypotheses in zip(
        rows, beam_search(scorer, batch(rows), torch.tensor([6, 8, 9]), settings), strict=True
    ):
        for h in hypotheses:
            found = force(scorer, batch([row]), torch.tensor([[*h.ids, EOS]]), bos=BOS)
            assert found.sum().item() == pytest.approx(h.log_prob, abs=1e-10)
