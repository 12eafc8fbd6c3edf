"""The page of `nmt serve`, in a real browser, with the models that ship."""

import json
import re
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

import nmt.runtime
from browsing import violations
from hosting import Handler, hosting
from nmt.server.app import PAGE
from serving import serving

pytestmark = pytest.mark.slow

TRAIN = "Der letzte Zug war schon abgefahren."


@pytest.fixture(scope="module")
def english() -> str:
    """The model's own translation of TRAIN."""
    return nmt.runtime.load("de-en").translate([TRAIN])[0]


@pytest.fixture
def page(tab: Page, served: str) -> Iterator[Page]:
    """The page, ready to be typed into; a request to anywhere else fails the test."""
    requests: list[str] = []
    refused: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: refused.append(message.text) if "Policy" in message.text else None)
    tab.goto(f"{served}/")
    expect(tab.get_by_label("Translate from")).to_be_enabled()
    yield tab
    assert [url for url in requests if not url.startswith(f"{served}/")] == []
    assert refused == []


def source(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Text to translate")


def target(page: Page) -> Locator:
    return page.locator("#target")


def shading(page: Page, side: str) -> dict[str, float]:
    """The words of a side that are shaded, with the attention that shades them."""
    words = page.locator(f"#{side} .word.looked").all()
    return {
        word.inner_text(): float(word.evaluate("it => it.style.getPropertyValue('--look')")) for word in words
    }


def type_in(page: Page, text: str, shows: str | re.Pattern[str]) -> None:
    source(page).fill(text)
    expect(target(page)).to_have_text(shows)
    expect(target(page)).not_to_have_class("text stale")


def test_text_is_translated_while_it_is_typed(page: Page, english: str) -> None:
    expect(source(page)).to_be_focused()
    page.keyboard.type(TRAIN)
    expect(target(page)).to_have_text(english)
    expect(page.get_by_role("status").filter(has_text=english)).to_have_count(1)  # for a screen reader
    expect(page.locator("#count")).to_have_text(re.compile(rf"^{len(TRAIN)} / "))


def test_it_is_painted_without_waiting_for_a_script(tab: Page, served: str) -> None:
    tab.route("**/*.js", lambda _: None)  # none is ever answered
    tab.route("**/*.css", lambda _: None)
    tab.goto(f"{served}/", wait_until="domcontentloaded")
    # not wait_for_function, whose second try is an eval that the page's policy refuses
    tab.evaluate("new Promise(it => new PerformanceObserver(it).observe({type: 'paint', buffered: true}))")
    assert tab.locator("header").evaluate("it => getComputedStyle(it).display") == "flex"


def test_a_screen_reader_reads_only_lines_that_changed(page: Page, english: str) -> None:
    type_in(page, f"{TRAIN}\nDanke!", re.compile(re.escape(english)))
    said = page.locator("#said p")
    expect(said).to_have_count(2)
    page.evaluate(
        "new MutationObserver((all) => { changed = all.map((each) => each.target.textContent) })"
        ".observe(document.getElementById('said'), { subtree: true, childList: true })"
    )
    source(page).fill(f"{TRAIN}\nDanke! Ja.")
    expect(said.nth(1)).to_have_text(re.compile("Yes"))
    expect(said.first).to_have_text(english)
    assert page.evaluate("changed") == [said.nth(1).inner_text()]


def test_a_target_word_shows_where_the_model_looked(page: Page, english: str) -> None:
    type_in(page, TRAIN, english)
    target(page).get_by_role("option", name="train", exact=True).hover()
    looked = shading(page, "mirror")
    assert max(looked, key=looked.__getitem__) == "Zug"
    assert looked["Zug"] > 0.5
    expect(page.locator("#details")).to_have_text(re.compile(r"^train looked at Zug \d+\s%.* · \d+\s% sure$"))
    page.mouse.move(1, 1)
    assert shading(page, "mirror") == {}


def test_a_source_word_shows_what_looked_at_it(page: Page, english: str) -> None:
    type_in(page, TRAIN, english)
    box = page.locator("#mirror .word", has_text="Zug").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    looked = shading(page, "target")
    assert max(looked, key=looked.__getitem__) == "train"
    expect(page.locator("#details")).to_have_text(re.compile("^Zug was looked at for train"))


def test_the_caret_shows_what_looked_at_its_word(page: Page, english: str) -> None:
    type_in(page, TRAIN, english)
    source(page).press("Home")
    for _ in range(len("Der letzte ")):
        page.keyboard.press("ArrowRight")
    assert "train" in shading(page, "target")


def test_everything_is_within_reach_of_the_keyboard(page: Page, english: str) -> None:
    type_in(page, TRAIN, english)
    source(page).press("Tab")
    expect(page.get_by_role("button", name="Clear the text")).to_be_focused()
    page.keyboard.press("Tab")
    expect(target(page)).to_be_focused()
    chosen = target(page).get_by_role("option", selected=True)
    expect(chosen).to_have_text(english.split()[0])
    page.keyboard.press("ArrowRight")
    expect(chosen).to_have_text(english.split()[1])
    expect(chosen).to_have_accessible_description(re.compile(r"looked at .* sure"))
    expect(target(page)).to_have_attribute("aria-activedescendant", "word-0-1")
    page.keyboard.press("End")
    expect(chosen).to_have_text(english.split()[-1])
    page.keyboard.press("Escape")
    expect(chosen).to_have_count(0)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy the translation")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("radio").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio").nth(1)).to_be_focused()
    expect(target(page)).not_to_have_text(english)


