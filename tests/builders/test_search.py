"""nmt.builders.search: the decoding section becomes settings."""

import pytest
import torch

from nmt.builders.search import build_penalty, build_search, search_keys
from nmt.config.decoding import AveragePenalty, DecodingConfig, GnmtPenalty, NoPenalty, PenaltyConfig
from nmt.tokenization.vocabulary import BOS, EOS, PAD, SPECIALS, Vocabulary
from nmt.tokenization.words import WordTokenizer

WORDS = WordTokenizer(Vocabulary([*SPECIALS, "a"]), lowercase=False)


@pytest.mark.parametrize(
    ("config", "score"),
    [
        (NoPenalty(), -12.0),
        (GnmtPenalty(), -8.0),
        (GnmtPenalty(alpha=0.0), -12.0),
        (GnmtPenalty(alpha=2.0), -12 / 1.5**2),
        (AveragePenalty(), -3.0),
        (AveragePenalty(alpha=0.5), -6.0),
    ],
)
def test_each_penalty_is_its_formula(config: PenaltyConfig, score: float) -> None:
    found = build_penalty(config)(torch.tensor([-12.0]), torch.tensor([4]))
    assert found.item() == pytest.approx(score)


def test_settings_come_from_the_section_and_the_tokenizer() -> None:
    config = DecodingConfig(max_ratio=1.5, max_extra=3, length_penalty=NoPenalty())
    settings = build_search(search_keys(config), WORDS, beam=7, n_best=3)
    assert (settings.beam, settings.n_best, settings.bos, settings.eos) == (7, 3, BOS, EOS)
    ban, *_ = settings.processors
    log_probs, _ = ban(torch.zeros(1, 6), torch.empty(1, 0, dtype=torch.long), None)
    assert (log_probs[0] == -torch.inf).nonzero().flatten().tolist() == [PAD, BOS]
    assert settings.limits(torch.tensor([10])).tolist() == [18]
    assert settings.penalty == build_penalty(NoPenalty())
