import asyncio
import hashlib
from base64 import b64encode
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from nmt.server.files import Fixed, files, self_contained


def get(file: Fixed, tag: str = "") -> Response:
    headers = [(b"if-none-match", tag.encode())] if tag else []
    return asyncio.run(file.answer(Request({"type": "http", "headers": headers})))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.css").write_text("p { color: #123 }", encoding="utf-8")
    (tmp_path / "a.js").write_text("let a = '\\1';", encoding="utf-8")
    (tmp_path / "index.html").write_text("<p>", encoding="utf-8")
    return tmp_path


def test_a_file_is_sent_once_to_a_browser_that_keeps_it(folder: Path) -> None:
    found = files(folder)
    assert {*found} == {"/", "/a.css", "/a.js", "/index.html"}
    first = get(found["/a.js"])
    assert (first.status_code, first.media_type) == (200, "text/javascript")
    assert get(found["/a.js"], first.headers["ETag"]).status_code == 304
    assert get(found["/a.css"], first.headers["ETag"]).status_code == 200


def test_what_is_needed_before_paint_is_in_the_page_and_allowed_by_its_hash(folder: Path) -> None:
    html = '<link rel="stylesheet" href="a.css"><script src="a.js"></script><script type="module" src="b.js">'
    found, sources = self_contained(html, folder)
    assert found == (
        '<style>p { color: #123 }</style><script>let a = \'\\1\';</script><script type="module" src="b.js">'
    )
    digests = [hashlib.sha256(text).digest() for text in (b"p { color: #123 }", b"let a = '\\1';")]
    assert sources == [f"'sha256-{b64encode(digest).decode()}'" for digest in digests]
