"""nmt.decoding.spans: what is kept whole, and how a text is cut around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.spans import Masked, Piece, all_pieces, has_spans, sentence_pieces


@pytest.mark.parametrize(
    "span",
    [
        "https://example.org/a?b=1&c=2",
        "https://de.wikipedia.org/wiki/Bank_(Möbel)",
        "ftp://example.org",
        "www.example.com",
        "www.example.com/de/faq",
        "info@example.org",
        "a.b+c@mail.example.co.uk",
        "{name}",
        "{}",
        "{{ user.name }}",
        "${HOME}",
        "%s",
        "%1$s",
        "%.2f",
        "%(count)d",
        "<br/>",
        '<a href="x">',
        "</b>",
        "{first}{last}",
    ],
)
@pytest.mark.parametrize("around", [("Siehe ", "."), ("(", ")"), ("", ", sagt er"), ("„", "“!")])
def test_a_span_ends_where_the_sentence_goes_on(span: str, around: tuple[str, str]) -> None:
    text = span.join(around)
    assert [piece.text for piece in all_pieces(text) if has_spans(piece.text)] == [span]
    assert has_spans(text)


@pytest.mark.parametrize(
    "text", ["100 % der Leute", "50 % sind da", "a < b > c", "3 @ 4", "Er kam um 5.30 Uhr.", "{ x }", "5 $"]
)
def test_what_is_no_span(text: str) -> None:
    assert not has_spans(text)


def test_names_stand_for_spans_and_are_replaced_again() -> None:
    masked = Masked.of("Hallo {name}, Tom ist in ${HOME}.")
    assert masked is not None
    assert masked.text == "Hallo Paris, Tom ist in Boston."
    assert masked.restore("In Boston is Tom, Paris.") == "In ${HOME} is Tom, {name}."
    assert masked.restore("Paris is in Bostons.") is None
    assert masked.restore("Paris, Paris is in Boston.") is None


@pytest.mark.parametrize("text", ["x{y}", "{y}z", " ".join("%s" for _ in range(20))])
def test_no_name_stands_within_a_word_or_for_too_many(text: str) -> None:
    assert Masked.of(text) is None


def test_a_sentence_is_not_cut() -> None:
    assert sentence_pieces("Hallo {name}.") == [Piece("", "Hallo {name}.", kept=False)]
    assert sentence_pieces("Sie ist da.  www.example.com") == [
        Piece("", "Sie ist da.", kept=False),
        Piece("  ", "www.example.com", kept=True),
    ]
    assert sentence_pieces("Siehe {a.B C}. Da ist %s!") == [
        Piece("", "Siehe {a.B C}.", kept=False),
        Piece(" ", "Da ist %s!", kept=False),
    ]
    assert all_pieces("%s, sagt er") == [
        Piece("", "%s", kept=True),
        Piece("", ",", kept=True),
        Piece(" ", "sagt er", kept=False),
    ]
    assert sentence_pieces("Ein <b>Hund</b>.") == [
        Piece("", "Ein", kept=False),
        Piece(" ", "<b>", kept=True),
        Piece("", "Hund", kept=False),
        Piece("", "</b>", kept=True),
        Piece("", ".", kept=True),
    ]


@given(st.lists(st.sampled_from(["%s", " ", "{a}", "Hund", ".", "<b>", "http://x.de", "\u2028", "a@b.c"])))
def test_pieces_are_the_text(parts: list[str]) -> None:
    text = "".join(parts)
    for cut in (all_pieces, sentence_pieces):
        assert "".join(piece.space + piece.text for piece in cut(text)) == text.rstrip()
