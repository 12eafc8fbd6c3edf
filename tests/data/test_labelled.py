from pathlib import Path

import pytest

from nmt.builders.corpus import open_corpus
from nmt.config import Experiment
from nmt.config.data import DataConfig
from nmt.data.corpus import Corpus, Pair
from nmt.data.labelled import check_known
from nmt.errors import UserError
from nmt.tokenization.words import WordTokenizer
from nmt.workflows.prepare import prepare_data


def corpus(folder: Path, *lines: str, each_word: bool) -> Corpus:
    path = folder / "labels.tsv"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    section = {"train": str(path), "validation": str(path)}
    return open_corpus(DataConfig.model_validate({"labelled": section}), each_word=each_word)


def test_a_line_is_a_text_and_its_labels(tmp_path: Path) -> None:
    assert list(corpus(tmp_path, "two words\tx", each_word=False).pairs("train")) == [Pair("two words", "x")]
    assert list(corpus(tmp_path, "two  words\tx y", each_word=True).pairs("validation")) == [
        Pair("two  words", "x y")
    ]


def test_what_was_read_as_texts_is_not_what_was_read_as_words(tmp_path: Path) -> None:
    of_texts, of_words = (
        corpus(tmp_path, "word\tx", each_word=each_word).fingerprint("train") for each_word in (False, True)
    )
    assert of_texts != of_words


@pytest.mark.parametrize(
    ("each_word", "line", "found"),
    [
        (True, "a b c\tx y", "found 3 words and 2 labels"),
        (True, "a\t", "found 1 words and 0 labels"),
        (True, "\t", "found 0 words and 0 labels"),
        (False, "a b\tx y", "found 2 words and 2 labels"),
        (False, "\tx", "found 0 words and 1 labels"),
        (False, "a\t</s>", "</s> is the name of a special token"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, each_word: bool, line: str, found: str) -> None:
    read = corpus(tmp_path, "good\tx", line, each_word=each_word)
    with pytest.raises(UserError, match=rf"labels\.tsv: line 2: .*{found}"):
        list(read.pairs("train"))


def test_a_file_that_is_not_there_is_named_by_its_key(tmp_path: Path) -> None:
    nowhere = {split: str(tmp_path / "none") for split in ("train", "validation")}
    with pytest.raises(UserError, match=r"data\.labelled\.train: expected a text file"):
        open_corpus(DataConfig.model_validate({"labelled": nowhere})).fingerprint("train")


def test_an_unknown_label_is_named_with_those_there_are() -> None:
    labels = WordTokenizer.train(["x y"], vocab_size=None, min_frequency=1, lowercase=False)
    check_known([Pair("a b", "y x")], labels, "file")
    with pytest.raises(UserError, match=r"file: line 2: .*\(such as x, y\), found z"):
        check_known([Pair("a", "x"), Pair("a b", "y z")], labels, "file")


def test_what_was_dropped_is_said_with_the_label_that_is_missing() -> None:
    labels = WordTokenizer.train(["x y"], vocab_size=None, min_frequency=1, lowercase=False)
    with pytest.raises(
        UserError, match=r"training text, of which data\.filters dropped 3 too long \(such as x, y\), found z"
    ):
        check_known([Pair("a", "z")], labels, "file", dropped="3 too long")


def test_a_labelled_line_may_be_there_often(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("der Hund\tD N\n" * 300 + "er läuft\tP V\n")
    (tmp_path / "validation.tsv").write_text("der Mann\tD N\n")
    names = {split: str(tmp_path / f"{split}.tsv") for split in ("train", "validation")}
    experiment = Experiment.model_validate(
        {
            "name": "tagger",
            "data": {
                "labelled": names,
                "tokenizer": {"kind": "word", "min_frequency": 1},
                "prepared": str(tmp_path / "prepared"),
            },
            "model": {"kind": "tagger"},
            "training": {"best_by": "accuracy"},
        }
    )
    prepared = prepare_data(experiment, lambda message: None)
    assert prepared.meta.splits["train"].kept == 301
    assert prepared.dropped == ""
