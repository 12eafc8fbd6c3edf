"""Labelled text: a label for each text, or for each of its words."""

from collections.abc import Iterable, Iterator

from nmt.data.corpus import Pair, TextFile, read_tsv
from nmt.errors import UserError
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.vocabulary import SPECIALS, UNK


def check_labels(pair: Pair, *, each_word: bool, where: str) -> None:
    """Raise UserError unless a pair of a text and its labels has as many as it shall, of any other name."""
    words, labels = len(pair.src.split()), pair.trg.split()
    wanted = words if each_word else 1
    if not words or len(labels) != wanted:
        expected = "a label for each word" if each_word else "a text with one label"
        raise UserError(
            f"{where}: expected {expected}, found {words} words and {len(labels)} labels between spaces"
        )
    if special := sorted(set(labels) & set(SPECIALS)):
        raise UserError(f"{where}: {special[0]} is the name of a special token; rename that label")


def check_known(pairs: Iterable[Pair], labels: Tokenizer, where: str, *, dropped: str = "") -> None:
    """Raise UserError at the first label that is not in the vocabulary: no model can give it.

    dropped: what was left out of the training text and why, for the message.
    """
    some = f", of which data.filters dropped {dropped}" if dropped else ""
    for number, pair in enumerate(pairs, 1):
        for label in pair.trg.split():
            if labels.vocabulary.id(label) == UNK:
                known = ", ".join(labels.vocabulary.pieces[i] for i in labels.vocabulary.text_ids[:8])
                raise UserError(
                    f"{where}: line {number}: expected a label of the training text{some} (such as {known}), "
                    f"found {label}; give examples of it for training, or leave the line out"
                )


def read_labelled(file: TextFile, *, each_word: bool) -> Iterator[Pair]:
    """Each line as a text, one tab, its label, or with each_word one for each word.

    UserError names a line with another number of labels.
    """
    for number, pair in enumerate(read_tsv(file), 1):
        check_labels(pair, each_word=each_word, where=f"{file.path}: line {number}")
        yield pair
