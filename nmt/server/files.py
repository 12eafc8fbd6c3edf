"""Answers that never change, kept in memory: the files of the page, and what describes the addresses."""

import hashlib
import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response


class Fixed:
    """An answer that a browser need not fetch again as long as it has the same one."""

    def __init__(self, body: bytes, kind: str) -> None:
        self._body, self._kind = body, kind
        self._tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'

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
    kind = {".js": "text/javascript"}.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return Fixed(path.read_bytes(), kind or "application/octet-stream")
