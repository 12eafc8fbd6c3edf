import pytest

import nmt.runtime
from nmt.decoding.translation import Ranked, Translation
from nmt.evaluation.record import translation_record
from nmt.server.texts import Text


@pytest.mark.parametrize("text", ["", "a", "a\nb", "a\r\n\r\nb\r", "\n"])
def test_a_text_is_its_lines_and_their_ends(text: str) -> None:
    lines, ends = found = Text.of(text)
    assert len(lines) == len(ends) + 1
    same = [Translation([Ranked(line, 1.0)]) for line in lines]
    assert found.join(same, 1) == Translation([Ranked(text, float(len(lines)))])


def test_the_best_of_a_text_are_the_best_combinations_of_its_lines() -> None:
    lines = [
        Translation([Ranked("a", -1.0), Ranked("b", -4.0)]),
        Translation([Ranked("c", 0.0), Ranked("d", -2.0)]),
    ]
    found = Text.of("x\ny").join(lines, 3)
    assert found == Translation([Ranked("a\nc", -1.0), Ranked("a\nd", -3.0), Ranked("b\nc", -4.0)])


def test_the_record_of_a_text_is_that_of_its_lines_one_behind_the_other() -> None:
    text = "Wie spät ist es?\n\nGuten Morgen."
    lines = Text.of(text).lines
    translations = nmt.runtime.load("de-en").translations(lines, details=True)
    whole = translation_record(text, Text.of(text).join(translations, 1))
    first, _, last = (translation_record(*pair) for pair in zip(lines, translations, strict=True))
    assert whole["source_words"] == [*first["source_words"], *last["source_words"]]
    assert [word["text"] for word in whole["words"]] == [
        word["text"] for record in (first, last) for word in record["words"]
    ]
    assert whole["tokens"] == [*first["tokens"], *last["tokens"]]
