"""A browser for the tests that need one: headless Chromium, driven by Playwright."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

import nmt

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

SCRIPTS = Path(nmt.__file__).parent / "web" / "page" / "translate"
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Return the path of Chromium; a test that asks is skipped where there is none."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on PATH; Debian's package is called chromium")
    return path


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """One browser for the tests of a module, which are skipped where there is none.

    Playwright runs an event loop in this thread while it is open: no test beside it could start its own.
    """
    from playwright.sync_api import expect, sync_playwright

    path = chromium()
    expect.set_options(timeout=30_000)  # a busy machine is slower than Playwright's five seconds
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path) as browser:
        yield browser


@pytest.fixture
def tab(browser: "Browser") -> "Iterator[Page]":
    """A tab with storage of its own; an error that a script throws in it fails the test."""
    with browser.new_context() as context:
        page = context.new_page()
        thrown: list[str] = []
        page.on("pageerror", lambda error: thrown.append(str(error)))
        yield page
        assert thrown == []


@pytest.fixture
def scripts(tab: "Page") -> "Page":
    """A tab that can import the scripts of nmt/web/page/translate, "./text.js" for example."""

    def answer(route: "Route") -> None:
        name = urlsplit(route.request.url).path[1:]
        if name:
            route.fulfill(path=SCRIPTS / name)
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    tab.route("**/*", answer)
    tab.goto("http://scripts.test/")
    return tab


def violations(page: "Page") -> list[str]:
    """Return what axe-core finds wrong for people with disabilities: each rule with the elements at fault."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {[node['html'] for node in rule['nodes']]}" for rule in found]
