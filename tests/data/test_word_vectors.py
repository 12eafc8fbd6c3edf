"""nmt.data.word_vectors: the three formats, what of them is kept, and what is refused by file and line."""

import gzip
import os
from pathlib import Path

import pytest

from nmt.data.word_vectors import check_word_vectors, read_word_vectors
from nmt.errors import UserError
from nmt.tokenization.vocabulary import SPECIALS, Vocabulary

WORDS = Vocabulary([*SPECIALS, "the", "cat", "</s", ". ."])
PIECES = Vocabulary([*SPECIALS, "▁", "▁the", "the", "▁cat", "s"])


def file(tmp_path: Path, text: str, name: str = "some.vec") -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def read(path: Path, vocabulary: Vocabulary = WORDS, *, subwords: bool = False) -> dict[str, list[float]]:
    found = read_word_vectors(path, vocabulary, 3, subwords=subwords)
    return {vocabulary.tokens[i]: list(vector) for i, vector in found.items()}


LINES = "the 1 2 3\nfar 7 7 7\ncat -0.5 2e-1 0\nthe 9 9 9\n"


@pytest.mark.parametrize("header", ["", "4 3\n"])
@pytest.mark.parametrize("name", ["some.vec", "some.txt.gz"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])  # fastText ends its lines with a space
def test_words_have_the_first_vector_of_their_name(tmp_path: Path, header: str, name: str, end: str) -> None:
    path = file(tmp_path, (header + LINES).replace("\n", end), name)
    check_word_vectors(path, 3)
    assert read(path) == {"the": [1, 2, 3], "cat": [-0.5, 0.2, 0]}


def test_a_special_piece_has_no_vector(tmp_path: Path) -> None:
    assert read(file(tmp_path, "</s> 1 1 1\n<unk> 2 2 2\n</s 3 3 3\n")) == {"</s": [3, 3, 3]}


def test_a_word_may_hold_spaces(tmp_path: Path) -> None:
    assert read(file(tmp_path, ". . 1 2 3\ncat 4 5 6\n")) == {". .": [1, 2, 3], "cat": [4, 5, 6]}


def test_a_piece_that_begins_a_word_has_the_words_vector(tmp_path: Path) -> None:
    found = read(file(tmp_path, LINES + "s 5 5 5\n"), PIECES, subwords=True)
    assert found == {"▁the": [1, 2, 3], "▁cat": [-0.5, 0.2, 0]}


def test_a_file_of_pieces_gives_each_its_own(tmp_path: Path) -> None:
    text = "▁ 0 0 1\nthe 1 2 3\n▁the 4 5 6\ns 5 5 5\ncat 1 1 1\n"
    expected = {"▁": [0, 0, 1], "the": [1, 2, 3], "▁the": [4, 5, 6], "s": [5, 5, 5]}
    assert read(file(tmp_path, text), PIECES, subwords=True) == expected


def test_bytes_that_are_no_text_make_a_word_that_nobody_asks_for(tmp_path: Path) -> None:
    path = tmp_path / "some.vec"
    path.write_bytes(b"\xff\xfe 1 2 3\ncat 4 5 6\n")
    assert read(path) == {"cat": [4, 5, 6]}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (
            "2 5\nthe 1 2 3 4 5\n",
            1,
            "expected vectors of model.embedding 3 numbers, found 5; set model.embed",
        ),
        ("the 1 2 3 4 5\n", 1, "expected vectors of model.embedding 3 numbers, found 5"),
        ("far 1 2\n", 1, "expected vectors of model.embedding 3 numbers, found 2"),
        (
            "far 1 2 3\nfar 1 2\n",
            2,
            "expected a word and 3 numbers, found 'far 1 2'; correct or remove the line",
        ),
        (
            "far 1 2 3\nfar 1 2 3 4\n",
            2,
            "expected a word and 3 numbers, found 'far 1 2 3 4'; correct or remove the line",
        ),
        ("far 1 2 3\n\n", 2, "expected a word and 3 numbers, found ''"),
        ("cat line of text\ncat 1 2 3\n", 1, "expected a finite number, found 'line'"),
        (f"2 {'9' * 5000}\n", 1, "expected a word and 3 numbers, found '2 999"),
        ("some text\n", 1, "expected a word and 3 numbers, found 'some text'"),
        ("far 1 2 3\ncat 1 x 3\n", 2, "expected a finite number, found 'x'"),
        ("far 1 2 3\ncat 1 nan 3\n", 2, "expected a finite number, found 'nan'"),
    ],
)
def test_what_is_no_vector_is_refused_by_file_and_line(
    tmp_path: Path, text: str, line: int, reason: str
) -> None:
    path = file(tmp_path, text)
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: line {line}: {reason}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("far 1 2\nthe 1 2 3\n", "model.embedding 3 numbers, found 2"), ("a b c d\n", "found 'b'")],
)
def test_the_first_vector_is_enough_to_refuse_a_file(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        check_word_vectors(file(tmp_path, text), 3)
    check_word_vectors(file(tmp_path, "the 1 2 3\n" + text), 3)


def test_a_file_without_vectors_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected word vectors, found none"):
        check_word_vectors(file(tmp_path, "0 3\n"), 3)
    with pytest.raises(UserError, match=r"none\.vec: cannot be read"):
        check_word_vectors(tmp_path / "none.vec", 3)


@pytest.mark.parametrize("number", ["1e300", "-3.5e38"])
def test_a_number_that_no_embedding_holds_is_refused(tmp_path: Path, number: str) -> None:
    with pytest.raises(UserError, match="line 1: expected a finite number, found"):
        read(file(tmp_path, f"the 1 2 {number}\n"))


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "some.vec")
    with pytest.raises(UserError, match=r"some\.vec: expected a file of word vectors"):
        check_word_vectors(tmp_path / "some.vec", 3)