def test_another_translation_can_be_chosen(page: Page, english: str) -> None:
    type_in(page, TRAIN, english)
    radios = page.get_by_role("radio")
    expect(radios.first).to_be_checked()
    names = [label.inner_text() for label in page.locator("#alternatives label").all()]
    assert len(names) == len(set(names)) > 1
    page.get_by_label(names[1], exact=True).check()
    expect(target(page)).to_have_text(names[1])
    target(page).locator(".word").first.hover()
    assert shading(page, "mirror")
    source(page).press("End")
    page.keyboard.type(" ")  # the choice outlives what changes nothing
    expect(target(page)).to_have_text(names[1])


def test_a_search_without_others_offers_none(tab: Page) -> None:
    with serving("--model", "de-en", "--beam", "1") as (address, _):
        tab.goto(address)
        type_in(tab, TRAIN, re.compile("train"))
        expect(tab.get_by_role("radio")).to_have_count(0)
        expect(tab.get_by_role("button", name="Swap languages")).to_be_disabled()
        tab.goto("about:blank")


def test_words_that_the_model_doubts_are_underlined(page: Page, served: str) -> None:
    answer(page, served, [("sure", 0.99), ("fair", 0.4), ("poor", 0.1)])
    type_in(page, TRAIN, "sure fair poor")
    expect(target(page).locator(".unsure")).to_have_text("fair")
    expect(target(page).locator(".doubtful")).to_have_text("poor")
    for sample in ("unsure", "doubtful", "looked"):
        expect(page.get_by_role("complementary", name="Legend").locator(f".{sample}")).to_be_visible()


def test_languages_are_swapped(page: Page, english: str) -> None:
    type_in(page, TRAIN, english)
    page.get_by_role("button", name="Swap languages").click()
    expect(source(page)).to_have_value(english)
    expect(page.get_by_label("Translate from")).to_have_value("en")
    german = nmt.runtime.load("en-de").translate([english])[0]
    expect(target(page)).to_have_text(german)
    assert page.url.endswith("#en/de")


