import math

import pytest

from nmt.data.letters import KEPT, Letters, common_trigrams, trigrams


def test_trigrams_are_of_words_in_lower_case() -> None:
    assert trigrams("Zu spät, 42!") == [" zu", "zu ", " sp", "spä", "pät", "ät "]
    assert trigrams("3 + 4 = 7_8") == []


def test_the_common_ones_come_first_and_ties_by_alphabet() -> None:
    assert common_trigrams(["ab ab", "ba"]) == " ab" + "ab " + " ba" + "ba "
    many = common_trigrams(f"{chr(945 + i)}{chr(945 + j)}" for i in range(25) for j in range(25))
    assert len(many) == 3 * KEPT


def test_a_text_is_as_probable_as_the_ranks_of_its_trigrams() -> None:
    letters = Letters(" ab" + "ab ")
    assert letters.log_prob("ab") == pytest.approx(-math.log(2) - math.log(3))
    assert letters.log_prob("xy") == pytest.approx(-2 * math.log(3 * KEPT + 2))
    assert letters.log_prob("") == 0


@pytest.mark.parametrize("common", ["ab", "abcabc", "abc" * (KEPT + 1)])
def test_what_are_no_trigrams_is_refused(common: str) -> None:
    with pytest.raises(ValueError, match="letters: Input should be up to 1000 trigrams, each once"):
        Letters(common)
