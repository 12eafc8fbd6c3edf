"""nmt.builders.tokenizer: every kind of section makes its tokenizer."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from nmt.builders.tokenizer import saved_tokenizers, train_tokenizer
from nmt.config.data import SavedTokenizer, TokenizerConfig
from nmt.errors import UserError
from nmt.tokenization.preprocessing import Preprocessing, preprocessed
from nmt.tokenization.reversal import right_to_left
from nmt.tokenization.subwords import SentencePieceTokenizer
from nmt.tokenization.tokenizer import save_tokenizers
from nmt.tokenization.words import TorchtextTokenizer, WordTokenizer

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


def test_saved_tokenizers_are_those_of_the_folder(tmp_path: Path) -> None:
    src = SentencePieceTokenizer.train(TEXTS, kind="char")
    trg = SentencePieceTokenizer.train(TEXTS, kind="bpe", vocab_size=300)
    save_tokenizers(tmp_path / "two", src, trg)
    save_tokenizers(tmp_path / "one", trg, trg)
    two, one = (SavedTokenizer(path=str(tmp_path / name), shared=name == "one") for name in ("two", "one"))
    assert [t.fingerprint for t in saved_tokenizers(two, pairs=True)] == [src.fingerprint, trg.fingerprint]
    for section in (two, one):
        only, same = saved_tokenizers(section, pairs=False)
        assert only is same
        assert only.fingerprint == trg.fingerprint
    a, b = saved_tokenizers(one, pairs=True)
    assert a is b
    wrong = two.model_copy(update={"shared": True})
    with pytest.raises(
        UserError, match=r"shared is True, but .*two holds one for each side; set it to False"
    ):
        saved_tokenizers(wrong, pairs=True)
    one_vocabulary = preprocessed(trg, trg, (Preprocessing("de"), Preprocessing("en")))
    save_tokenizers(tmp_path / "moses", *one_vocabulary)
    section = SavedTokenizer(path=str(tmp_path / "moses"), shared=True)
    a, b = saved_tokenizers(section, pairs=True)
    assert [a.fingerprint, b.fingerprint] == [each.fingerprint for each in one_vocabulary]
    save_tokenizers(tmp_path / "reversed", trg, right_to_left(trg))
    a, b = saved_tokenizers(SavedTokenizer(path=str(tmp_path / "reversed"), shared=True), pairs=True)
    assert a is b
    assert a.fingerprint == trg.fingerprint
    with pytest.raises(UserError, match=r"nowhere/src\.json: cannot be read"):
        saved_tokenizers(SavedTokenizer(path=str(tmp_path / "nowhere")), pairs=False)
