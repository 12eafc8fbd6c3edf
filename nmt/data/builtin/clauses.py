"""The built-in corpus's clauses: who, what, where and when, drawn by luck from what goes together."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple, TypeVar

from nmt.data.builtin.grammar import (
    Clause,
    Modal,
    Phrase,
    Place,
    Time,
    TimeSort,
    noun_phrase,
    number_de,
    number_en,
    ordinal_de,
    ordinal_en,
    place,
    pronoun_phrase,
)
from nmt.data.builtin.lexicon import (
    ACCUSATIVE,
    ADJECTIVES,
    DATIVE,
    NOUNS,
    VERBS,
    Adjective,
    Noun,
    Verb,
    select,
)

MODALS = (
    Modal(("kann", "kannst", "kann", "können"), "can", "", ""),
    Modal(("soll", "sollst", "soll", "sollen"), "should", "", ""),
    Modal(("möchte", "möchtest", "möchte", "möchten"), "would", "like to", ""),
    Modal(("will", "willst", "will", "wollen"), "", "want to", "wants to"),
    Modal(("muss", "musst", "muss", "müssen"), "", "have to", "has to"),
)
_TIMES: dict[TimeSort, tuple[Time, ...]] = {
    "past": (
        Time("gestern", "yesterday", "past"),
        Time("gestern Abend", "yesterday evening", "past"),
        Time("letzte Woche", "last week", "past"),
    ),
    "future": (
        Time("heute", "today", "future"),
        Time("heute Abend", "this evening", "future"),
        Time("morgen", "tomorrow", "future"),
        Time("nächste Woche", "next week", "future"),
    ),
    "habit": (
        Time("jeden Tag", "every day", "habit"),
        Time("jeden Morgen", "every morning", "habit"),
        Time("manchmal", "sometimes", "habit"),
        Time("im Sommer", "in summer", "habit"),
        Time("im Winter", "in winter", "habit"),
    ),
    "now": (Time("jetzt", "now", "now"), Time("im Moment", "at the moment", "now")),
}
_WEEKDAYS = (
    ("Montag", "Monday"),
    ("Dienstag", "Tuesday"),
    ("Mittwoch", "Wednesday"),
    ("Donnerstag", "Thursday"),
    ("Freitag", "Friday"),
    ("Samstag", "Saturday"),
    ("Sonntag", "Sunday"),
)
_MONTHS = tuple(
    zip(
        "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
        "January February March April May June July August September October November December".split(),
        strict=True,
    )
)
_NAMED = tuple(
    Phrase((name, name, name), (name, name), pronoun)
    for pronoun, names in (("she", ("Anna", "Maria", "Julia")), ("he", ("Peter", "Paul", "Jonas")))
    for name in names
)
# Prepositions of rest where they are not "in"/"in".
_AT = {"Markt": ("auf", "at"), "Marktplatz": ("auf", "in"), "Bahnhof": ("an", "at")}
_ENTERED = ("Garten", "Küche", "Zimmer", "Büro", "Haus", "Bibliothek", "Park", "Wald", "Café")
_POSITIONS = (("auf", "on"), ("unter", "under"), ("neben", "next to"), ("hinter", "behind"))
# "Ihr Mann" is her husband and "mein Mädchen" not my girl: these take no possessive.
_NOT_OWNED = ("Mann", "Frau", "Junge", "Mädchen")
# "A brother" is somebody's: these are rather "the brother" or "my brother".
_KIN = ("Mutter", "Vater", "Schwester", "Bruder", "Großmutter", "Tante", "Onkel")
_COUNTED = ("kaufen", "verkaufen", "brauchen", "suchen", "finden", "sehen", "essen", "backen", "schreiben")
# States that stand with no time and no modal.
_TIMELESS = ("kennen", "lieben", "brauchen")

# How often each kind of verb comes, in percent.
_FRAMES = (
    ("accusative",) * 60
    + ("dative",) * 7
    + ("giving",) * 11
    + ("intransitive",) * 12
    + ("motion",) * 7
    + ("placing",) * 3
)

PEOPLE = select("person")
SUITED = {noun: tuple(a for a in ADJECTIVES if noun.lemma in a.suits) for noun in NOUNS}
TO_BE = {a.german: Place(a.german, a.english) for a in ADJECTIVES}
_FURNITURE = select("furniture")

T = TypeVar("T")


class When(NamedTuple):
    """How a clause stands in time."""

    modal: Modal | None = None
    past: bool = False
    general: bool = False
    time: Time | None = None


class Composer:
    """Draws phrases and clauses, and notes their combinations: adjective and noun, verb and object."""

    def __init__(self, random: Random) -> None:
        # random() alone is promised to give the same numbers in every version of Python.
        self._random = random.random
        self.combinations: list[tuple[str, str]] = []

    def _clause(
        self,
        subject: Phrase,
        verb: Verb | None = None,
        when: When | None = None,
        *,
        negatable: bool = True,
        thing: Noun | None = None,
        omit: str = "",
    ) -> Clause:
        """A clause about the subject, of that thing; `omit` names the part that a question asks for."""
        verb = verb or self._verb()
        when = when or self._when(verb)
        nicht = negatable and self._chance(0.12)
        dative = accusative = direction = where = None
        if verb.frame in ("dative", "giving") and omit != "dative":
            people = verb.objects if verb.frame == "dative" else PEOPLE
            noun = self._pick_other(people, subject.noun)
            determiners = ("the", "the", subject.pronoun, "the" if nicht else "a")
            dative = self._phrase(noun, self._owned(noun, self._pick(determiners)))
            if verb.frame == "dative":
                self.combinations.append((verb.infinitive, noun.lemma))
        if verb.frame in ("accusative", "giving", "placing") and omit != "accusative":
            noun = thing or self._pick_other(verb.objects, subject.noun)
            self.combinations.append((verb.infinitive, noun.lemma))
            accusative = self._object(noun, subject, verb, negated=nicht)
            nicht = nicht and accusative.definite
        if verb.frame == "motion":
            direction = self._direction(verb)
        elif verb.frame == "placing":
            direction = self._beside(ACCUSATIVE)
        if verb.places and omit != "place" and not (nicht and accusative) and self._chance(0.35):
            noun = self._pick(verb.places)
            where = place(_AT.get(noun.lemma, ("in", "in")), self._phrase(noun, "the", described=0.2), DATIVE)
        return Clause(
            subject=subject,
            verb=verb,
            modal=when.modal,
            past=when.past,
            general=when.general,
            nicht=nicht,
            dative=dative,
            accusative=accusative,
            direction=direction,
            place=where,
            time=when.time,
        )

    def _verb(self, *, timeless: bool = True) -> Verb:
        verb = self._pick(VERBS[self._pick(_FRAMES)])
        return verb if timeless or verb.infinitive not in _TIMELESS else self._verb(timeless=False)

    def _when(self, verb: Verb) -> When:
        luck = self._random()
        if verb.infinitive in _TIMELESS:
            return When(past=luck < 0.3)
        if luck < 0.38:
            return When(past=True, time=self._time("past") if self._chance(0.55) else None)
        if luck < 0.52 and not verb.stative:
            modal = self._pick(MODALS)
            return When(modal, time=self._time("future") if self._chance(0.4) else None)
        sorts: tuple[TimeSort, ...] = ("future", "habit") if verb.stative else ("future", "habit", "now")
        return When(time=self._time(self._pick(sorts)) if self._chance(0.65) else None)

    def _time(self, sort: TimeSort) -> Time:
        luck = self._random()
        if sort in ("habit", "now") or luck < 0.5:
            return self._pick(_TIMES[sort])
        if luck < 0.68:
            german, english = self._pick(_WEEKDAYS)
            return Time(f"am {german}", f"on {english}", sort)
        if luck < 0.8:
            hour = self._between(2, 12)
            return Time(f"um {number_de(hour)} Uhr", f"at {number_en(hour)} o'clock", sort)
        day = self._between(1, 30)
        german, english = self._pick(_MONTHS)
        return Time(f"am {ordinal_de(day)} {german}", f"on the {ordinal_en(day)} of {english}", sort)

    def _subject(self, *, speaker: bool = True, than: Phrase | None = None) -> Phrase:
        """Somebody: a pronoun (with or without "I"), a name, or people other than those of `than`."""
        luck = self._random()
        if luck < 0.22:
            return pronoun_phrase(
                self._pick(("I", "I", "you", "he", "she", "we", "they")[0 if speaker else 2 :])
            )
        if luck < 0.3:
            return self._pick_other(_NAMED, than)
        noun = self._pick_other(PEOPLE, than.noun if than else None)
        if luck < 0.42:
            return self._phrase(noun, "a")
        if luck < 0.55:
            return self._phrase(noun, self._owned(noun, self._pick(("I", "you", "we"))))
        return self._phrase(noun, "the", plural=luck > 0.88)

    def _object(self, noun: Noun, subject: Phrase, verb: Verb, *, negated: bool) -> Phrase:
        """What the verb is about; indefinite and negated it takes "kein"."""
        luck = self._random()
        if not noun.plural or not noun.singular:
            return self._phrase(noun, "the" if luck < 0.35 else "no" if negated else "a")
        if luck < 0.42:
            return self._phrase(noun, "the", plural=luck < 0.07)
        if luck < 0.55:
            return self._phrase(noun, self._owned(noun, subject.pronoun), plural=luck < 0.44)
        if negated:
            return self._phrase(noun, "no", plural=luck > 0.85)
        if luck > 0.93 and verb.infinitive in _COUNTED:
            return self._phrase(noun, "a", plural=True, count=self._between(2, 12))
        return self._phrase(noun, "a", plural=luck > 0.85)

    def _phrase(
        self, noun: Noun, determiner: str, *, plural: bool = False, count: int = 0, described: float = 0.35
    ) -> Phrase:
        """The noun phrase, with an adjective in so many cases as `described` says."""
        if determiner == "a" and noun.lemma in _KIN:
            determiner, count = "the", 0
        adjective: Adjective | None = None
        if SUITED[noun] and self._chance(described):
            adjective = self._pick(SUITED[noun])
            self.combinations.append((adjective.german, noun.lemma))
        return noun_phrase(noun, determiner, adjective, plural=plural, count=count)

    def _owned(self, noun: Noun, determiner: str) -> str:
        return "the" if noun.lemma in _NOT_OWNED else determiner

    def _direction(self, verb: Verb) -> Place:
        noun = self._pick(verb.objects)
        self.combinations.append((verb.infinitive, noun.lemma))
        where = self._phrase(noun, "the", described=0.2)
        if noun.lemma in _ENTERED and verb.infinitive != "fahren":
            return place(("in", "into"), where, ACCUSATIVE)
        return place(("zu", "to"), where, DATIVE)

    def _beside(self, case: int) -> Place:
        return place(self._pick(_POSITIONS), self._phrase(self._pick(_FURNITURE), "the"), case)

    def _predicate(self, adjective: Adjective, noun: Noun) -> Place:
        self.combinations.append((adjective.german, noun.lemma))
        return TO_BE[adjective.german]

    def _weather(self, *, past: bool = False, general: bool = False) -> Clause:
        it = pronoun_phrase("it n")
        return Clause(subject=it, verb=self._pick(VERBS["weather"]), past=past, general=general)

    def _pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._random() * len(choices))]

    def _pick_other(self, choices: Sequence[T], than: T | None) -> T:
        choice = self._pick(choices)
        return choice if choice != than else self._pick_other(choices, than)

    def _chance(self, share: float) -> bool:
        return self._random() < share

    def _between(self, first: int, last: int) -> int:
        return first + int(self._random() * (last - first + 1))
