"""Answers that never change, kept in memory: the files of the page, and what describes the addresses."""

import re
from base64 import b64encode
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

_BEFORE_PAINT = re.compile(r'<link rel="stylesheet" href="([^"]+)">|<script src="([^"]+)"></script>')


class Fixed:
    """An answer that a browser need not fetch again as long as it has the same one."""

    def __init__(self, body: bytes, kind: str) -> None:
        self._body, self._kind = body, kind
        self._tag = f'"{sha256(body).hexdigest()[:16]}"'

    async def answer(self, request: Request) -> Response:
        """Return the answer, or 304 to a browser that has it."""
        headers = {"ETag": self._tag}
        if self._tag in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self._body, headers=headers, media_type=self._kind)


def files(folder: Path) -> dict[str, Fixed]:
    """Return the files of a folder by their addresses; index.html is at / too."""
    found = {f"/{path.name}": _read(path) for path in sorted(folder.iterdir())}
    return {"/": found["/index.html"], **found}


def _read(path: Path) -> Fixed:
    kind = "text/javascript" if path.suffix == ".js" else guess_type(path.name)[0]
    return Fixed(path.read_bytes(), kind or "application/octet-stream")


def self_contained(html: str, folder: Path) -> tuple[str, list[str]]:
    """Return a page with the files of a folder that it needs before it is painted written into it.

    Beside it the sources that its Content-Security-Policy must allow for that, for styles and for scripts.
    """
    sources: list[str] = []

    def written(found: re.Match[str]) -> str:
        style, script = found.groups()
        text = (folder / (style or script)).read_text(encoding="utf-8")
        sources.append(f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'")
        return f"<style>{text}</style>" if style else f"<script>{text}</script>"

    return _BEFORE_PAINT.sub(written, html), sources
