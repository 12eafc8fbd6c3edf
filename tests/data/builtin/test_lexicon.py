"""The forms of the built-in corpus's words."""

import pytest

from nmt.data.builtin.lexicon import ACCUSATIVE, ADJECTIVES, DATIVE, NOUNS, VERBS, select

VERB = {verb.infinitive: verb for verbs in VERBS.values() for verb in verbs}


@pytest.mark.parametrize(
    ("infinitive", "present"),
    [
        ("kaufen", "kaufe kaufst kauft kaufen"),
        ("arbeiten", "arbeite arbeitest arbeitet arbeiten"),
        ("öffnen", "öffne öffnest öffnet öffnen"),
        ("tanzen", "tanze tanzt tanzt tanzen"),
        ("essen", "esse isst isst essen"),
        ("einladen", "lade lädst lädt laden"),
        ("füttern", "füttere fütterst füttert füttern"),
        ("wissen", "weiß weißt weiß wissen"),
        ("haben", "habe hast hat haben"),
    ],
)
def test_present_tense(infinitive: str, present: str) -> None:
    assert VERB[infinitive].present == tuple(present.split())


@pytest.mark.parametrize(
    ("infinitive", "english"),
    [
        ("laufen", "run runs ran running"),
        ("schreiben", "write writes wrote writing"),
        ("waschen", "wash washes washed washing"),
        ("liegen", "lie lies lay lying"),
        ("haben", "have has had having"),
    ],
)
def test_english_forms(infinitive: str, english: str) -> None:
    verb = VERB[infinitive]
    assert [verb.english, verb.third, verb.past, verb.ing] == english.split()


def test_particle_stays_behind_every_form() -> None:
    verb = VERB["aufräumen"]
    assert (verb.prefix, verb.third, verb.past, verb.ing) == ("auf", "tidies up", "tidied up", "tidying up")


def test_weak_nouns_and_dative_plurals() -> None:
    boy, child, car = (select(word)[0] for word in ("Junge", "Kind", "Auto"))
    assert boy.form(ACCUSATIVE, plural=False) == "Jungen"
    assert child.form(DATIVE, plural=True) == "Kindern"
    assert car.form(DATIVE, plural=True) == "Autos"


def test_one_word_is_one_word_on_the_other_side() -> None:
    for german, english in (
        ([noun.lemma for noun in NOUNS], [noun.english or noun.english_plural for noun in NOUNS]),
        ([adjective.german for adjective in ADJECTIVES], [adjective.english for adjective in ADJECTIVES]),
    ):
        assert len(set(german)) == len(german)
        assert len(set(english)) == len(english)
