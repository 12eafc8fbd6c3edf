"""Phrases and clauses in both languages, against what a person would write."""

import pytest

from nmt.data.builtin.grammar import (
    Clause,
    Modal,
    Order,
    Phrase,
    Place,
    Time,
    noun_phrase,
    number_de,
    number_en,
    ordinal_de,
    ordinal_en,
    place,
    pronoun_phrase,
)
from nmt.data.builtin.lexicon import ADJECTIVES, DATIVE, NOUNS, VERBS

NOUN = {noun.lemma: noun for noun in NOUNS}
ADJECTIVE = {adjective.german: adjective for adjective in ADJECTIVES}
VERB = {verb.infinitive: verb for verbs in VERBS.values() for verb in verbs}
MUST = Modal(("muss", "musst", "muss", "müssen"), "", "have to", "has to")
TODAY = Time("heute", "today", "future")


def the(word: str, *, plural: bool = False) -> Phrase:
    return noun_phrase(NOUN[word], "the", plural=plural)


@pytest.mark.parametrize(
    ("noun", "determiner", "adjective", "plural", "german", "english"),
    [
        ("Hut", "the", "rot", False, "der rote Hut, den roten Hut, dem roten Hut", "the red hat"),
        ("Lampe", "a", "alt", False, "eine alte Lampe, eine alte Lampe, einer alten Lampe", "an old lamp"),
        (
            "Kleid",
            "a",
            "teuer",
            False,
            "ein teures Kleid, ein teures Kleid, einem teuren Kleid",
            "an expensive dress",
        ),
        ("Kind", "a", "müde", True, "müde Kinder, müde Kinder, müden Kindern", "tired children"),
        ("Junge", "the", None, False, "der Junge, den Jungen, dem Jungen", "the boy"),
        (
            "Apfel",
            "no",
            "süß",
            True,
            "keine süßen Äpfel, keine süßen Äpfel, keinen süßen Äpfeln",
            "any sweet apples",
        ),
        (
            "Mantel",
            "we",
            "lang",
            False,
            "unser langer Mantel, unseren langen Mantel, unserem langen Mantel",
            "our long coat",
        ),
        ("Tee", "a", "heiß", False, "heißer Tee, heißen Tee, heißem Tee", "hot tea"),
        (
            "Schuhe",
            "she",
            "neu",
            False,
            "ihre neuen Schuhe, ihre neuen Schuhe, ihren neuen Schuhen",
            "her new shoes",
        ),
    ],
)
def test_noun_phrase_agrees_in_gender_number_and_case(
    noun: str, determiner: str, adjective: str | None, plural: bool, german: str, english: str
) -> None:
    phrase = noun_phrase(NOUN[noun], determiner, ADJECTIVE[adjective] if adjective else None, plural=plural)
    assert ", ".join(phrase.german) == german
    assert phrase.english == (english, english)


def test_count_takes_the_place_of_the_article() -> None:
    phrase = noun_phrase(NOUN["Fahrrad"], "a", ADJECTIVE["blau"], plural=True, count=3)
    assert (phrase.german[0], phrase.english[0]) == ("drei blaue Fahrräder", "three blue bicycles")


@pytest.mark.parametrize(
    ("word", "plural", "pronoun"),
    [
        ("Hut", False, "ihn it"),
        ("Lampe", False, "sie it"),
        ("Buch", False, "es it"),
        ("Buch", True, "sie them"),
        ("Mädchen", False, "es her"),
        ("Tante", False, "sie her"),
    ],
)
def test_pronoun_follows_the_gender_of_the_noun(word: str, plural: bool, pronoun: str) -> None:
    phrase = the(word, plural=plural).as_pronoun()
    assert f"{phrase.german[1]} {phrase.english[1]}" == pronoun


CALL = Clause(subject=the("Frau"), verb=VERB["anrufen"], accusative=the("Arzt"), time=TODAY)


@pytest.mark.parametrize(
    ("order", "german"),
    [
        ("second", "die Frau ruft heute den Arzt an"),
        ("first", "ruft die Frau heute den Arzt an"),
        ("last", "die Frau heute den Arzt anruft"),
    ],
)
def test_separable_verb_in_every_order(order: Order, german: str) -> None:
    assert CALL.german(order) == german
    assert CALL.english() == "the woman will call the doctor today"


