"""A page of `nmt export --format web` in headless Chromium beside `nmt.runtime`: same texts, and how fast.

    nmt export de-en --format web --to site && python -m http.server --directory site &
    python scripts/bench_web.py http://127.0.0.1:8000 --model de-en --input test.de [--lines 200]

Takes so many lines, evenly spread over the file. Each line is translated by itself, with the links and the
confidence that the page shows, three rounds in turns. Prints how many texts are alike, those that are not,
and the milliseconds a line of the best round and of the median one.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

import nmt.runtime
from nmt.data.lines import read_lines
from nmt.runtime.bundle import find_model, read_manifest

ROUNDS = 3
TRANSLATE = """async (asked) => {
  const { translate } = await import("./backend.js");
  const { lines, ...pair } = JSON.parse(asked);
  const began = performance.now();
  const found = await translate({ ...pair, lines, alternatives: 0, signal: new AbortController().signal });
  return [(performance.now() - began) / lines.length, ...found.map(({ text }) => text)];
}"""


def chosen_lines(path: Path, count: int) -> list[str]:
    """Return so many lines of a file, evenly spread."""
    every = list(read_lines(path))
    return every[:: max(1, len(every) // count)][:count]


def compare(page: Page, model: Path, lines: list[str]) -> None:
    """Print how many lines are alike on the page and here, and how long a line takes."""
    manifest, translator = read_manifest(find_model(model), "seq2seq"), nmt.runtime.load(model)
    asked = {"source": manifest.src, "target": manifest.trg}
    page.evaluate(TRANSLATE, json.dumps(asked | {"lines": lines[:3]}))  # loads the model
    found: list[str] = []
    expected: list[str] = []
    there, here = [], []
    for _ in range(ROUNDS):
        milliseconds, *found = page.evaluate(TRANSLATE, json.dumps(asked | {"lines": lines}))
        there.append(milliseconds)
        began = time.perf_counter()
        expected = [translator.translations([line], details=True)[0].text for line in lines]
        here.append((time.perf_counter() - began) * 1000 / len(lines))
    unlike = [texts for texts in zip(lines, found, expected, strict=True) if texts[1] != texts[2]]
    print(f"{len(lines) - len(unlike)} of {len(lines)} lines alike")
    for source, text, other in unlike:
        print(f"  {source}\n    browser: {text}\n    here:    {other}")
    for name, times in (("browser", there), ("here", here)):
        print(f"{name}: best {min(times):.1f} ms a line, median {statistics.median(times):.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--input", type=Path, required=True, metavar="FILE")
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--chromium", default="/usr/bin/chromium", metavar="PATH")
    arguments = parser.parse_args()
    lines = chosen_lines(arguments.input, arguments.lines)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=arguments.chromium) as browser,
    ):
        page = browser.new_page()
        page.goto(arguments.url)
        compare(page, arguments.model, lines)


if __name__ == "__main__":
    main()
