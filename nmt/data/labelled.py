"""Labelled text: a label for each text, or for each of its words."""

from collections.abc import Iterable

from nmt.data.corpus import Pair, parse_tsv
from nmt.errors import UserError
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.vocabulary import SPECIALS, UNK


def check_labels(pair: Pair, *, each_word: bool) -> None:
    """Raise ValueError unless a text has one label, or one per word, and none is a special token."""
    words, labels = len(pair.src.split()), pair.trg.split()
    wanted = words if each_word else 1
    if not words or len(labels) != wanted:
        expected = "a label for each word" if each_word else "a text with one label"
        raise ValueError(f"expected {expected}, found {words} words and {len(labels)} labels between spaces")
    if special := sorted(set(labels) & set(SPECIALS)):
        raise ValueError(f"{special[0]} is the name of a special token; rename that label")


def parse_labelled(line: str, *, each_word: bool) -> Pair:
    """Return a text, one tab and its labels as a pair; raises ValueError like `check_labels`."""
    pair = parse_tsv(line)
    check_labels(pair, each_word=each_word)
    return pair


def check_known(pairs: Iterable[Pair], labels: Tokenizer, where: str, *, dropped: str = "") -> None:
    """Raise UserError at the first label that is not in the vocabulary: no model can give it.

    dropped: the number of dropped training examples by reason, for the message.
    """
    some = f", of which data.filters dropped {dropped}" if dropped else ""
    for number, pair in enumerate(pairs, 1):
        for label in pair.trg.split():
            if labels.vocabulary.id(label) == UNK:
                known = ", ".join(labels.vocabulary.tokens[i] for i in labels.vocabulary.text_ids[:8])
                raise UserError(
                    f"{where}: line {number}: expected a label of the training text{some} (such as {known}), "
                    f"found {label}; give examples of it for training, or leave the line out"
                )
