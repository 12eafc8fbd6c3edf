"""The page as text; tests/end_to_end/test_report_page.py opens it in a browser."""

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise

from nmt.data.corpus import Pair
from nmt.report.page import as_data, render, sentence_data
from nmt.results import Result, Versions
from reporting import PAIRS, report, system

RIGHT = [pair.trg for pair in PAIRS]
WRONG = ["the dog", "the cat sleeps", "bread"]
CONTROLS = {"controls", "which", "order", "one", "other", "find", "legend", "status", "list", "more"}
EVIL = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)> & \u2028 'q' \"q\""


class Elements(HTMLParser):
    """The names and ids of all elements, as HTML is parsed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.append(value or "")
            if key in ("href", "src"):
                self.links.append(value or "")


def test_the_page_asks_no_other_file_for_anything() -> None:
    page = render(report(system("a", WRONG), system("b", RIGHT), outputs=[[WRONG], [RIGHT]]))
    found = Elements(page)
    assert all(link.startswith("#") or link == "data:," for link in found.links)
    assert {link[1:] for link in found.links if link.startswith("#")} <= {*found.ids}
    assert len({*found.ids}) == len(found.ids)
    assert "@import" not in page
    assert "url(" not in page


def test_text_of_a_corpus_is_never_markup() -> None:
    plain = Elements(render(report(system("a", RIGHT))))
    pairs = [Pair(EVIL, EVIL)] * 3
    page = render(report(system(EVIL, [EVIL] * 3, pairs=pairs), pairs=pairs))
    assert Elements(page).names.count("script") == plain.names.count("script") == 2
    assert "img" not in Elements(page).names
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    assert data["systems"] == [EVIL]
    assert data["sentences"][0]["s"] == EVIL


def test_a_page_without_text_holds_no_sentence_and_no_script() -> None:
    found = report(system("a", WRONG), system("b", RIGHT), outputs=[[WRONG], [RIGHT]])
    page, whole = render(found, with_text=False), render(found)
    texts = {text for pair in PAIRS for text in pair} | {*WRONG}
    assert all(text in whole for text in texts)
    assert not {text for text in texts if text in page and len(text.split()) > 1}
    assert "script" not in Elements(page).names
    assert "script-src 'none'" in page
    missing = {link for link in Elements(whole).ids if link not in Elements(page).ids}
    assert missing == {"sentences", "sentences-heading", "data", *CONTROLS}
    assert {link[1:] for link in Elements(page).links if link.startswith("#")} <= {*Elements(page).ids}


def test_data_in_a_script_holds_nothing_that_html_reads() -> None:
    text = as_data({"a": "</script> <!-- & \u2028\u2029"})
    assert not {*"<>&\u2028\u2029"} & {*text}
    assert json.loads(text) == {"a": "</script> <!-- & \u2028\u2029"}


def test_a_sentence_has_its_words_attention_and_confidence() -> None:
    outputs = ["the dog runs", "", "we eat  bread"]
    found = json.loads(sentence_data(report(system("a", outputs)), 10**6).json)
    first, empty, spaced = (each["o"][0] for each in found["sentences"])
    assert base64.b64decode(first["c"]) == bytes([204] * 3)
    looks = base64.b64decode(first["a"])
    assert len(looks) == 3 * 6
    assert [looks[6 * row : 6 * row + 6].index(255) for row in range(3)] == [0, 1, 2]
    assert "w" not in first
    assert (empty["t"], "a" in empty, empty["x"]) == ("", False, "e")
    assert spaced["w"] == ["we", "eat", "bread"]
    assert [each.get("x") for each in found["sentences"]] == [None, "u", None]


def test_a_large_text_is_thinned_out_evenly() -> None:
    pairs = [Pair(f"Satz {n}", f"sentence {n}") for n in range(200)]
    found = report(system("a", [pair.trg for pair in pairs], pairs=pairs), pairs=pairs)
    whole, part = sentence_data(found, 10**6), sentence_data(found, 6_000)
    assert whole.shown == 200
    assert len(part.json.encode()) < 6_200
    numbers = [each["n"] for each in json.loads(part.json)["sentences"]]
    assert len(numbers) == part.shown
    assert (numbers[0], numbers[-1]) == (0, 199)
    gaps = [b - a for a, b in pairwise(numbers)]
    assert max(gaps) - min(gaps) <= 1


def test_a_run_without_curves_and_results_has_a_page() -> None:
    only = system("a", ["", "", ""])
    page = render(report(replace(only, runs=[replace(run, curves={}) for run in only.runs])))
    assert "Training curves" not in page
    assert "How to repeat it" in page


def test_a_recorded_score_of_this_text_is_compared() -> None:
    only = system("a", WRONG)
    now = only.runs[0].scores[0].score
    for score, said in [
        (now.score, "as recorded"),
        (now.score + 1, f"recorded as {now.score + 1:.2f} and is"),
    ]:
        result = Result(
            name="a",
            date=datetime(2026, 1, 1, tzinfo=UTC),
            dataset="corpus",
            split="test",
            sentences=3,
            scores=(now.model_copy(update={"score": score}),),
            versions=Versions(python="3.11"),
        )
        run = replace(only.runs[0], recorded={"result.json": result})
        assert said in render(report(replace(only, runs=[run])))
