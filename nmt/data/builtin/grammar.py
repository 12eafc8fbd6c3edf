"""Phrases and clauses of the built-in corpus, each written in German and in English.

German: endings by gender, number and case; the verb second, first or last; separable prefixes;
"nicht" and its place. English: "do", "be", "will" and the fixed order of words. The tenses answer each
other by one rule: perfect – past, modal – modal, present – future, simple or progressive, as the time
says ("morgen": "will read", "jeden Tag": "reads", otherwise "is reading").
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from nmt.data.builtin.lexicon import ACCUSATIVE, DATIVE, NOMINATIVE, Adjective, Noun, Verb

# One row a case; columns: masculine, feminine, neuter, plural.
_ARTICLES = (("der", "die", "das", "die"), ("den", "die", "das", "die"), ("dem", "der", "dem", "den"))
_EIN = (("", "e", "", "e"), ("en", "e", "", "e"), ("em", "er", "em", "en"))
_WEAK = (("e", "e", "e", "en"), ("en", "e", "e", "en"), ("en", "en", "en", "en"))
_MIXED = (("er", "e", "es", "en"), ("en", "e", "es", "en"), ("en", "en", "en", "en"))
_STRONG = (("er", "e", "es", "e"), ("en", "e", "es", "e"), ("em", "er", "em", "en"))
_CONTRACTIONS = {"in dem": "im", "an dem": "am", "zu dem": "zum", "zu der": "zur", "in das": "ins"}


TimeSort = Literal["past", "future", "habit", "now"]
Order = Literal["first", "second", "last"]  # where the finite verb stands


class Pronoun(NamedTuple):
    """A personal pronoun by case, its possessive, and its agreement (an index into I, you, he, they)."""

    german: tuple[str, str, str]
    english: tuple[str, str]
    agreement: int
    possessive: str
    english_possessive: str


PRONOUNS = {
    "I": Pronoun(("ich", "mich", "mir"), ("I", "me"), 0, "mein", "my"),
    "you": Pronoun(("du", "dich", "dir"), ("you", "you"), 1, "dein", "your"),
    "he": Pronoun(("er", "ihn", "ihm"), ("he", "him"), 2, "sein", "his"),
    "she": Pronoun(("sie", "sie", "ihr"), ("she", "her"), 2, "ihr", "her"),
    "we": Pronoun(("wir", "uns", "uns"), ("we", "us"), 3, "unser", "our"),
    "they": Pronoun(("sie", "sie", "ihnen"), ("they", "them"), 3, "ihr", "their"),
    # German pronouns follow the gender of the noun: "der Hut … er", "the hat … it".
    "it m": Pronoun(("er", "ihn", "ihm"), ("it", "it"), 2, "sein", "its"),
    "it f": Pronoun(("sie", "sie", "ihr"), ("it", "it"), 2, "ihr", "its"),
    "it n": Pronoun(("es", "es", "ihm"), ("it", "it"), 2, "sein", "its"),
    "girl": Pronoun(("es", "es", "ihm"), ("she", "her"), 2, "sein", "her"),
}
_HABEN = ("habe", "hast", "hat", "haben")
_SEIN = ("bin", "bist", "ist", "sind")
_WAR = ("war", "warst", "war", "waren")
_AM = ("am", "are", "is", "are")
_WAS = ("was", "were", "was", "were")


class Modal(NamedTuple):
    """A modal verb; English says it with an auxiliary ("can"), a verb of its own ("want to") or both."""

    present: tuple[str, str, str, str]
    auxiliary: str
    english: str
    third: str


class Time(NamedTuple):
    """When something happens, and the tenses that go with it."""

    german: str
    english: str
    sort: TimeSort


class Place(NamedTuple):
    """Where, or where to: a preposition and its phrase in both languages."""

    german: str
    english: str


class Phrase(NamedTuple):
    """A noun phrase by case, and the pronoun that takes its place; negative with "kein"."""

    german: tuple[str, str, str]
    english: tuple[str, str]
    pronoun: str
    noun: Noun | None = None
    definite: bool = True
    negative: bool = False

    @property
    def agreement(self) -> int:
        return PRONOUNS[self.pronoun].agreement

    @property
    def is_pronoun(self) -> bool:
        return self.noun is None

    def as_pronoun(self) -> "Phrase":
        return pronoun_phrase(self.pronoun)


def pronoun_phrase(key: str) -> Phrase:
    """The phrase that is a personal pronoun alone."""
    return Phrase(PRONOUNS[key].german, PRONOUNS[key].english, key)


@cache
def noun_phrase(
    noun: Noun, determiner: str, adjective: Adjective | None = None, *, plural: bool = False, count: int = 0
) -> Phrase:
    """A noun with its determiner, number and adjective, all in agreement.

    The determiner is "the", "a" (nothing before a plural or what cannot be counted), "no", or the key of
    the pronoun that owns it; a count of two and more takes the place of "a".
    """
    plural = plural or not noun.singular
    column = 3 if plural else noun.gender
    bare = determiner == "a" and (plural or not noun.plural)
    endings = _WEAK if determiner == "the" else _STRONG if bare else _MIXED
    if determiner in PRONOUNS:
        stem, first = PRONOUNS[determiner].possessive, PRONOUNS[determiner].english_possessive
    else:
        stem, first = ("kein", "any") if determiner == "no" else ("ein", determiner)
    german = []
    for case in (NOMINATIVE, ACCUSATIVE, DATIVE):
        article = _ARTICLES[case][column] if determiner == "the" else stem + _EIN[case][column]
        words = [
            (number_de(count) if count else "") if bare else article,
            adjective.stem + endings[case][column] if adjective else "",
            noun.form(case, plural=plural),
        ]
        german.append(_join(*words))
    thing = _join(adjective.english if adjective else "", noun.english_plural if plural else noun.english)
    if bare:
        first = number_en(count) if count else ""
    elif determiner in ("a", "no") and column < 3 and noun.plural:
        first = "an" if thing[0] in "aeiou" else "a"
    english = _join(first, thing)
    return Phrase(
        (german[0], german[1], german[2]),
        (english, english),
        _pronoun_of(noun, plural=plural),
        noun,
        determiner not in ("a", "no"),
        determiner == "no",
    )


def _pronoun_of(noun: Noun, *, plural: bool) -> str:
    if plural:
        return "they"
    if noun.kind == "person":
        return "girl" if noun.lemma == "Mädchen" else ("he", "she", "it n")[noun.gender]
    return ("it m", "it f", "it n")[noun.gender]


def place(preposition: tuple[str, str], phrase: Phrase, case: int) -> Place:
    """Where (dative) or where to (accusative); "in dem" becomes "im"."""
    german, english = preposition
    article, _, rest = phrase.german[case].partition(" ")
    start = f"{german} {article}"
    return Place(f"{_CONTRACTIONS.get(start, start)} {rest}", f"{english} {phrase.english[1]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """Who does what to whom, when and where, before it has taken the word order of either language.

    Without a verb it is a form of "to be". The predicate is what follows the verb as it is: "müde",
    "fünf Euro". A clause that is general stands in the English simple present without any time.
    """

    subject: Phrase
    verb: Verb | None = None
    modal: Modal | None = None
    past: bool = False
    general: bool = False
    nicht: bool = False
    dative: Phrase | None = None
    accusative: Phrase | None = None
    predicate: Place | None = None
    direction: Place | None = None
    place: Place | None = None
    time: Time | None = None

    def german(self, order: Order, front: str = "subject") -> str:
        """The clause with its verb second (behind the part called `front`), first or last."""
        finite, rest = self._german_verb()
        parts = self._german_middle()
        subject = self.subject.german[NOMINATIVE]
        middle = _join(*(text for name, text in parts if order != "second" or name != front))
        if order == "last":
            separable = self.verb is not None and rest == self.verb.prefix
            return _join(subject, middle, rest + finite if separable else _join(rest, finite))
        if order == "first":
            return _join(finite, subject, middle, rest)
        if front == "subject":
            return _join(subject, finite, middle, rest)
        return _join(dict(parts)[front], finite, subject, middle, rest)

    def english(self, *, question: bool = False, front: str = "") -> str:
        """The statement (`front`: "time" or "place" first) or the question without its question word."""
        negative = self.nicht or bool(self.accusative and self.accusative.negative)
        auxiliary, base, finite = self._english_verb()
        subject = self.subject.english[0]
        after = [
            self.dative.english[1] if self.dative else "",
            self.accusative.english[1] if self.accusative else "",
            self.predicate.english if self.predicate else "",
            self.direction.english if self.direction else "",
            self.place.english if self.place and front != "place" else "",
            self.time.english if self.time and front != "time" else "",
        ]
        fronted = {"time": self.time, "place": self.place}.get(front)
        before = fronted.english if fronted else ""
        not_ = "not" if negative else ""
        if question:
            return _join(auxiliary, subject, not_, base, *after)
        if finite and not negative:
            return _join(before, subject, finite, *after)
        helper = "cannot" if auxiliary == "can" and negative else _join(auxiliary, not_)
        return _join(before, subject, helper, base, *after)

    def _german_verb(self) -> tuple[str, str]:
        """The finite verb, and what stands in the right bracket."""
        agreement = self.subject.agreement
        if self.verb is None:
            return (_WAR if self.past else _SEIN)[agreement], ""
        if self.modal:
            return self.modal.present[agreement], self.verb.infinitive
        if self.past:
            return (_SEIN if self.verb.auxiliary == "ist" else _HABEN)[agreement], self.verb.participle
        return self.verb.present[agreement], self.verb.prefix

    def _german_middle(self) -> list[tuple[str, str]]:
        """What stands between the brackets, in order; pronouns first, what is new last."""
        dative = ("dative", self.dative.german[DATIVE] if self.dative else "")
        accusative = ("accusative", self.accusative.german[ACCUSATIVE] if self.accusative else "")
        time = ("time", self.time.german if self.time else "")
        where = ("place", self.place.german if self.place else "")
        end = [
            ("predicate", self.predicate.german if self.predicate else ""),
            ("direction", self.direction.german if self.direction else ""),
        ]
        if self.dative and not self.dative.definite:
            dative, time = time, dative
        if self.accusative and self.accusative.is_pronoun:
            start = [accusative, dative, time]
        elif self.nicht:
            start = [dative, accusative, time]
        elif self.accusative and self.accusative.definite:
            start = [dative, time, accusative]
        else:
            return [dative, time, where, accusative, *end]
        return [*start, ("not", "nicht" if self.nicht else ""), where, *end]

    def _english_verb(self) -> tuple[str, str, str]:
        """The auxiliary of questions and negations, what follows it, and the finite form without it."""
        agreement = self.subject.agreement
        third = agreement == 2
        if self.verb is None:
            return (_WAS if self.past else _AM)[agreement], "", ""
        base = self.verb.english
        if self.modal:
            complement = _join(self.modal.english, base)
            if self.modal.auxiliary:
                return self.modal.auxiliary, complement, ""
            finite = _join(self.modal.third, base) if third else complement
            return "does" if third else "do", complement, finite
        if self.past:
            return "did", base, self.verb.past
        sort = "habit" if self.general else self.time.sort if self.time else "now"
        if sort == "future":
            return "will", base, ""
        if sort == "now" and not self.verb.stative:
            return _AM[agreement], self.verb.ing, ""
        return ("does", base, self.verb.third) if third else ("do", base, base)


def _join(*words: str) -> str:
    return " ".join(filter(None, words))


_ONES_DE = "null ein zwei drei vier fünf sechs sieben acht neun zehn elf zwölf".split()
_TEENS_DE = {16: "sechzehn", 17: "siebzehn"}
_TENS_DE = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_ONES_EN = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS_EN = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS_DE = {1: "ersten", 3: "dritten", 7: "siebten", 8: "achten"}
_ORDINALS_EN = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth"}
_ORDINALS_EN |= {"nine": "ninth", "twelve": "twelfth", "twenty": "twentieth", "thirty": "thirtieth"}


def number_de(number: int) -> str:
    """A number from 2 to 9,999 in German words, before a noun: zweiundzwanzig."""
    if number >= 100:
        size, name = (1000, "tausend") if number >= 1000 else (100, "hundert")
        rest = number % size
        return number_de(number // size) + name + ("eins" if rest == 1 else number_de(rest) if rest else "")
    if number <= 12:
        return _ONES_DE[number]
    if number < 20:
        return _TEENS_DE.get(number, _ONES_DE[number % 10] + "zehn")
    tens = _TENS_DE[number // 10 - 2]
    return f"{_ONES_DE[number % 10]}und{tens}" if number % 10 else tens


def number_en(number: int) -> str:
    """A number from 2 to 9,999 in English words: three hundred and forty-five."""
    if number >= 1000:
        rest = number % 1000
        link = "" if rest == 0 else " and " if rest < 100 else " "
        return f"{_ONES_EN[number // 1000]} thousand{link}{number_en(rest) if rest else ''}"
    if number >= 100:
        rest = number % 100
        return f"{_ONES_EN[number // 100]} hundred" + (f" and {number_en(rest)}" if rest else "")
    if number < 20:
        return _ONES_EN[number]
    tens = _TENS_EN[number // 10 - 2]
    return f"{tens}-{_ONES_EN[number % 10]}" if number % 10 else tens


def ordinal_de(number: int) -> str:
    """The day of a month after "am": dritten, zweiundzwanzigsten."""
    return _ORDINALS_DE.get(number, number_de(number) + ("ten" if number < 20 else "sten"))


def ordinal_en(number: int) -> str:
    """The day of a month after "the": third, twenty-second."""
    start, dash, last = number_en(number).rpartition("-")
    return start + dash + _ORDINALS_EN.get(last, last + "th")
