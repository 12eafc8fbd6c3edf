"""The shapes of the built-in corpus's sentences: statements, questions, and clauses joined in many ways."""

from collections.abc import Callable
from random import Random

from nmt.data.builtin.clauses import MODALS, PEOPLE, SUITED, TO_BE, Composer, When
from nmt.data.builtin.grammar import (
    Clause,
    Order,
    Phrase,
    Place,
    Time,
    noun_phrase,
    number_de,
    number_en,
    pronoun_phrase,
)
from nmt.data.builtin.lexicon import ACCUSATIVE, ADJECTIVES, DATIVE, GENDERS, NOUNS, VERBS, Noun, Verb

_FEELINGS = ("müde", "krank", "hungrig", "glücklich", "traurig")
_VERB = {verb.infinitive: verb for verbs in VERBS.values() for verb in verbs}
_PLACED = tuple(verb for verb in _VERB.values() if verb.places)
_COLORS = next(a.group for a in ADJECTIVES if a.german == "rot")
_DESCRIBED = tuple(noun for noun in NOUNS if len({a.group for a in SUITED[noun]} - {_COLORS}) > 1)
# What one does with a thing first, and with "it" afterwards.
_BEFORE = (
    "kaufen suchen finden sehen bestellen kochen backen schreiben besuchen einladen abholen ausleihen".split()
)
_AFTER = (
    "essen trinken lesen tragen waschen putzen reparieren verkaufen brauchen lieben füttern malen".split()
)


def _verbs_for(noun: Noun, infinitives: list[str]) -> tuple[Verb, ...]:
    return tuple(_VERB[word] for word in infinitives if noun in _VERB[word].objects)


_STORIES = {noun: (_verbs_for(noun, _BEFORE), _verbs_for(noun, _AFTER)) for noun in NOUNS}
_ACTED_ON = tuple(noun for noun in NOUNS if all(_STORIES[noun]))


