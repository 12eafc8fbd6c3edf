"""nmt.data.sentences: where sentences end, in many scripts, and that none of a text is lost."""

import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.sentences import count_sentences, sentence_ends, sentence_finder, sentences
from nmt.errors import UserError

STRETCH = st.sampled_from(["a", "B", "1", " ", ".", "?!", "…", "。", "»", '"', "」", "\u2028", "Dr", "\n"])


@pytest.mark.parametrize(
    "expected",
    [
        ["Er kam. ", "Sie ging! ", "Wer?  ", "Niemand"],
        ["Das ist z. B. gut. ", "Dr. Müller kam am 1. Januar. ", "Es kostet 3.14 Euro."],
        ["Mr. Smith, e.g. J. S. Bach, left the U.S. Army. ", "Then he slept."],
        ["Ludwig XIV. starb 1715. ", "Dann kam Ludwig XV."],
        ["See Fig. 3 and No. 500. ", "No. ", "I am."],
        ["10 Leute sahen www.a.de/b.html um 8.30 Uhr. ", "20 gingen."],
        ["Er kam ... und ging. ", "Na ja… ", "Dann schlief er."],
        ['He said "Go." ', "She went. ", '("It rained.") ', "Yes."],
        ['"Was?" fragte er. ', "„Nichts!“ ", "Sie schwieg."],
        ["Il dit : « Viens. » ", "Puis il part. ", "»Komm!« ", "Er kam. ", "»Ja«"],
        ["¿Qué? ", "¡Sí! ", "Vale."],
        ["Yahoo! is a firm. ", "Halt! – rief er. ", "– Ja. ", "– Nein."],
        ["Das ist gut . ", "Er geht ."],
        ["das ist z.b. gut. ", "er geht. ", "ich mag die USA."],
        ["What?! ", "No!!! ", "Yes."],
        ["你好。", "“很好！”", "他说？！", "是"],
        ["「今日は。」", "明日は。 ", "はい。"],
        ["هل أنت هنا؟ ", "نعم. ", "لا."],
        ["वह आया। ", "वह गया॥ ", "राम"],
        ["Он пришёл. ", "А она? ", "Т. е. да."],
        ["Die Katze schläft.", "Der Mann ging.)", "Wie geht's?", "Gut!", "Er lief.", "„Komm“, rief er."],
        ["DER HUND LÄUFT.", "DIE KATZE SCHLÄFT. ", "ES IST SPÄT."],
        ["Er ist 12. ", "Dann wurde er 13.", "Am 3. Oktober war er der 2. Sieger. ", "Platz 3. ", "Sie kam."],
        ["1. Die Katze schläft. ", "2. Der Hund läuft."],
        ["Dr.Meier (U.S.Army) sah www.Foo.De/Bar.Html, a@Bcd.De und http://x?A=1 in ASP.Net. ", "Gut."],
        ["He came.[1] ", "She left.😀 ", "Er ging.\u200b", "Sie kam."],
        ["..."],
        ["x. y. z. a"],
        [""],
    ],
)
def test_where_sentences_end(expected: list[str]) -> None:
    text = "".join(expected)
    assert sentences(text) == expected
    assert count_sentences(f" {text}\n") == len(expected)


@given(st.text() | st.lists(STRETCH).map("".join))
def test_together_they_are_the_text(text: str) -> None:
    found = sentences(text)
    assert "".join(found) == text
    assert all(found) or not text


@pytest.mark.parametrize("unit", [".", ". ", ".»", ". »", "( ", "。.", ".!", " ", "x", "a.Bc", "12. Dann "])
def test_a_hostile_line_takes_no_longer_than_it_is(unit: str) -> None:
    assert count_sentences(unit * 100_000) <= 100_000


def test_a_package_finds_the_ends_for_more_languages() -> None:
    ends = sentence_finder("sentencex", "de")
    text = "Das ist z. B. gut. Wirklich, ödes 👩‍👧! Ja."
    assert [text[a:b] for a, b in pairwise([0, *ends(text), len(text)])] == [
        "Das ist z. B. gut. ",
        "Wirklich, ödes 👩‍👧! ",
        "Ja.",
    ]
    assert ends("") == []
    assert sentence_finder("rules", "de") is sentence_ends


@given(st.text(), st.sampled_from(["", "de", "zh", "no language"]))
def test_whatever_the_text_the_ends_are_within_it(text: str, language: str) -> None:
    ends = sentence_finder("sentencex", language)(text)
    assert ends == sorted(set(ends))
    assert all(0 < end < len(text) for end in ends)


def test_without_the_package_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencex", None)
    with pytest.raises(UserError, match=r"needs the extra sentences .* pip install sentencex"):
        sentence_finder("sentencex", "de")
