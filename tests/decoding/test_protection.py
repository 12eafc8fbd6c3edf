"""nmt.decoding.protection: whatever a model does, each span comes out once."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nmt.runtime
from nmt.decoding.protection import Translate, translate_protected
from nmt.decoding.translation import Ranked, Translation
from nmt.evaluation.record import translation_record

SPANS = ["https://example.org/a?b=1&c=2", "info@example.org", "{name}", "%(n)d", "${HOME}", "<br/>", "</b>"]


def translations(*texts: str) -> Translation:
    return Translation([Ranked(text, -float(n)) for n, text in enumerate(texts, 1)])


def forgetful(lines: list[str]) -> list[Translation]:
    return [translations("nothing") for _ in lines]


def copying(lines: list[str]) -> list[Translation]:
    return [translations(line) for line in lines]


def repeating(lines: list[str]) -> list[Translation]:
    return [translations(f"{line} {line}") for line in lines]


@given(
    st.lists(st.sampled_from([*SPANS, "Hund", "Tom", ".", "Da!", "(", "ä"])),
    st.sampled_from([" ", ", ", "  ("]),
)
@pytest.mark.parametrize("model", [forgetful, copying, repeating])
def test_each_span_comes_out_once(model: Translate, parts: list[str], between: str) -> None:
    line = between.join(parts)
    (found,) = translate_protected(model, [line], n_best=1, details=False)
    expected = Counter(part for part in parts if part in SPANS)
    assert {span: found.text.count(span) for span in expected} == expected


def test_of_the_n_best_those_that_lost_it_are_left_out() -> None:
    def model(lines: list[str]) -> list[Translation]:
        return [translations("He sees.", "He sees Tom.", "Tom sees Tom.") for _ in lines]

    (found,) = translate_protected(model, ["Er sieht {x}."], n_best=3, details=False)
    assert [(each.text, each.score) for each in found.ranked] == [("He sees {x}.", -2.0)]


def test_lines_without_spans_stay_together_and_as_they_are() -> None:
    asked: list[list[str]] = []

    def model(lines: list[str]) -> list[Translation]:
        asked.append(lines)
        return copying(lines)

    lines = ["a", "", "b %s", " c "]
    assert [each.text for each in translate_protected(model, lines, n_best=1, details=False)] == lines
    assert asked[0] == ["a", "", " c "]


def test_words_and_links_count_through_the_spans() -> None:
    translator = nmt.runtime.load("de-en")
    line = "Ich sehe {name}. Siehe https://example.org/x <br/>"
    (found,) = translator.translations([line], details=True)
    record = translation_record(line, found)
    assert record["source_words"] == line.split()
    assert [word["text"] for word in record["words"]] == found.text.split()
    linked = [(record["source_words"][src], record["words"][trg]["text"]) for src, trg in record["alignment"]]
    assert ("{name}.", "{name}.") in linked
    assert ("<br/>", "<br/>") in linked


def test_it_is_off_for_scores_and_can_be_turned_off() -> None:
    line = ["Siehe https://example.org/a?b=1!"]
    assert "https://example.org/a?b=1" in nmt.runtime.load("de-en").translate(line)[0]
    assert "https://example.org/a?b=1" not in nmt.runtime.load("de-en", protect=False).translate(line)[0]
