"""The words of the built-in corpus, read from `tables`, and the forms they take in both languages."""

import re
from typing import NamedTuple

from nmt.data.builtin import tables

NOMINATIVE, ACCUSATIVE, DATIVE = range(3)
GENDERS = ("der", "die", "das")  # by article; the fourth column of every table of endings is the plural


class Noun(NamedTuple):
    """A noun; an empty singular or plural is a form that is never used.

    The gender is an index into GENDERS; a weak noun takes the ending of its plural: den Jungen.
    """

    singular: str
    plural: str
    gender: int
    english: str
    english_plural: str
    kind: str
    weak: bool

    @property
    def lemma(self) -> str:
        return self.singular or self.plural

    def form(self, case: int, *, plural: bool) -> str:
        if plural:
            return self.plural + ("n" if case == DATIVE and self.plural[-1] not in "ns" else "")
        return self.plural if self.weak and case != NOMINATIVE else self.singular


class Adjective(NamedTuple):
    """An adjective: the form of the predicate, the stem that takes endings, and the nouns it suits.

    Of one group (big, small) a thing is only one.
    """

    german: str
    stem: str
    english: str
    suits: frozenset[str]
    group: int


class Verb(NamedTuple):
    """A verb of both languages; present tenses by agreement (I, you, he, they)."""

    frame: str
    infinitive: str
    prefix: str
    present: tuple[str, str, str, str]
    participle: str
    auxiliary: str
    english: str
    third: str
    past: str
    ing: str
    stative: bool
    objects: tuple[Noun, ...]
    places: tuple[Noun, ...]


def _lines(table: str) -> list[str]:
    return [line.strip() for line in table.strip().splitlines()]


def _noun(line: str, kind: str) -> Noun:
    german, english = ((side + ", ").split(", ")[:2] for side in line.split(" = "))
    article, _, word = german[0].rpartition(" ")
    singular = word.strip("-*")
    gender = GENDERS.index(article) if singular else 3
    many = english[1] or (_s_form(english[0]) if german[1] else "")
    return Noun(singular, german[1], gender, english[0].strip("-"), many, kind, word.endswith("*"))


def _s_form(word: str) -> str:
    """The plural of an English noun and the third person of a verb: boxes, stories, days."""
    if word == "have":
        return "has"
    if re.search(r"(s|x|ch|sh|o)$", word):
        return word + "es"
    return word[:-1] + "ies" if re.search(r"[^aeiou]y$", word) else word + "s"


def _ed_form(word: str) -> str:
    if word.endswith("e"):
        return word + "d"
    return word[:-1] + "ied" if re.search(r"[^aeiou]y$", word) else word + "ed"


def _ing_form(word: str) -> str:
    if re.search(r"[^e]e$", word):
        return re.sub("i$", "y", word[:-1]) + "ing"
    doubled = re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", word)
    return word + (word[-1] if doubled else "") + "ing"


def _present(infinitive: str, third: str) -> tuple[str, str, str, str]:
    stem = infinitive.removesuffix("n") if infinitive.endswith("ern") else infinitive.removesuffix("en")
    if third and not third.endswith("t"):  # ich weiß, er weiß
        return third, third + "t", third, infinitive
    third = third or stem + ("et" if re.search(r"(t|d|ffn|gn)$", stem) else "t")
    second = third if third[-2] in "sßz" else third[:-1] + "st"
    return stem + "e", second, third, infinitive


def _verb(line: str, frame: str) -> Verb:
    line, _, places = line.partition(" @ ")
    line, _, objects = line.partition(" : ")
    german, english = (side.split(", ") for side in line.split(" = "))
    prefix, _, infinitive = german[0].rpartition("|")
    auxiliary, _, participle = german[-1].rpartition(" ")
    base, _, particle = english[0].replace("*", "").partition(" ")
    past = english[1] if len(english) > 1 else _ed_form(base)
    third, past, ing = (f"{form} {particle}".strip() for form in (_s_form(base), past, _ing_form(base)))
    return Verb(
        frame,
        prefix + infinitive,
        prefix,
        _present(infinitive, german[1] if len(german) == 3 else ""),
        participle,
        auxiliary or "hat",
        f"{base} {particle}".strip(),
        third,
        past,
        ing,
        english[0].endswith("*"),
        tuple(noun for word in objects.split() for noun in select(word)),
        tuple(noun for word in places.split() for noun in select(word)),
    )


def _adjective(line: str, group: int) -> Adjective:
    line, _, suits = line.partition(" : ")
    german, english = line.split(" = ")
    words = german.split()
    nouns = frozenset(noun.lemma for word in suits.split() for noun in select(word))
    return Adjective(words[0], words[-1], english, nouns, group)


NOUNS = tuple(_noun(line, kind) for kind, table in tables.NOUNS.items() for line in _lines(table))


def select(word: str) -> tuple[Noun, ...]:
    """The nouns of a kind ("food"), or the one noun ("Apfel"), in the order of the tables."""
    return tuple(noun for noun in NOUNS if word in (noun.kind, noun.lemma))


ADJECTIVES = tuple(
    _adjective(line, group)
    for group, table in enumerate(tables.ADJECTIVES.split("\n\n"))
    for line in _lines(table)
)
VERBS = {frame: tuple(_verb(line, frame) for line in _lines(table)) for frame, table in tables.VERBS.items()}
