"""What is saved comes back, and a damaged file is named."""

import json
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizer, load_tokenizers, save_tokenizers
from nmt.tokenization.words import TorchtextTokenizer
from small_tokenizers import SUBWORDS, some_texts, word_tokenizer


def _every_kind() -> list[Tokenizer]:
    return [*SUBWORDS.values(), word_tokenizer(lowercase=True)]


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    for n, tokenizer in enumerate(_every_kind()):
        tokenizer.save(tmp_path, f"side{n}")
        again = load_tokenizer(tmp_path, f"side{n}")
        assert again.fingerprint == tokenizer.fingerprint
        assert again.banned == tokenizer.banned
        assert again.vocabulary.tokens == tokenizer.vocabulary.tokens
        for text in ("Der Hund läuft", "🙂"):
            assert again.encode(text) == tokenizer.encode(text)
            assert again.sample_batch([text] * 9, 3) == tokenizer.sample_batch([text] * 9, 3)


def test_torchtext_comes_back(tmp_path: Path) -> None:
    pytest.importorskip("torchtext")
    tokenizer = TorchtextTokenizer.train(some_texts(), vocab_size=None, min_frequency=1, lowercase=True)
    tokenizer.save(tmp_path, "src")
    again = load_tokenizer(tmp_path, "src")
    assert isinstance(again, TorchtextTokenizer)
    assert again.fingerprint == tokenizer.fingerprint
    assert again.encode("Der Hund!") == tokenizer.encode("Der Hund!")


def test_shared_is_one_object_and_separate_are_two(tmp_path: Path) -> None:
    bpe, words = SUBWORDS["bpe"], word_tokenizer()
    save_tokenizers(tmp_path, bpe, bpe)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shared.json", "shared.model"]
    src, trg = load_tokenizers(tmp_path)
    assert src is trg
    save_tokenizers(tmp_path, bpe, words)
    src, trg = load_tokenizers(tmp_path)
    assert (src.fingerprint, trg.fingerprint) == (bpe.fingerprint, words.fingerprint)
    assert {"src.json", "src.model", "trg.json", "trg.pieces.json"} < {
        path.name for path in tmp_path.iterdir()
    }


@pytest.mark.parametrize("kind", ["bpe", "word"])
def test_a_changed_missing_or_short_file_is_named(tmp_path: Path, kind: str) -> None:
    tokenizer = SUBWORDS["bpe"] if kind == "bpe" else word_tokenizer()
    tokenizer.save(tmp_path, "src")
    path = tmp_path / ("src.model" if kind == "bpe" else "src.pieces.json")
    whole = path.read_bytes()
    for data in (whole[:-1], whole + b" ", b""):
        path.write_bytes(data)
        with pytest.raises(UserError, match=rf"{path.name}: changed"):
            load_tokenizer(tmp_path, "src")
    path.unlink()
    with pytest.raises(UserError, match=rf"{path.name}: cannot be read"):
        load_tokenizer(tmp_path, "src")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 2}', b'{"kind": "pickle"}'])
def test_a_broken_description_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "src.json").write_bytes(content)
    with pytest.raises(UserError, match=r"src\.json: describes no tokenizer"):
        load_tokenizer(tmp_path, "src")


def test_no_description_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"src\.json: cannot be read"):
        load_tokenizers(tmp_path)


@pytest.mark.parametrize("kind", ["bpe", "word"])
def test_a_stranger_s_file_with_a_right_hash_is_still_only_data(tmp_path: Path, kind: str) -> None:
    import hashlib

    data = b"\x80\x04cos\nsystem\n(S'echo'\ntR."
    (tmp_path / ("src.model" if kind == "bpe" else "src.pieces.json")).write_bytes(data)
    description = {"kind": kind, "sha256": hashlib.sha256(data).hexdigest()}
    (tmp_path / "src.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match="cannot be used as a"):
        load_tokenizer(tmp_path, "src")
