"""Word vectors from a text file of word2vec, fastText or GloVe, for the tokens of a vocabulary."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from nmt.data.lines import read_lines
from nmt.errors import UserError
from nmt.tokenization.subwords import SPACE
from nmt.tokenization.vocabulary import Vocabulary

LARGEST = float(np.finfo(np.float32).max)  # of an embedding's numbers
Vector: TypeAlias = npt.NDArray[np.float64]


def read_word_vectors(path: Path, vocabulary: Vocabulary, width: int, *, subwords: bool) -> dict[int, Vector]:
    """Return the vectors (width) of the tokens in the file, by id; special tokens have none.

    A line is a word and its numbers, separated by single spaces; word2vec and fastText begin with a line
    "words width", GloVe does not. A file named .gz is decompressed. The file is read line by line and only
    vectors of the vocabulary are kept, the first one if a word occurs twice.
    A subword that begins with ▁ takes the vector of the word after ▁; any other subword is no word and has
    no vector. If the file itself contains ▁, its words are subwords and each takes its own vector. A word
    with bytes that are not UTF-8 matches no token.

    Raises UserError with file and line if a vector has another width or a line is wrong.
    """
    tokens = {vocabulary.tokens[i]: i for i in vocabulary.text_ids}
    begins_a_word = {token: i for token, i in tokens.items() if subwords and token[1:] and token[0] == SPACE}
    words = {token[1:]: i for token, i in begins_a_word.items()}
    of_tokens: dict[int, Vector] = {}
    of_words: dict[int, Vector] = {}
    written_as_tokens = False
    for number, word, numbers in _entries(path, width):
        token, start = tokens.get(word), words.get(word)
        if token is None and start is None:
            continue
        vector = _vector(numbers, f"{path}: line {number}")
        if token is not None:
            of_tokens.setdefault(token, vector)
            written_as_tokens |= word in begins_a_word
        if start is not None:
            of_words.setdefault(start, vector)
    return of_words if subwords and not written_as_tokens else of_tokens


def check_word_vectors(path: Path, width: int) -> None:
    """Raise the UserError that `read_word_vectors` would for the file's first vector."""
    for number, _, numbers in _entries(path, width):
        _vector(numbers, f"{path}: line {number}")
        return
    raise UserError(f"{path}: expected word vectors, found none; give another file")


def _entries(path: Path, width: int) -> Iterator[tuple[int, str, str]]:
    """Yield the number of each line with a vector, its word, and its numbers as unparsed text."""
    if path.exists() and not path.is_file():
        raise UserError(
            f"{path}: expected a file of word vectors, found a folder, FIFO or device; give another"
        )
    first = True
    for number, line in enumerate(read_lines(path, "replace"), start=1):
        line = line.rstrip(" ")
        if number == 1 and _header(line):
            if (found := int(line.split(" ")[1])) != width:
                raise _other_width(f"{path}: line 1", width, found)
            continue
        spaces = line.count(" ")
        # A word of GloVe may contain spaces: the word is everything before the last `width` numbers.
        parts = line.split(" ", spaces - width + 1) if spaces >= width else line.split(" ")
        if spaces < width or (spaces > width and all(map(_is_number, parts[1:-1]))):
            if not first or not spaces or not all(map(_is_number, line.split(" ")[1:])):
                raise UserError(
                    f"{path}: line {number}: expected a word and {width} numbers, found {line[:60]!r}; "
                    "correct or remove the line"
                )
            raise _other_width(f"{path}: line {number}", width, spaces)
        first = False
        yield number, " ".join(parts[:-1]), parts[-1]


def _header(line: str) -> bool:
    parts = line.split(" ")
    return len(parts) == 2 and all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts)


def _other_width(where: str, width: int, found: int) -> UserError:
    return UserError(
        f"{where}: expected vectors of model.embedding {width} numbers, found {found}; "
        f"set model.embedding: {found} or give another file"
    )


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) <= LARGEST
    except ValueError:
        return False


def _vector(numbers: str, where: str) -> Vector:
    parts = numbers.split(" ")
    for text in parts:
        if not _is_number(text):
            raise UserError(f"{where}: expected a finite number, found {text!r}; correct or remove the line")
    return np.array(parts, dtype=np.float64)
