"""nmt.decoding.demands: what a line and a glossary demand."""

import pytest

from nmt.decoding.demands import Demand, Glossary, Rules, holds
from nmt.errors import UserError


def test_behind_tabs_stand_terms_and_what_is_forbidden() -> None:
    assert Demand.parse("Ein Hund .\tdog\t!cat\t\t ! \t a man", "terms") == (
        "Ein Hund .",
        Demand(terms=("dog", "a man"), forbidden=("cat",)),
    )
    assert Demand.parse("Ein Hund .", "terms") == ("Ein Hund .", Demand())


def test_behind_a_tab_stands_a_prefix() -> None:
    assert Demand.parse("Ein Hund .\tA big", "prefix") == ("Ein Hund .", Demand(prefix="A big"))
    assert Demand.parse("Ein Hund .", "prefix") == ("Ein Hund .", Demand())


def test_a_glossary_finds_whole_words_the_longest_first() -> None:
    glossary = Glossary.parse(["Hund\tdog", "", "großer Hund\tbig dog", "a.b\tx"], "terms.tsv")
    assert glossary.terms("Ein großer Hund und ein Hund , Hunde , a.b, axb") == ["big dog", "dog", "x"]
    assert Glossary(()).terms("Ein Hund") == []


@pytest.mark.parametrize("line", ["Hund dog", "Hund\tdog\tcat", "Hund\t", "\tdog"])
def test_a_line_without_one_tab_between_two_texts_is_named(line: str) -> None:
    with pytest.raises(UserError, match=r"terms\.tsv, line 2: expected a source text, one tab"):
        Glossary.parse(["Katze\tcat", line], "terms.tsv")


def test_a_text_is_held_where_a_word_begins_with_it() -> None:
    assert holds("the dogs", "dog")
    assert holds("(dog)", "dog")
    assert not holds("a hotdog", "dog")


def test_what_may_repeat_goes_with_no_rule_against_it() -> None:
    with pytest.raises(UserError, match="no_repeat 3: expected no glossary, terms or prefix with it"):
        Rules(no_repeat=3, after_tab="terms")
    assert not Rules()
    assert Rules(min_length=1)


def test_a_diverse_beam_has_no_room_for_terms() -> None:
    with pytest.raises(UserError, match="diverse 2: expected no glossary or terms with it"):
        Rules(groups=2, after_tab="terms")
