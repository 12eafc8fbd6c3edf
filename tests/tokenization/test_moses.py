"""What sacremoses makes of text, and what it refuses."""

import sys

import pytest

from nmt.data import builtin
from nmt.errors import UserError
from nmt.tokenization.moses import Moses


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        (
            "en",
            "Tom's (old) \u201cMax\u201d, e.g. this.",
            "Tom &apos;s ( old ) &quot; Max , &quot; e.g. this .",
        ),
        ("de", "Er sagt: „Nein“, z. B. heute.", "Er sagt : &quot; Nein &quot; , z. B. heute ."),
        ("fr", "l'homme d\u2019ici", "l&apos; homme d&apos; ici"),
        ("de_AT", "Ja & nein|", "Ja &amp; nein &#124;"),
    ],
)
def test_punctuation_is_normalized_and_split_off(language: str, text: str, words: str) -> None:
    assert Moses(language, "key").split(text) == words


@pytest.mark.parametrize("language", ["de", "en"])
def test_what_is_joined_is_split_into_the_same_words(language: str) -> None:
    moses, side = Moses(language, "key"), builtin.LANGUAGES.index(language)
    for pair in builtin.pairs("train", 100, seed=1):
        words = moses.split(pair[side])
        assert moses.join(words) == pair[side]
        assert moses.split(moses.join(words)) == words


def test_another_language_and_a_missing_package_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^key: Moses does not know the language tlh; it knows as, .*"):
        Moses("tlh", "key")
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    with pytest.raises(UserError, match=r"^key: needs the package sacremoses, .*'nmt\[papers\]'$"):
        Moses("de", "key")
