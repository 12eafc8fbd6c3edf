"""What a model with tags translates: from which language into which, asked for by which tag."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from nmt.errors import UserError


class Direction(NamedTuple):
    """The languages of some training text, "" where unknown, and the tag before its sources, "" for none."""

    src: str
    trg: str
    tag: str


def language_of(tag: str) -> str | None:
    """Return the language that a tag stands for: de for <2de>, None for one that only marks text."""
    found = re.fullmatch("<2(.+)>", tag)
    return found and found[1]


def languages_of(directions: Sequence[Direction]) -> list[str]:
    """Return the languages that tags stand for, each once."""
    found = (language_of(each.tag) for each in directions)
    return [*dict.fromkeys(language for language in found if language)]


def choose_tag(model: object, directions: Sequence[Direction], to: str | None) -> str:
    """Return the tag before the sources of a translation, "" for none.

    directions: those of a model with tags, none for a model without. to: a language; the tag is the one that
    stands for it. Without it there is no tag, for which some of the training text must have had none. Raises
    UserError, which names the model, where nothing fits.
    """
    languages = languages_of(directions)
    if to is not None:
        if to in languages:
            return f"<2{to}>"
        has = f"expected one of {', '.join(languages)}" if languages else "it has no such tags; leave it out"
        raise UserError(f"--to {to}: {model} was not trained with the tag <2{to}>; {has}")
    if directions and not any(each.tag == "" for each in directions):
        raise UserError(
            f"{model} translates to {' or '.join(languages)}; say which, such as --to {languages[0]}"
        )
    return ""


def target_of(directions: Sequence[Direction], tag: str) -> str | None:
    """Return the language of the translations that a tag asks for; None where it is not known."""
    found = {each.trg for each in directions if each.tag == tag}
    return language_of(tag) or (next(iter(found)) or None if len(found) == 1 else None)


def lines_by_tag(tags: Sequence[str]) -> dict[str, list[int]]:
    """Return the numbers of the lines that have each tag."""
    found: dict[str, list[int]] = {}
    for number, tag in enumerate(tags):
        found.setdefault(tag, []).append(number)
    return found