class Writer(Composer):
    """Writes one sentence after the other in both languages, each with its combinations."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        weighted: tuple[tuple[Callable[[], tuple[str, str]], int], ...] = (
            (self._statement, 34),
            (self._yes_no_question, 7),
            (self._question, 9),
            (self._contrast, 4),
            (self._that, 8),
            (self._reason, 9),
            (self._condition, 5),
            (self._two_actions, 8),
            (self._measure, 7),
            (self._belonging, 3),
            (self._position, 3),
            (self._relative, 4),
        )
        self._shapes = [shape for shape, weight in weighted for _ in range(weight)]

    def sentence(self) -> tuple[str, str]:
        """The next sentence, German and English, with its capital and full stop."""
        self.combinations.clear()
        german, english = self._pick(self._shapes)()
        return german[0].upper() + german[1:], english[0].upper() + english[1:]

    def _statement(self) -> tuple[str, str]:
        clause = self._clause(self._subject())
        front, luck = "subject", self._random()
        if luck < 0.3 and clause.time:
            front = "time"
        elif luck < 0.45 and clause.place:
            front = "place"
        elif luck > 0.9 and clause.subject.noun and clause.accusative and _shows_case(clause.accusative):
            front = "accusative"
        return clause.german("second", front) + ".", clause.english(front=front) + "."

    def _yes_no_question(self) -> tuple[str, str]:
        clause = self._clause(self._subject(speaker=False))
        return clause.german("first") + "?", clause.english(question=True) + "?"

    def _question(self) -> tuple[str, str]:
        luck = self._random()
        if luck < 0.25:
            who = Phrase(("wer", "wen", "wem"), ("who", "whom"), "he")
            clause = self._clause(who)
            return clause.german("second") + "?", clause.english() + "?"
        subject = self._subject(speaker=False)
        if luck < 0.5:
            verb = self._pick(VERBS["accusative"] + VERBS["giving"])
            word = ("wen", "whom") if self._pick(verb.objects).kind == "person" else ("was", "what")
            clause = self._clause(subject, verb, negatable=False, omit="accusative")
        elif luck < 0.6:
            word = ("wem", "whom")
            clause = self._clause(subject, self._pick(VERBS["dative"]), negatable=False, omit="dative")
        elif luck < 0.75:
            word = ("wo", "where")
            clause = self._clause(subject, self._pick(_PLACED), negatable=False, omit="place")
        elif luck < 0.85:
            word = ("wann", "when")
            when = self._pick((When(past=True), When(time=Time("", "", "future"))))
            clause = self._clause(subject, self._verb(timeless=False), when, negatable=False)
        else:
            word = ("warum", "why")
            clause = self._clause(subject)
        return f"{word[0]} {clause.german('first')}?", f"{word[1]} {clause.english(question=True)}?"

    def _contrast(self) -> tuple[str, str]:
        noun = self._pick(_DESCRIBED)
        first = self._pick(SUITED[noun])
        second = self._pick([a for a in SUITED[noun] if a.group not in (first.group, _COLORS)])
        subject = self._phrase(noun, "the", plural=bool(noun.plural) and self._chance(0.2), described=0)
        past = self._chance(0.2)
        is_first = Clause(subject=subject, past=past, predicate=self._predicate(first, noun))
        is_second = Clause(
            subject=subject.as_pronoun(), past=past, nicht=True, predicate=self._predicate(second, noun)
        )
        return (
            f"{is_first.german('second')}, aber {is_second.german('second')}.",
            f"{is_first.english()}, but {is_second.english()}.",
        )

    def _that(self) -> tuple[str, str]:
        subject = self._subject()
        verb = self._pick(VERBS["saying"])
        nicht = verb.infinitive in ("wissen", "glauben") and self._chance(0.2)
        says = Clause(subject=subject, verb=verb, general=True, nicht=nicht)
        inner = self._clause(subject.as_pronoun() if self._chance(0.3) else self._subject(than=subject))
        return (
            f"{says.german('second')}, dass {inner.german('last')}.",
            f"{says.english()} that {inner.english()}.",
        )

    def _reason(self) -> tuple[str, str]:
        clause = self._clause(self._subject())
        it = clause.subject.as_pronoun()
        luck = self._random()
        if luck < 0.35:
            reason = Clause(subject=it, past=clause.past, predicate=TO_BE[self._pick(_FEELINGS)])
        elif luck < 0.6:
            reason = self._weather(past=clause.past)
        else:
            when = When(past=True) if clause.past else When(self._pick(MODALS))
            reason = self._clause(it, self._verb(timeless=False), when)
        german, english = self._pick(((", weil", " because"), (", obwohl", ", although")))
        front = "time" if clause.time and self._chance(0.3) else "subject"
        return (
            f"{clause.german('second', front)}{german} {reason.german('last')}.",
            f"{clause.english(front=front)}{english} {reason.english()}.",
        )

    def _condition(self) -> tuple[str, str]:
        luck = self._random()
        always = When(general=True)
        subject = self._subject()
        if luck < 0.3:
            condition = self._weather(general=True)
        elif luck < 0.6:
            condition = Clause(subject=subject, general=True, predicate=TO_BE[self._pick(_FEELINGS)])
        else:
            condition = self._clause(subject, self._verb(timeless=False), always, negatable=False)
        if condition.subject is subject:
            subject = subject.as_pronoun() if self._chance(0.5) else self._subject(than=subject)
        result = self._clause(subject, self._verb(timeless=False), always)
        return (
            f"wenn {condition.german('last')}, {result.german('first')}.",
            f"when {condition.english()}, {result.english()}.",
        )

    def _two_actions(self) -> tuple[str, str]:
        noun = self._pick(_ACTED_ON)
        first_verb, second_verb = (self._pick(verbs) for verbs in _STORIES[noun])
        subject = self._subject(than=noun_phrase(noun, "the"))
        first = self._clause(subject, first_verb, negatable=False, thing=noun)
        assert first.accusative, "an accusative verb has its object"
        luck = self._random()
        joint = (", aber", ", but") if luck < 0.5 else (" und", ", and")
        if second_verb.infinitive in ("brauchen", "lieben"):
            joint = (", weil", " because")
        self.combinations.append((second_verb.infinitive, noun.lemma))
        second = Clause(
            subject=subject.as_pronoun(),
            verb=second_verb,
            past=first.past,
            nicht=joint[1] == ", but",
            accusative=first.accusative.as_pronoun(),
            time=Time("", "", first.time.sort) if first.time and not second_verb.stative else None,
        )
        order: Order = "last" if joint[1] == " because" else "second"
        return (
            f"{first.german('second')}{joint[0]} {second.german(order)}.",
            f"{first.english()}{joint[1]} {second.english()}.",
        )

    def _measure(self) -> tuple[str, str]:
        luck = self._random()
        if luck < 0.45:
            noun, verb, unit = self._pick(_VERB["kosten"].objects), _VERB["kosten"], ("Euro", "euros")
            number = self._between(2, 99) if self._chance(0.6) else 25 * self._between(4, 39)
        elif luck < 0.65:
            noun, verb, unit = self._pick(PEOPLE), None, ("Jahre alt", "years old")
            number = self._between(2, 99)
        else:
            noun, verb = self._pick(_VERB["haben"].objects), _VERB["haben"]
            unit = ("Einwohner", "inhabitants") if noun.kind == "place" else ("Seiten", "pages")
            number = 100 * (self._between(10, 59) if noun.kind == "place" else self._between(1, 9))
        subject = self._phrase(noun, "the")
        amount = Place(f"{number_de(number)} {unit[0]}", f"{number_en(number)} {unit[1]}")
        clause = Clause(subject=subject, verb=verb, predicate=amount)
        return clause.german("second") + ".", clause.english() + "."

    def _belonging(self) -> tuple[str, str]:
        verb = self._pick(VERBS["belonging"])
        noun = self._pick(verb.objects)
        self.combinations.append((verb.infinitive, noun.lemma))
        thing = self._phrase(noun, "the", plural=self._chance(0.2))
        person, nicht = self._subject(), self._chance(0.2)
        german = Clause(subject=thing, verb=verb, dative=person, nicht=nicht)
        english = german
        if verb.infinitive == "gefallen":  # what pleases her, she likes
            english = Clause(subject=person, verb=verb, accusative=thing, nicht=nicht)
        return german.german("second") + ".", english.english() + "."

    def _position(self) -> tuple[str, str]:
        verb = self._pick(VERBS["lying"])
        noun = self._pick(verb.objects)
        thing = self._phrase(noun, "the", plural=self._chance(0.2))
        clause = Clause(subject=thing, verb=verb, predicate=self._beside(DATIVE), nicht=self._chance(0.15))
        return clause.german("second") + ".", clause.english() + "."

    def _relative(self) -> tuple[str, str]:
        noun = self._pick(PEOPLE)
        head = self._phrase(noun, "the")
        article = GENDERS[noun.gender]
        who = Phrase((article, article, article), ("who", "who"), head.pronoun, noun)
        inner = self._clause(who)
        if self._chance(0.4):
            german, english = f"das ist {head.german[0]}", f"that is {head.english[0]}"
            end = "."
        else:
            self.combinations.append(("kennen", noun.lemma))
            key = self._pick(("I", "you", "we"))
            known = Clause(subject=pronoun_phrase(key), verb=_VERB["kennen"], accusative=head)
            asked = key == "you"
            german = known.german("first" if asked else "second")
            english, end = known.english(question=asked), "?" if asked else "."
        return f"{german}, {inner.german('last')}{end}", f"{english} {inner.english()}{end}"


def _shows_case(phrase: Phrase) -> bool:
    """Whether the phrase in front is known for an object by its form: den Apfel, but not die Birne."""
    return phrase.definite and phrase.german[0] != phrase.german[ACCUSATIVE]
