"""The page of `nmt serve` in headless Chromium: how fast it is there, how fast it translates, how it looks.

    nmt serve --model de-en --model en-de &
    python scripts/look_at_page.py http://127.0.0.1:5000 [--visits 20] [--pictures FOLDER]

Prints the best, the median, the 95 % point and the worst of so many visits, each by a browser that has
cached nothing. First paint is the browser's own first-contentful-paint, beside that of /health, a line of
JSON, for which the browser starts its process. A translation lasts from the request, which follows the last
key by the page's pause, to the words on the page. Pictures are of a phone and a desktop, light and dark.
"""

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

LINE = "Sie hat mir gestern einen langen Brief geschrieben, aber ich habe ihn noch nicht gelesen."
WORD = 1  # of the translation, at which the pictures point
SCREENS = {"phone": (360, 800), "desktop": (1200, 700)}
WATCH = """
new MutationObserver(() => {
  if (document.querySelector("#target .word")) window.shown ??= performance.now();
}).observe(document.getElementById("target"), { childList: true });
"""
PAINT = """
new Promise((resolve) => {
  new PerformanceObserver((list) => {
    for (const each of list.getEntriesByName("first-contentful-paint")) resolve(each.startTime);
  }).observe({ type: "paint", buffered: true });
})
"""
TRANSLATION = """
window.shown -
performance.getEntriesByType("resource").find((each) => each.name.endsWith("/translate")).startTime
"""


def translate_on(page: Page, url: str) -> None:
    """Open the page and have it translate a line."""
    page.goto(url)
    page.wait_for_selector("#from:enabled")
    page.evaluate(WATCH)
    page.fill("#source", LINE)
    page.wait_for_selector("#target .word")


def measure(browser: Browser, url: str, visits: int) -> None:
    """Print how long paint and translation take."""
    times = []
    for _ in range(visits):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{url}/health")
            line = page.evaluate(PAINT)
            translate_on(page, url)
            times.append((line, page.evaluate(PAINT), page.evaluate(TRANSLATION)))
    for name, row in zip(
        ("first paint of /health", "first paint", "translation"), np.array(times).T, strict=True
    ):
        best, median, most, worst = np.percentile(row, [0, 50, 95, 100])
        print(f"{name}: best {best:.0f} ms, median {median:.0f}, 95 % within {most:.0f}, worst {worst:.0f}")


def photograph(browser: Browser, url: str, folder: Path) -> None:
    """Write a picture of the page for each screen and colour scheme."""
    folder.mkdir(parents=True, exist_ok=True)
    for screen, (width, height) in SCREENS.items():
        for dark in (False, True):
            with browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if dark else "light",
                device_scale_factor=1.5,
            ) as context:
                page = context.new_page()
                translate_on(page, url)
                page.locator("#target .word").nth(WORD).hover()
                with Image.open(BytesIO(page.screenshot(animations="disabled"))) as picture:
                    name = f"{screen}-{'dark' if dark else 'light'}.webp"
                    picture.convert("RGB").save(folder / name, lossless=True, quality=100)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("--visits", type=int, default=20)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    parser.add_argument("--chromium", default="/usr/bin/chromium", metavar="PATH")
    arguments = parser.parse_args()
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=arguments.chromium) as browser,
    ):
        url = arguments.url.rstrip("/")
        measure(browser, url, arguments.visits)
        if arguments.pictures:
            photograph(browser, url, arguments.pictures)


if __name__ == "__main__":
    main()