def test_lines_stay_lines_and_each_has_its_own_choice(page: Page, english: str) -> None:
    type_in(page, f"{TRAIN}\n\nDanke!", re.compile(re.escape(english) + r"\s*Thank"))
    assert target(page).inner_text().replace("\n\n", "\n").splitlines()[0] == english
    expect(page.get_by_role("group", name="Translations of line 1 to choose from")).to_be_visible()
    source(page).press("Control+End")
    expect(page.get_by_role("group", name="Translations of line 3 to choose from")).to_be_visible()
    page.get_by_role("radio").nth(1).check()
    expect(target(page).locator("p").first).to_have_text(english)
    expect(target(page).locator("p").nth(2)).to_have_text(
        page.locator("#alternatives label:has(:checked)").inner_text()
    )


def test_an_address_may_hold_languages_and_text(page: Page, served: str) -> None:
    page.evaluate("location.hash = '#en/de/Thank%20you!'")
    expect(source(page)).to_have_value("Thank you!")
    expect(target(page)).to_have_text("Danke!")
    assert page.url == f"{served}/#en/de"  # the text may be private, the browser's history is not
    page.reload()
    expect(source(page)).to_have_value("Thank you!")
    expect(target(page)).to_have_text("Danke!")
    page.evaluate("location.hash = '#de/en/100%'")
    expect(source(page)).to_have_value("100%")