def test_what_is_fronted_turns_subject_and_verb_round() -> None:
    assert CALL.german("second", "time") == "heute ruft die Frau den Arzt an"
    assert CALL.english(front="time") == "today the woman will call the doctor"
    assert CALL.german("second", "accusative") == "den Arzt ruft die Frau heute an"


@pytest.mark.parametrize(
    ("clause", "german", "last", "english", "question"),
    [
        (
            Clause(subject=the("Mann"), verb=VERB["aufstehen"], past=True),
            "der Mann ist aufgestanden",
            "der Mann aufgestanden ist",
            "the man got up",
            "did the man get up",
        ),
        (
            Clause(subject=the("Kind"), verb=VERB["lesen"], modal=MUST, accusative=the("Buch"), nicht=True),
            "das Kind muss das Buch nicht lesen",
            "das Kind das Buch nicht lesen muss",
            "the child does not have to read the book",
            "does the child not have to read the book",
        ),
        (
            Clause(subject=pronoun_phrase("I"), verb=VERB["essen"], accusative=noun_phrase(NOUN["Ei"], "no")),
            "ich esse kein Ei",
            "ich kein Ei esse",
            "I am not eating an egg",
            "am I not eating an egg",
        ),
        (
            Clause(
                subject=pronoun_phrase("you"),
                verb=VERB["geben"],
                dative=the("Tante"),
                accusative=the("Brief"),
                general=True,
            ),
            "du gibst der Tante den Brief",
            "du der Tante den Brief gibst",
            "you give the aunt the letter",
            "do you give the aunt the letter",
        ),
        (
            Clause(subject=the("Tür", plural=True), predicate=Place("alt", "old"), past=True, nicht=True),
            "die Türen waren nicht alt",
            "die Türen nicht alt waren",
            "the doors were not old",
            "were the doors not old",
        ),
        (
            Clause(subject=the("Vater"), verb=VERB["kennen"], accusative=the("Hund").as_pronoun()),
            "der Vater kennt ihn",
            "der Vater ihn kennt",
            "the father knows it",
            "does the father know it",
        ),
        (
            Clause(
                subject=the("Köchin"),
                verb=VERB["backen"],
                accusative=noun_phrase(NOUN["Kuchen"], "a"),
                place=place(("in", "in"), the("Garten"), DATIVE),
            ),
            "die Köchin backt im Garten einen Kuchen",
            "die Köchin im Garten einen Kuchen backt",
            "the cook is baking a cake in the garden",
            "is the cook baking a cake in the garden",
        ),
    ],
)
def test_clause_in_both_languages(
    clause: Clause, german: str, last: str, english: str, question: str
) -> None:
    assert clause.german("second") == german
    assert clause.german("last") == last
    assert clause.english() == english
    assert clause.english(question=True) == question


@pytest.mark.parametrize(
    ("number", "german", "english"),
    [
        (7, "sieben", "seven"),
        (17, "siebzehn", "seventeen"),
        (22, "zweiundzwanzig", "twenty-two"),
        (30, "dreißig", "thirty"),
        (101, "einhunderteins", "one hundred and one"),
        (345, "dreihundertfünfundvierzig", "three hundred and forty-five"),
        (1000, "eintausend", "one thousand"),
        (2016, "zweitausendsechzehn", "two thousand and sixteen"),
        (9999, "neuntausendneunhundertneunundneunzig", "nine thousand nine hundred and ninety-nine"),
    ],
)
def test_numbers_in_words(number: int, german: str, english: str) -> None:
    assert (number_de(number), number_en(number)) == (german, english)


@pytest.mark.parametrize(
    ("day", "german", "english"),
    [
        (1, "ersten", "first"),
        (3, "dritten", "third"),
        (7, "siebten", "seventh"),
        (12, "zwölften", "twelfth"),
        (20, "zwanzigsten", "twentieth"),
        (22, "zweiundzwanzigsten", "twenty-second"),
        (30, "dreißigsten", "thirtieth"),
    ],
)
def test_days_of_a_month(day: int, german: str, english: str) -> None:
    assert (ordinal_de(day), ordinal_en(day)) == (german, english)
