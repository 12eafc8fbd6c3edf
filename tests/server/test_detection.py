from nmt.data.letters import Letters
from nmt.runtime.bundle import PRETRAINED
from nmt.runtime.manifest import Manifest
from nmt.server.detection import detect


def letters(name: str) -> Letters:
    manifest = Manifest.load(PRETRAINED / name)
    assert manifest is not None
    return Letters(manifest.letters)


def test_it_finds_german_and_english() -> None:
    languages = {"de": letters("de-en"), "en": letters("en-de")}
    for text, language in (
        ("Der Hund schläft unter dem Tisch.", "de"),
        ("The dog sleeps under the table.", "en"),
        ("ICH WEISS NICHT, WO ER WOHNT", "de"),
        ("I don't know where he lives", "en"),
    ):
        best, other = detect(text, languages)
        assert best["language"] == language
        assert best["confidence"] > 90
        assert round(best["confidence"] + other["confidence"], 1) == 100


def test_a_text_without_letters_tells_nothing() -> None:
    found = detect("12 + 30 = 42!", {"de": letters("de-en"), "en": letters("en-de")})
    assert [each["confidence"] for each in found] == [0, 0]
