"""The page that translates in the browser, in Chromium: it gives what nmt translate gives."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import nmt.runtime
from browsing import violations
from hosting import hosting
from nmt.errors import UserError
from nmt.evaluation.record import translation_record
from nmt.runtime.bundle import PRETRAINED, read_model
from nmt.runtime.manifest import FILE, Manifest
from nmt.server.models import Found, pairs_of
from nmt.web.folder import web_files, write_folder
from tagging import LINES

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

pytestmark = pytest.mark.slow

TRAIN = "Der letzte Zug war schon abgefahren."
EVERYDAY = {
    "de": (
        "Tom|Maria|Mein Bruder|Meine Mutter|Der Lehrer|Unser Nachbar|Das Kind|Die alte Frau|Mein Freund|Er",
        "hat das Buch gelesen.|wohnt in Boston.|kommt morgen nach Hause.|spricht gut Deutsch."
        "|mag keinen Kaffee.|ist heute sehr müde.|arbeitet in einer Bank.|kann nicht schwimmen."
        "|hat kein Geld.|schläft noch.|wollte gestern ins Kino gehen, aber es regnete."
        "|sieht jeden Abend fern.|war letzte Woche krank.|isst gern Äpfel.|hat mir geholfen."
        "|lebt allein.|ging zur Schule.",
    ),
    "en": (
        "Tom|Mary|My brother|My mother|The teacher|Our neighbor|The child|The old woman|My friend|He",
        "has read the book.|lives in Boston.|is coming home tomorrow.|speaks German well."
        "|doesn't like coffee.|is very tired today.|works in a bank.|can't swim.|has no money."
        "|is still sleeping.|wanted to go to the movies yesterday, but it rained.|watches TV every evening."
        "|was ill last week.|likes apples.|helped me.|lives alone.|went to school.",
    ),
}
# Several sentences, addresses, placeholders, tags, no text; and more than the model reads at once.
HARD = {
    "de": [
        "Guten Morgen! Wie geht es dir? Ich hoffe, gut. Ich komme z. B. am 3. Mai um 8 Uhr.",
        "Siehe https://example.org/a_(b)?c=d. Oder schreib an tom@example.org!",
        "Hallo {name}, du hast %d Nachrichten.",
        "Das ist <b>ein Haus</b> und kostet 100%.",
        "(Ja.) „Nein!“ Dr. Müller kam.Die Katze schlief.",
        "Der Hund läuft über die Wiese, und das Kind lacht; " * 8,
    ],
    "en": [
        "Good morning! How are you? I hope you are well. I'll come at 8 a.m. on May 3rd.",
        "See https://example.org/a_(b)?c=d. Or write to tom@example.org!",
        "Hello {name}, you have %d messages.",
        "This is <b>a house</b> and costs 100%.",
        "(Yes.) “No!” Dr. Miller came.The cat slept.",
        "The dog runs across the meadow, and the child laughs; " * 8,
    ],
}
NOTHING = ["   ", "...", "1 + 2 = 3"]
MOST_UNLIKE = 2  # lines of 200 in which the search may have kept another of two nearly equal hypotheses


def lines(language: str) -> list[str]:
    """Return 200 lines of a language."""
    who, what = (part.split("|") for part in EVERYDAY[language])
    simple = [f"{subject} {rest}" for subject in who for rest in what]
    double = [f"{a} {b}" for a, b in zip(simple[3::8], simple[::8], strict=False)]
    return [*simple, *double[: 200 - len(simple) - 9], *HARD[language], *NOTHING]


def translations(page: "Page", asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records that the page's backend gives."""
    found = page.evaluate(
        """async (asked) => {
          const { translate } = await import("./backend.js");
          const { signal } = new AbortController();
          return JSON.stringify(await translate({ ...JSON.parse(asked), signal }));
        }""",
        json.dumps(asked),
    )
    records: list[dict[str, Any]] = json.loads(found)
    return records


@pytest.fixture
def page(tab: "Page", hosted: str) -> "Iterator[Page]":
    """The page, ready to be typed into; a request to anywhere else fails the test."""
    from playwright.sync_api import expect

    requests: list[str] = []
    refused: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: refused.append(message.text) if "Policy" in message.text else None)
    tab.goto(f"{hosted}/")
    expect(tab.get_by_label("Translate from")).to_be_enabled()
    yield tab
    assert [url for url in requests if not url.startswith(f"{hosted}/")] == []
    assert refused == []


