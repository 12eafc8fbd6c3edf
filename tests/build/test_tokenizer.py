"""nmt.build.tokenizer: every kind of section makes its tokenizer."""

import pytest
from pydantic import TypeAdapter

from nmt.build.tokenizer import train_tokenizer
from nmt.config.data import TokenizerConfig
from nmt.data.tokenizer import SentencePieceTokenizer, TorchtextTokenizer, WordTokenizer

SECTION: TypeAdapter[TokenizerConfig] = TypeAdapter(TokenizerConfig)
TEXTS = [
    f"der {a}e {b} läuft über die {c}"
    for a in ("alt", "jung", "groß")
    for b in ("Hund", "Mann", "Vogel")
    for c in ("Straße", "Brücke", "Wiese", "Haustür", "Kirche", "Zeitung", "Quelle", "Jacke")
]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"kind": "bpe", "vocab_size": 300}, SentencePieceTokenizer),
        ({"kind": "unigram", "vocab_size": 300, "dropout": 0.1}, SentencePieceTokenizer),
        ({"kind": "char"}, SentencePieceTokenizer),
        ({"kind": "word"}, WordTokenizer),
        ({"kind": "torchtext"}, TorchtextTokenizer),
    ],
)
def test_every_kind_of_section_makes_its_tokenizer(section: dict[str, object], expected: type) -> None:
    if expected is TorchtextTokenizer:
        pytest.importorskip("torchtext")
    tokenizer = train_tokenizer(SECTION.validate_python(section), TEXTS)
    assert type(tokenizer) is expected
    assert tokenizer.decode(tokenizer.encode("der Mann")).casefold() == "der mann"
