import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from libretranslatepy import LibreTranslateAPI

import nmt.runtime
from nmt.evaluation.record import translation_record
from serving import ask, serving

pytestmark = pytest.mark.slow

LINE = "Wie spät ist es?"


@pytest.fixture(scope="module")
def ranked() -> Any:
    return nmt.runtime.load("de-en", n_best=3).translations([LINE], details=True)[0]


def test_libretranslates_own_client_works(served: str, ranked: Any) -> None:
    client = LibreTranslateAPI(served)
    assert client.translate(LINE, "de", "en") == ranked.text
    assert client.languages() == [
        {"code": "de", "name": "German", "targets": ["en"]},
        {"code": "en", "name": "English", "targets": ["de"]},
    ]


def test_a_text_gets_one_translation_and_a_list_as_many_as_it_has_texts(served: str, ranked: Any) -> None:
    status, one = ask(f"{served}/translate", {"q": LINE, "source": "de", "target": "en", "alternatives": 2})
    others = [other.text for other in ranked.ranked[1:]]
    assert (status, one) == (200, {"translatedText": ranked.text, "alternatives": others})
    _, many = ask(f"{served}/translate", {"q": [LINE, "", LINE], "source": "de", "target": "en"})
    assert many == {"translatedText": [ranked.text, "", ranked.text]}


def test_html_keeps_its_tags(served: str) -> None:
    asked = {"q": "<p>Der <b>Hund</b> schläft.</p><hr>", "source": "de", "target": "en", "format": "html"}
    _, answer = ask(f"{served}/translate", {**asked, "alternatives": 1, "details": True})
    assert answer["translatedText"] == "<p>The <b>dog</b> is sleeping.</p><hr>"
    (other,) = answer["alternatives"]
    assert other.startswith("<p>")
    assert other.endswith("</p><hr>")
    assert answer["details"]["words"][1]["text"] == "dog"
    assert ask(f"{served}/translate", {**asked, "q": "<hr>"})[1] == {"translatedText": "<hr>"}
    assert ask(f"{served}/translate", {**asked, "q": "<b>" * 710 + "a" + "</b>" * 710})[0] == 400


def test_the_source_is_found_where_it_is_not_said(served: str, ranked: Any) -> None:
    found = ask(f"{served}/detect", {"q": LINE})[1]
    assert isinstance(found, list)
    assert [each["language"] for each in found] == ["de", "en"]
    german = found[0]
    assert german["confidence"] > 90
    assert LibreTranslateAPI(served).detect(LINE) == found
    _, answer = ask(f"{served}/translate", {"q": LINE, "source": "auto", "target": "en"})
    assert answer == {"translatedText": ranked.text, "detectedLanguage": german}
    _, answer = ask(f"{served}/translate", {"q": [LINE], "source": "auto", "target": "de", "details": True})
    assert answer["translatedText"] == [LINE]
    assert answer["detectedLanguage"] == [german]


def test_details_are_the_record_of_the_translation(served: str, ranked: Any) -> None:
    _, found = ask(
        f"{served}/translate",
        {"q": LINE, "source": "de", "target": "en", "alternatives": 2, "details": True, "unknown": [1]},
    )
    assert found["details"] == json.loads(json.dumps(translation_record(LINE, ranked)))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"q=Wie+sp%C3%A4t+ist+es%3F&source=de&target=en&api_key=x", "application/x-www-form-urlencoded"),
        (
            "".join(
                f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in (("q", LINE), ("source", "de"), ("target", "en"))
            ).encode()
            + b"--b--\r\n",
            "multipart/form-data; boundary=b",
        ),
    ],
)
def test_forms_are_read_as_well(served: str, ranked: Any, body: bytes, kind: str) -> None:
    found = ask(f"{served}/translate", body, **{"Content-Type": kind})
    assert found == (200, {"translatedText": ranked.text})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": 5}, "q: expected a text or a list of texts, found 5"),
        ({"q": ["a", None]}, "q: expected a text or a list of texts, found a list of something else"),
        ({"source": None}, 'source: expected the code of the language to translate from, or "auto", found'),
        ({"source": "fr"}, "source: expected one of de, en, found 'fr'"),
        ({"target": "de"}, "target: expected one of en, found 'de'"),
        ({"alternatives": 5}, "alternatives: expected 4 at most, found 5"),
        ({"alternatives": -1}, "alternatives: expected a number of translations beside the best"),
        ({"format": "pdf"}, 'format: expected "text" or "html", found "pdf"'),
        ({"q": "a" * 5001}, "q: expected 5000 characters at most, found 5001"),
        ({"q": [""] * 101}, "q: expected 100 texts at most, found 101"),
    ],
)
def test_a_request_that_is_not_understood_is_told_why(
    served: str, change: dict[str, Any], message: str
) -> None:
    status, answer = ask(f"{served}/translate", {"q": LINE, "source": "de", "target": "en", **change})
    assert status == 400
    assert str(answer["error"]).startswith(message)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("translate", b"{", 400),
        ("translate", b'{"q": "\\ud800", "source": "de", "target": "en"}', 400),
        ("translate", b"[" * 100_000, 400),
        ("translate", b" " * 1_000_001, 413),
        ("languages", b"", 405),
        ("nothing", None, 404),
        ("%00", None, 404),
    ],
)
def test_an_error_is_json(served: str, path: str, body: bytes | None, status: int) -> None:
    found, answer = ask(f"{served}/{path}", body)
    assert found == status
    assert list(answer) == ["error"]


def test_the_page_comes_with_strict_headers(served: str) -> None:
    with urlopen(served) as answer:
        assert b"<textarea" in answer.read()
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self' 'sha256-")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_pages_of_allowed_origins_may_ask_and_read_how_long_to_wait() -> None:
    def headers(address: str, origin: str, **more: str) -> dict[str, str]:
        method = "OPTIONS" if more else "GET"
        request = Request(address, headers={"Origin": origin, **more}, method=method)
        try:
            with urlopen(request, timeout=60) as answer:
                return dict(answer.headers)
        except HTTPError as error:
            return dict(error.headers)

    allowed, other = "https://a.example", "https://b.example"
    preflight = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    with serving("--model", "de-en", "--allow-origin", allowed) as (address, _):
        found = headers(f"{address}/health", allowed)
        assert found["access-control-allow-origin"] == allowed
        assert found["access-control-expose-headers"] == "Retry-After"
        assert "access-control-allow-origin" not in headers(f"{address}/health", other)
        found = headers(f"{address}/translate", allowed, **preflight)
        assert found["access-control-allow-origin"] == allowed
        assert "content-type" in found["access-control-allow-headers"]
        assert "access-control-allow-origin" not in headers(f"{address}/translate", other, **preflight)


def test_what_else_libretranslates_clients_ask_for(served: str) -> None:
    assert ask(f"{served}/health") == (200, {"status": "ok"})
    _, settings = ask(f"{served}/frontend/settings")
    assert (settings["charLimit"], settings["alternativesLimit"]) == (5_000, 4)