def test_the_translation_is_copied_and_the_text_cleared(page: Page, english: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    type_in(page, TRAIN, english)
    page.get_by_role("button", name="Copy the translation").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == english
    page.get_by_role("button", name="Clear the text").click()
    expect(source(page)).to_be_focused()
    expect(target(page)).to_be_empty()
    expect(page.get_by_role("radio")).to_have_count(0)


def test_a_page_that_came_over_http_copies_too(page: Page, english: str) -> None:
    page.context.grant_permissions(["clipboard-read"])
    type_in(page, TRAIN, english)
    page.evaluate("clipboard = navigator.clipboard; Object.defineProperty(navigator, 'clipboard', {})")
    page.get_by_role("button", name="Copy the translation").click()
    assert page.evaluate("clipboard.readText()") == english


def test_a_server_that_is_gone_is_asked_again(page: Page, english: str) -> None:
    page.clock.install()
    page.route("**/translate", lambda route: route.abort())
    source(page).fill(TRAIN)
    page.clock.run_for(1000)
    expect(page.get_by_role("alert")).to_have_text(
        re.compile("^The server does not answer. Your text is kept.")
    )
    page.unroute("**/translate")
    page.clock.run_for(4000)
    expect(target(page)).to_have_text(english)
    expect(page.get_by_role("alert")).to_be_empty()


def test_what_the_server_refuses_is_said_in_its_words(page: Page) -> None:
    refusal = json.dumps({"error": "The text has a word of 9 syllables."})
    page.route("**/translate", lambda route: route.fulfill(status=400, body=refusal))
    source(page).fill(TRAIN)
    expect(page.get_by_role("alert")).to_have_text("The text has a word of 9 syllables.")


def test_a_text_that_is_too_long_is_not_sent(page: Page) -> None:
    limit = int(page.locator("#count").inner_text().partition(" / ")[2].replace(",", ""))
    sent: list[Route] = []
    page.route("**/translate", lambda route: sent.append(route))
    source(page).fill("🙂" * limit + "!")
    expect(page.get_by_role("alert")).to_have_text(f"The text is longer than {limit:,} characters.")
    assert len(source(page).input_value().replace("🙂", " ")) == limit + 1  # all of it is still there
    assert sent == []


def test_an_answer_that_comes_late_is_dropped(page: Page, english: str) -> None:
    held: list[Route] = []
    page.route("**/translate", lambda route: held.append(route), times=1)
    source(page).fill("Der letzte Zug")
    while not held:
        page.wait_for_timeout(10)
    type_in(page, TRAIN, english)
    held[0].continue_()
    page.wait_for_timeout(300)
    expect(target(page)).to_have_text(english)
    expect(page.get_by_role("alert")).to_be_empty()


def test_text_from_right_to_left(page: Page, served: str) -> None:
    answer(page, served, [("הרכבת", 0.9), ("האחרונה", 0.9)])
    type_in(page, "הרכבת האחרונה\nZug", re.compile("^הרכבת"))
    line = target(page).locator("p").first
    assert line.evaluate("it => getComputedStyle(it).direction") == "rtl"
    first, second = (word.bounding_box() for word in line.locator(".word").all())
    assert first
    assert second
    assert first["x"] > second["x"]
    target(page).focus()
    target(page).press("Home")
    page.keyboard.press("ArrowLeft")  # the way one reads
    expect(target(page).get_by_role("option", selected=True)).to_have_text("האחרונה")


def answer(page: Page, served: str, words: list[tuple[str, float]]) -> None:
    """Let the page believe that every line's translation is these words, with confidence in each."""

    def fulfill(route: Route) -> None:
        def record(line: str) -> dict[str, Any]:
            found = [
                {"text": text, "confidence": confidence, "attention": [1.0] + [0.0] * len(line.split()[1:])}
                for text, confidence in words
            ]
            text = " ".join(word for word, _ in words)
            return {"text": text, "words": found, "source_words": line.split(), "alternatives": []}

        lines = json.loads(route.request.post_data or "")["q"]
        route.fulfill(body=json.dumps({"details": list(map(record, lines))}))

    page.route(f"{served}/translate", fulfill)


def test_scripts_wait_for_the_whole_page(tab: Page) -> None:
    first, middle, rest = (PAGE / "index.html").read_bytes().partition(b"<main")
    asked, early = Event(), []

    class Slow(Handler):
        def do_GET(self) -> None:  # noqa: N802
            if self.path == "/page.js":
                asked.set()
            if self.path != "/":
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(first)
            early.append(asked.wait(1))  # long enough for many frames
            self.wfile.write(middle + rest)

    with hosting(PAGE, Slow) as address:
        tab.goto(address)
        assert asked.wait(60)
        expect(tab.get_by_role("alert")).not_to_be_empty()  # this server cannot translate
    assert early == [False]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_the_systems_until_the_button_says_otherwise(page: Page, scheme: str) -> None:
    def lightness() -> int:
        channels = re.findall(
            r"\d+", page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        )
        return int(channels[0])

    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    assert (lightness() < 100) == (scheme == "dark")
    button = page.get_by_role("button", name="Dark colours")
    expect(button).to_have_attribute("aria-pressed", str(scheme == "dark").lower())
    button.click()
    page.reload()
    assert (lightness() < 100) == (scheme == "light")
    button.click()
    page.emulate_media(color_scheme="light" if scheme == "dark" else "dark")
    assert (lightness() < 100) == (scheme == "light")  # the system's again


def test_a_browser_that_forbids_storage_translates_too(page: Page, english: str) -> None:
    for name in ("localStorage", "sessionStorage"):
        forbid = "get() { throw new DOMException('forbidden') }"
        page.add_init_script(f"Object.defineProperty(window, '{name}', {{ {forbid} }})")
    page.reload()
    type_in(page, TRAIN, english)
    button = page.get_by_role("button", name="Dark colours")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("width", [320, 360, 1280])
def test_nothing_is_wider_than_the_screen(page: Page, width: int, english: str) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    type_in(page, f"{TRAIN}\n{'Donaudampfschiff' * 12}", re.compile(re.escape(english)))
    target(page).locator(".word").first.hover()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_shuts_nobody_out(page: Page, width: int, scheme: str, english: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 700})
    assert violations(page) == []
    type_in(page, f"{TRAIN}\nDanke!", re.compile(re.escape(english)))
    target(page).locator(".word").first.hover()
    assert violations(page) == []
    page.route("**/translate", lambda route: route.abort())
    source(page).fill("Guten Morgen!")
    expect(page.get_by_role("alert")).not_to_be_empty()
    assert violations(page) == []


@pytest.mark.parametrize("width", [360, 1280])
def test_the_reference_for_programs_shuts_nobody_out_either(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    page.get_by_role("link", name="Use it from a program").click()
    expect(page.get_by_role("heading", name="/translate")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
