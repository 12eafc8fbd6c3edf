"""nmt.decoding.splitting: stretches fit, and together they are the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.splitting import split_text


@given(text=st.text("ab ., 。\t", min_size=1, max_size=60), most=st.integers(1, 12))
def test_stretches_fit_and_together_are_the_text(text: str, most: int) -> None:
    parts = list(split_text(text, lambda part: len(part) <= most))
    assert "".join(parts) == text
    assert all(0 < len(part) <= most for part in parts)


@given(text=st.text(min_size=1, max_size=20))
def test_what_never_fits_ends_in_single_characters(text: str) -> None:
    assert list(split_text(text, lambda part: False))[-1:] == [text[-1]]
    assert "".join(split_text(text, lambda part: False)) == text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One two. Three! Four?", ["One two. ", "Three! ", "Four?"]),
        ("One. Two. Three four.", ["One. Two. ", "Three four."]),
        ("one two, three, four", ["one two, ", "three, four"]),
        ("one two three four", ["one two ", "three four"]),
        ("一二三四。五六七八九十。十一", ["一二三四。", "五六七八九十。十一"]),
        ("abcdefghijklmnop", ["abcdefgh", "ijklmnop"]),
    ],
)
def test_cuts_are_at_sentence_ends_else_clause_ends_else_spaces(text: str, parts: list[str]) -> None:
    assert list(split_text(text, lambda part: len(part) <= 11)) == parts
