"""nmt.decoding.translator: unknown words are replaced, and what is demanded of a translation is met."""

from dataclasses import replace

import pytest

from nmt.decoding.demands import Demand, Glossary
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.errors import UserError
from nmt.tokenization.preprocessing import PreprocessedTokenizer, Preprocessing
from nmt.tokenization.vocabulary import SPECIALS, Vocabulary
from nmt.tokenization.words import WordTokenizer
from tests.support.copier import SUBWORDS, copier, with_engine

KNOWN = WordTokenizer.train(["der Hund läuft schnell ."], vocab_size=None, min_frequency=1, lowercase=False)


@pytest.mark.parametrize("beam", [1, 2])
def test_the_word_that_was_looked_at_stands_for_an_unknown_one(beam: int) -> None:
    translator = copier(KNOWN, beam=beam)
    line = "der Dackel läuft nach Ulm ."
    assert translator.translate([line]) == ["der <unk> läuft <unk> <unk> ."]
    replacing = replace(translator, replace_unk=True)
    (found,) = replacing.translations([line], details=True)
    assert found.text == line
    (part,) = found.ranked[0].parts
    assert (part.src_words, part.trg_words) == (line.split(), line.split())
    (found,) = replacing.translations([line])
    assert (found.text, found.ranked[0].parts) == (line, [])


def test_each_part_of_a_line_has_its_own_unknown_words() -> None:
    translator = replace(copier(KNOWN, max_source=4), replace_unk=True)
    line = "der Dackel läuft nach Ulm . der Pudel schnell"
    assert translator.translate([line, ""]) == [line, ""]


def test_unknown_words_are_replaced_before_the_text_is_joined() -> None:
    words = ["der Hund &quot; , ."]
    inner = WordTokenizer.train(words, vocab_size=None, min_frequency=1, lowercase=False)
    tokenizer = PreprocessedTokenizer(inner, Preprocessing("de", lowercase=True))
    line = "Der „Dackel“, der läuft."
    translator = copier(tokenizer)
    assert translator.translate([line]) == ['der "<unk>", der <unk>.']
    (found,) = replace(translator, replace_unk=True).translations([line], details=True)
    assert found.text == 'der "dackel", der läuft.'
    (part,) = found.ranked[0].parts
    assert part.src_words == part.trg_words == ["der", '"', "dackel", '"', ",", "der", "läuft", "."]


def test_a_model_of_subwords_has_no_unknown_word_to_replace() -> None:
    with pytest.raises(UserError, match="replace_unk: a model of words writes <unk>, and this one is of bpe"):
        replace(copier(), replace_unk=True)


def demanding(**rules: object) -> Translator[TorchEngine]:
    found = with_engine(copier(beam=4), surfaces=SUBWORDS.surfaces())
    return replace(found, n_best=1, **rules)


def test_a_demand_of_a_line_is_met_and_the_others_go_their_way() -> None:
    lines = ["der Hund läuft .", "the dog runs .", "", "die Straße"]
    demands = [Demand(terms=("the dog",)), Demand(forbidden=("dog",)), Demand(), Demand(prefix="the Hund")]
    found = [each.text for each in demanding().translations(lines, demands=demands)]
    assert "the dog" in found[0]
    assert "dog" not in found[1]
    assert found[2] == ""
    assert found[3].startswith("the Hund")
    assert copier().translate(lines) == lines


def test_a_glossary_holds_for_each_line_and_part_that_has_its_source() -> None:
    translator = demanding(glossary=Glossary((("Hund", "dog"),)), forbidden=("Hund", " "))
    found = translator.translate(["der Hund läuft schnell .", "die Straße ."])
    assert "dog" in found[0]
    assert "Hund" not in found[0]
    assert found[1] == "die Straße ."


@pytest.mark.parametrize(
    ("demand", "message"),
    [
        (Demand(terms=("the dog runs " * 9,)), "has at most 19 tokens, and 27 are demanded: the dog runs"),
        (
            Demand(terms=("dog",), forbidden=("do",)),
            "'dog' must be in the translation of 'der Hund', and 'do' must",
        ),
    ],
)
def test_a_demand_that_cannot_be_met_is_refused(demand: Demand, message: str) -> None:
    with pytest.raises(UserError, match=message):
        demanding().translations(["der Hund"], demands=[demand])


def test_a_term_that_the_model_cannot_write_is_refused() -> None:
    words = WordTokenizer(Vocabulary([*SPECIALS, "der", "dog"]), lowercase=False)
    with pytest.raises(UserError, match="'cat': the model cannot write this text"):
        copier(words).translations(["der"], demands=[Demand(terms=("cat",))])
