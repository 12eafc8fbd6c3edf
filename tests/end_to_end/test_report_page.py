"""The page of `nmt report`, opened in a real browser from a file."""

import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from browsing import violations
from nmt.config.loading import dump_experiment, load_experiment
from nmt.report.page import render
from nmt.workflows.report import ReportOptions, report_runs

EVIL = "<script>document.title = 'evil'</script> </script>"


@pytest.fixture(scope="module")
def file(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on two systems, whose text has a line that would like to be a script."""
    folder = tmp_path_factory.mktemp("report")
    other = folder / "other"
    shutil.copytree(tiny_run, other)
    (other / "config.yaml").write_text(
        dump_experiment(load_experiment(other / "config.yaml", ["decoding.beam=1"])), encoding="utf-8"
    )
    src = ["der Hund läuft schnell über die Straße.", EVIL, *(f"der Hund {n}" for n in range(40))]
    ref = ["the dog runs quickly across a street", EVIL, *(f"the dog {n}" for n in range(40))]
    for name, lines in (("t.de", src), ("t.en", ref)):
        (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    options = ReportOptions(files=(folder / "t.de", folder / "t.en"))
    found = report_runs([tiny_run, other], options, command="nmt report", log=lambda _: None)
    path = folder / "out.html"
    path.write_text(render(found), encoding="utf-8")
    return path


@pytest.fixture
def page(tab: Page, file: Path) -> Iterator[Page]:
    """The page; a request to anywhere else, or a word on the console, fails the test."""
    requests: list[str] = []
    told: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: told.append(message.text))
    tab.goto(file.as_uri())
    yield tab
    assert requests == [file.as_uri()]
    assert told == []


def names(page: Page) -> list[str]:
    return page.locator("#list h3").all_inner_texts()


def test_a_map_of_attention_opens_by_key_and_by_click(page: Page) -> None:
    page.get_by_label("Find text").fill("quickly")
    expect(page.get_by_role("status")).to_have_text("1 of 1 sentences")
    button = page.get_by_role("button", name="Attention and confidence, sentence 1")
    table = page.get_by_role("table", name="Attention of run, sentence 1")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-expanded", "true")
    expect(table).to_be_visible()
    heads = table.locator("thead th").all_inner_texts()
    assert heads == ["word of the output", *"der Hund läuft schnell über die Straße.".split(), "confidence"]
    output = page.locator("#list dd").nth(2).inner_text()
    assert table.locator("tbody th").all_inner_texts() == output.split()
    for row in table.locator("tbody tr").all():
        shades = [
            cell.evaluate("it => parseFloat(it.style.getPropertyValue('--a'))")
            for cell in row.locator("td:not(.sure)").all()
        ]
        assert len(shades) == 7
        # Attention to </s> belongs to no word.
        assert 0 <= sum(shades) <= 104
        assert re.fullmatch(r"1\.00|\.\d\d", row.locator(".sure").inner_text())
    button.click()
    expect(table).to_be_hidden()


def test_two_systems_are_compared_word_by_word(page: Page) -> None:
    page.get_by_label("compared with").select_option("other")
    page.get_by_label("in the order").select_option("as in the text")
    assert names(page)[:2] == ["Sentence 1", "Sentence 2"]
    expect(page.locator("#legend")).to_have_text(
        "Marked: words of run that other lacks, and the other way round. Scores are sentence chrF2."
    )
    first = page.locator("#list li").first
    expect(first.locator("dt")).to_have_text(
        ["Source", "Reference", re.compile("^run chrF"), re.compile("^other chrF")]
    )
    assert first.locator("dd").nth(1).locator("mark").count() == 0
    for item in page.locator("#list li").all():
        a, b = (item.locator("dd").nth(place) for place in (2, 3))
        kept = [
            part.evaluate(
                "it => [...it.childNodes].map(n => n.nodeName === 'MARK' ? '' : n.textContent).join('')"
            )
            for part in (a, b)
        ]
        assert "".join(kept[0].split()) == "".join(kept[1].split())
        assert (a.locator("mark").count() + b.locator("mark").count() == 0) == (
            a.inner_text() == b.inner_text()
        )
    first.get_by_role("button").click()
    expect(first.get_by_role("table")).to_have_count(2)


def test_sentences_come_in_the_order_that_is_chosen(page: Page) -> None:
    expect(page.get_by_role("status")).to_have_text("20 of 42 sentences")
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_role("status")).to_have_text("40 of 42 sentences")
    expect(page.locator("#list li").nth(20).get_by_role("button")).to_be_focused()
    page.get_by_role("button", name="Show more").click()
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    scores = [float(text.split()[-1]) for text in page.locator("#list dt:has(.score)").all_inner_texts()]
    assert scores == sorted(scores)
    page.get_by_label("in the order").select_option("best first")
    best = [float(text.split()[-1]) for text in page.locator("#list dt:has(.score)").all_inner_texts()]
    assert best == scores[::-1][:20]
    page.get_by_label("Show", exact=True).select_option("sources with words never seen in training")
    assert "Sentence 2" in names(page)
    page.get_by_label("Find text").fill("no such text")
    expect(page.get_by_role("status")).to_have_text("No sentence fits.")


def test_text_that_would_be_a_script_is_text(page: Page) -> None:
    page.get_by_label("Find text").fill("evil")
    expect(page.locator("#list dd").first).to_have_text(EVIL)
    expect(page).to_have_title("run and other")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_in_the_way_of_anyone(page: Page, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 850})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.locator("#list li").first.get_by_role("button").click()
    for closed in page.locator("summary").all():
        closed.click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    headings = [
        int(level[1])
        for level in page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(it => it.nodeName)")
    ]
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
