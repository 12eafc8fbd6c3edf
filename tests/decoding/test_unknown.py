"""nmt.decoding.unknown: the source word stands where a model of words knows none."""

import numpy as np

from nmt.decoding.unknown import replace_unknown
from nmt.tokenization.vocabulary import UNK


def test_of_a_source_in_subwords_it_is_the_whole_word() -> None:
    attention = np.array([[0.9, 0.1, 0.0], [0.0, 0.4, 0.6]])
    words, starts = ["der", "Dackel"], [True, True, False]
    assert replace_unknown("the <unk>", [7, UNK], attention, words, starts) == "the Dackel"
    assert replace_unknown("the dog", [7, 8], attention, words, starts) == "the dog"


def test_words_that_cannot_be_told_apart_stay() -> None:
    attention = np.ones((1, 2))
    assert replace_unknown("<unk>", [UNK], attention, ["a"], [True, True]) == "<unk>"
    assert replace_unknown("<unk> <unk>", [UNK], attention, ["a", "b"], [True, True]) == "<unk> <unk>"
    assert replace_unknown("<unk>", [UNK], np.ones((1, 0)), [], []) == "<unk>"
