"""nmt.decoding.translator, of a model that writes from right to left: all that a person sees is in order."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from nmt.decoding.demands import Demand
from nmt.decoding.search import Step
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.models import Source
from nmt.tokenization.preprocessing import PreprocessedTokenizer, Preprocessing
from nmt.tokenization.reversal import right_to_left
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.words import WordTokenizer
from tests.support.copier import SUBWORDS, At, Copier, copier, with_engine

LINES = ["der Hund läuft schnell über die Straße .", "", "the dog", "der Hundhund , die Straße ."]


class MirrorCopier(Copier):
    """Writes the source from its last token to its first, and looks where it reads."""

    def start(self, source: Source) -> tuple[Tensor, At]:
        places = torch.arange(source.ids.shape[1])  # (Tx,)
        ends = source.lengths.unsqueeze(1) - 2 - places  # (B, Tx)
        mirrored = torch.where(ends >= 0, ends, places)
        ids, state = super().start(Source(source.ids.gather(1, mirrored), source.lengths))
        return torch.stack([ids, mirrored], dim=1), state  # (B, 2, Tx)

    def step(self, y_prev: Tensor, memory: Tensor, state: At) -> Step:
        ids, places = memory.unbind(1)
        found = super().step(y_prev, ids, state)
        places = places.repeat_interleave(len(y_prev) // len(places), dim=0)  # (N, Tx)
        return found._replace(alignment=torch.zeros_like(found.alignment).scatter(1, places, found.alignment))


def mirror(tokenizer: Tokenizer = SUBWORDS, *, beam: int = 1) -> Translator[TorchEngine]:
    plain = copier(tokenizer, beam=beam)
    found = with_engine(plain, scorer=MirrorCopier(len(tokenizer.vocabulary)))
    return replace(found, trg_tokenizer=right_to_left(tokenizer))


@pytest.mark.parametrize("beam", [1, 3])
def test_texts_words_links_and_tokens_are_those_of_a_model_from_left_to_right(beam: int) -> None:
    expected = copier(beam=beam).translations(LINES, details=True)
    for found, other in zip(mirror(beam=beam).translations(LINES, details=True), expected, strict=True):
        assert found.text == other.text
        assert found.links() == other.links()
        for part, like in zip(found.ranked[0].parts, other.ranked[0].parts, strict=True):
            assert (part.trg_words, part.tokens) == (like.trg_words, like.tokens)
            assert part.weights.tolist() == like.weights.tolist()
            assert part.confidence == pytest.approx(like.confidence)


def test_given_translations_are_aligned_and_forced_as_they_are_read() -> None:
    pairs = [(line, line) for line in LINES if line]
    assert mirror().align(pairs) == copier().align(pairs)
    for found, other in zip(mirror().force(pairs), copier().force(pairs), strict=True):
        assert found.ids == other.ids
        assert found.log_probs == pytest.approx(other.log_probs)


def test_a_token_keeps_its_own_log_probability() -> None:
    (found,) = mirror().force([("die the dog", "die dog dog")])
    assert SUBWORDS.tokens(found.ids) == ["▁die", "▁dog", "▁dog", "</s>"]
    assert [each < -5 for each in found.log_probs] == [False, True, False, False]


@pytest.mark.parametrize("how", [Preprocessing(), Preprocessing("de", lowercase=True)], ids=str)
def test_the_word_that_was_looked_at_stands_for_an_unknown_one(how: Preprocessing) -> None:
    words = WordTokenizer.train(["der , ."], vocab_size=None, min_frequency=1, lowercase=False)
    tokenizer = PreprocessedTokenizer(words, how) if how else words
    line = "der dackel , der pudel ."
    (found,) = replace(mirror(tokenizer), replace_unk=True).translations([line], details=True)
    joined: Sequence[str] = line.replace(" ,", ",").replace(" .", ".").split() if how else line.split()
    assert found.text.split() == joined
    assert found.ranked[0].parts[0].trg_words == line.split()


def test_demands_which_would_be_met_in_reverse_are_refused() -> None:
    with pytest.raises(UserError, match="demands: the model writes from right to left"):
        mirror().translations(["the dog"], demands=[Demand(prefix="the")])