def source(page: "Page") -> "Locator":
    return page.get_by_role("textbox", name="Text to translate")


def target(page: "Page") -> "Locator":
    return page.locator("#target")


@pytest.mark.parametrize(("src", "trg"), [("de", "en"), ("en", "de")])
def test_200_lines_are_translated_as_by_nmt_translate(page: "Page", src: str, trg: str) -> None:
    asked = lines(src)
    assert len(asked) == 200
    found = translations(page, {"lines": asked, "source": src, "target": trg, "alternatives": 0})
    expected = nmt.runtime.load(f"{src}-{trg}").translate(asked)
    unlike = [(a["text"], b) for a, b in zip(found, expected, strict=True) if a["text"] != b]
    assert len(unlike) <= MOST_UNLIKE, unlike


def test_words_links_and_other_translations_are_the_same(page: "Page") -> None:
    asked = lines("de")[140:]
    found = translations(page, {"lines": asked, "source": "de", "target": "en", "alternatives": 4})
    ranking = nmt.runtime.load("de-en", n_best=5).translations(asked, details=True)
    expected = list(map(translation_record, asked, ranking))
    unlike = [line for line, *both in zip(asked, found, expected, strict=True) if not alike(*both)]
    assert len(unlike) <= len(asked) / 10, unlike  # of five hypotheses two may be nearly equal


def alike(found: Any, expected: Any) -> bool:
    """Say whether two records of a line have the same words, links and translations."""
    if found["source_words"] != expected["source_words"]:
        return False
    candidates = [[record, *record["alternatives"]] for record in (found, expected)]
    return len({*map(len, candidates)}) == 1 and all(map(same_candidate, *candidates))


def same_candidate(a: Any, b: Any) -> bool:
    near = partial(pytest.approx, abs=0.02)
    words = [[word["text"] for word in each["words"]] for each in (a, b)]
    return (
        a["text"] == b["text"]
        and words[0] == words[1]
        and a["score"] == near(b["score"])
        and all(
            x["confidence"] == near(y["confidence"]) and x["attention"] == near(y["attention"])
            for x, y in zip(a["words"], b["words"], strict=True)
        )
    )


def test_a_person_types_looks_and_swaps(page: "Page") -> None:
    from playwright.sync_api import expect

    english = nmt.runtime.load("de-en").translate([TRAIN])[0]
    source(page).fill(TRAIN)
    expect(target(page)).to_have_text(english)
    expect(page.locator("#loading")).to_be_empty()
    target(page).get_by_role("option", name="train", exact=True).hover()
    expect(page.locator("#mirror .word.looked", has_text="Zug")).to_be_visible()
    expect(page.get_by_role("radio").nth(1)).to_be_visible()
    page.get_by_role("button", name="Swap languages").click()
    expect(target(page)).to_have_text(nmt.runtime.load("en-de").translate([english])[0])
    expect(page.get_by_text("Your text stays in this browser")).to_be_visible()
    assert violations(page) == []


def test_how_far_the_load_is_stands_on_the_page(tab: "Page", hosted: str) -> None:
    from playwright.sync_api import expect

    held: list[Route] = []
    tab.route("**/ort.wasm", lambda route: held.append(route))
    tab.goto(hosted)
    expect(tab.locator("#loading")).to_have_text(re.compile(r"^Loading the translator \(18\.\d MB\): \d+ %$"))
    assert violations(tab) == []
    held[0].continue_()
    expect(tab.locator("#loading")).to_be_empty()


def test_what_is_loaded_needs_no_network(tab: "Page", hosted: str) -> None:
    from playwright.sync_api import expect

    tab.goto(hosted)
    source(tab).fill("Danke!")
    expect(target(tab)).to_have_text(re.compile("Thank"))
    tab.context.set_offline(True)
    source(tab).fill(TRAIN)
    expect(target(tab)).to_have_text(re.compile("train"))


def test_a_network_that_is_gone_is_asked_again(tab: "Page", hosted: str) -> None:
    from playwright.sync_api import expect

    tab.clock.install()
    tab.route("**/models/1/model.onnx", lambda route: route.abort(), times=1)
    tab.goto(hosted)
    said = "models/1/model.onnx cannot be loaded: the network does not answer. Your text is kept."
    expect(tab.get_by_role("alert")).to_contain_text(said)
    source(tab).fill(TRAIN)
    tab.clock.run_for(20_000)
    expect(target(tab)).to_have_text(re.compile("train"))
    expect(tab.get_by_role("alert")).to_be_empty()


