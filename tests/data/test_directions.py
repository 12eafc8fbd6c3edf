"""Which tag a translation has: the one that stands for the language, none where some text had none."""

import pytest

from nmt.data.directions import Direction, choose_tag, language_of, lines_by_tag, target_of
from nmt.errors import UserError

BOTH = (Direction("de", "en", "<2en>"), Direction("en", "de", "<2de>"), Direction("en", "de", "<bt>"))
BACK = (Direction("de", "en", ""), Direction("de", "en", "<bt>"))


@pytest.mark.parametrize(
    ("directions", "to", "tag"),
    [
        (BOTH, "en", "<2en>"),
        (BOTH, "de", "<2de>"),
        (BACK, None, ""),
        ((), None, ""),
        ((*BOTH, *BACK), None, ""),
    ],
)
def test_what_fits_is_chosen(directions: tuple[Direction, ...], to: str | None, tag: str) -> None:
    assert choose_tag("M", directions, to) == tag


@pytest.mark.parametrize(
    ("directions", "to", "message"),
    [
        (BOTH, None, "M translates to en or de; say which, such as --to en"),
        (BOTH, "fr", "--to fr: M was not trained with the tag <2fr>; expected one of en, de"),
        (BOTH, "bt", "--to bt: M was not trained with the tag <2bt>; expected one of en, de"),
        (BACK, "en", "--to en: M was not trained with the tag <2en>; it has no such tags; leave it out"),
        ((), "en", "--to en: M was not trained with the tag <2en>; it has no such tags; leave it out"),
    ],
)
def test_what_does_not_fit_is_one_line(
    directions: tuple[Direction, ...], to: str | None, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        choose_tag("M", directions, to)
    assert str(caught.value) == message


def test_the_language_of_a_tag() -> None:
    assert [language_of(tag) for tag in ("<2de>", "<2pt-BR>", "<bt>", "")] == ["de", "pt-BR", None, None]
    assert target_of(BOTH, "<2de>") == target_of(BOTH, "<bt>") == "de"
    assert target_of((*BACK, Direction("de", "fr", "")), "") is None
    assert target_of((Direction("", "", ""),), "") is None


def test_lines_by_their_tags() -> None:
    assert lines_by_tag(["a", "", "a"]) == {"a": [0, 2], "": [1]}
