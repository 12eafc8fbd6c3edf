"""Text of one language, as lines or as one long text, is prepared as what it is."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from nmt.builders.corpus import open_corpus
from nmt.config.data import DataConfig
from nmt.data.corpus import Pair
from nmt.data.preparation import prepare
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.words import WordTokenizer


def only_words(pairs: Callable[[], Iterator[Pair]]) -> tuple[Tokenizer, Tokenizer]:
    texts = (pair.trg for pair in pairs())
    words = WordTokenizer.train(texts, vocab_size=None, min_frequency=1, lowercase=False)
    return words, words


def text_config(folder: Path, **text: object) -> DataConfig:
    lines = ["a b", "", "a b", "c a " * 10, "held out", "c", "held out"]
    (folder / "text.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return DataConfig.model_validate(
        {
            "text": {"train": str(folder / "text.txt"), "held_out": 0.1, **text},
            "tokenizer": {"kind": "word"},
            "filters": {"max_length": 8},
            "prepared": str(folder / "prepared"),
        }
    )


def test_lines_without_a_source_are_filtered_by_what_they_are(tmp_path: Path) -> None:
    data = text_config(tmp_path, held_out=0.15)  # one line in seven: the last
    prepared = prepare(data, open_corpus(data), only_words, seed=1)
    # How often a name is in a list is information.
    assert prepared.meta.dropped["duplicate"] == 0
    data = data.model_copy(update={"filters": data.filters.model_copy(update={"drop_duplicates": True})})
    prepared = prepare(data, open_corpus(data), only_words, seed=1)
    dropped = {reason: count for reason, count in prepared.meta.dropped.items() if count}
    # None for its ratio: a line of 8 pieces has no side that is too short.
    assert dropped == {"empty": 1, "in_validation": 1, "duplicate": 1, "too_long": 1}
    assert [prepared.trg_tokenizer.decode(row) for row in prepared.split("train").rows([0, 1])[1]] == [
        "a b",
        "c",
    ]
    assert prepared.raw("validation") == [Pair("", "held out")]
    assert prepared.meta.data_hashes["validation"] == hashlib.sha256(b"held out\n").hexdigest()
    assert (prepared.meta.src, prepared.meta.trg) == (None, None)
    assert "6 lines read" in prepared.summary()


def test_of_one_long_text_no_line_is_left_out(tmp_path: Path) -> None:
    lines = text_config(tmp_path, held_out=0.15)
    data = text_config(tmp_path, lines=False)
    prepared = prepare(data, open_corpus(data), only_words, seed=1)
    assert not any(prepared.meta.dropped.values())
    assert prepared.split("train").lengths()[1].tolist() == [2, 0, 2, 20, 2, 1]
    assert prepare(lines, open_corpus(lines), only_words, seed=1).folder != prepared.folder