BROKEN = [
    (
        "onnxruntime/ort.wasm",
        None,
        "onnxruntime/ort.wasm cannot be loaded: the web server answered with status 404.",
    ),
    ("models/1/model.onnx", b"<html>", "models/1/model.onnx is not whole: expected 4582215 bytes, found 6;"),
    ("onnxruntime/ort.js", None, "onnxruntime/ort.js cannot be loaded; it may be missing"),
    ("translate/engine.js", None, "The translator cannot be loaded, or it has failed."),
    ("models.json", None, "models.json cannot be loaded: the web server answered with status 404."),
]


@pytest.mark.parametrize(("name", "content", "said"), BROKEN, ids=[name for name, *_ in BROKEN])
def test_a_folder_that_is_not_whole_is_told(
    tab: "Page", hosted: str, name: str, content: bytes | None, said: str
) -> None:
    from playwright.sync_api import expect

    status = 404 if content is None else 200
    tab.route(f"{hosted}/{name}", lambda route: route.fulfill(status=status, body=content or b"gone"))
    tab.goto(hosted)
    expect(tab.get_by_role("alert")).to_contain_text(said)


def test_a_browser_without_webassembly_is_told(tab: "Page", hosted: str) -> None:
    from playwright.sync_api import expect

    def without(route: "Route") -> None:
        script = route.fetch().text()
        route.fulfill(body=f"delete globalThis.WebAssembly;\n{script}", content_type="text/javascript")

    tab.route("**/worker.js", without)
    tab.goto(hosted)
    expect(tab.get_by_role("alert")).to_contain_text("This browser has no WebAssembly")


def test_a_model_of_ones_own_is_translated_by_too(
    tab: "Page", exported: Path, runtime: Mapping[str, bytes], tmp_path: Path
) -> None:
    own = Path(shutil.copytree(exported, tmp_path / "own"))
    manifest = Manifest.load(own)
    assert manifest
    (own / FILE).write_bytes(replace(manifest, src="sv", trg="fi", normalize="nfc").to_json())
    found = Found(own, *read_model(own, "seq2seq"))
    write_folder(tmp_path / "site", web_files({("sv", "fi"): found}, runtime))
    asked = [*lines("de")[:40], "Ein Hu\u0308hnerstall.", *HARD["de"]]
    with hosting(tmp_path / "site") as address:
        tab.goto(address)
        records = translations(tab, {"lines": asked, "source": "sv", "target": "fi", "alternatives": 0})
        expected = nmt.runtime.load(own).translate(asked)
        unlike = [b for a, b in zip(records, expected, strict=True) if a["text"] != b]
        assert len(unlike) <= MOST_UNLIKE, unlike
        tab.goto("about:blank")


def test_a_model_with_tags_translates_each_of_its_pairs(
    tab: "Page", tagged_run: Path, runtime: Mapping[str, bytes], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(tagged_run, tmp_path / "run"))
    files = web_files(pairs_of([run]), runtime)
    assert [name for name in files if name.endswith(".onnx")] == ["models/1/model.onnx"]
    write_folder(tmp_path / "site", files)
    with hosting(tmp_path / "site") as address:
        tab.goto(address)
        for src, trg in (("de", "en"), ("en", "de")):
            found = translations(tab, {"lines": LINES, "source": src, "target": trg, "alternatives": 0})
            expected = nmt.runtime.load(run, to=trg).translations(LINES, details=True)
            assert all(map(alike, found, map(translation_record, LINES, expected)))
        tab.goto("about:blank")


def test_one_model_is_under_20_mb_and_under_8_compressed(runtime: Mapping[str, bytes]) -> None:
    import gzip

    files = web_files(pairs_of([PRETRAINED / "de-en"]), runtime)
    assert sum(map(len, files.values())) < 20e6
    assert sum(len(gzip.compress(content, 9)) for content in files.values()) < 8e6


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--to .*site: cannot be written \(File exists\)"):
        write_folder(tmp_path / "site", {"a": b"1", "a/b": b"2"})
    assert list(tmp_path.iterdir()) == []
