"""What the addresses take and give: for OpenAPI, and as a page that loads nothing from elsewhere."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import NamedTuple

from nmt import __version__
from nmt.server.requests import FORM, JSON, MULTIPART, Form


class Address(NamedTuple):
    """What an address is for, an example of what it answers, and what it takes (form and example)."""

    path: str
    what: str
    answer: object
    form: type[Form] | None = None
    example: Mapping[str, object] | None = None

    @property
    def method(self) -> str:
        """Return how it is asked."""
        return "POST" if self.form else "GET"

    def openapi(self) -> dict[str, object]:
        """Return what OpenAPI is told beside its path and description."""
        kind = "application/json" if not isinstance(self.answer, str) else "text/plain"
        found: dict[str, object] = {
            "responses": {
                "200": {"description": "The answer", "content": {kind: {"example": self.answer}}},
                **({"4XX": _ERROR, "503": _ERROR} if self.form else {}),
            }
        }
        if self.form:
            schema = {"schema": self.form.model_json_schema()}
            content = {JSON: {**schema, "example": self.example}, FORM: schema, MULTIPART: schema}
            found["requestBody"] = {"required": True, "content": content}
        return found


_ERROR = {
    "description": "What was expected, and what was found",
    "content": {JSON: {"example": {"error": "target: expected one of en, found 'fr'"}}},
}


def openapi(addresses: list[Address]) -> dict[str, object]:
    """Return the addresses as OpenAPI describes them."""
    paths = {
        address.path: {address.method.lower(): {"summary": address.what, **address.openapi()}}
        for address in addresses
    }
    return {"openapi": "3.1.0", "info": {"title": "nmt", "version": __version__}, "paths": paths}


def page(addresses: list[Address]) -> str:
    """Return the addresses as a page in HTML."""
    body = "".join(line for address in addresses for line in _section(address))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>nmt: from a program</title>
<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="page.css">
<link rel="stylesheet" href="docs.css">
<script src="theme.js"></script>
</head>
<body class="docs">
<header><h1><a href="./">nmt</a></h1><p>from a program</p></header>
<main>
<p>These addresses are those of LibreTranslate; its clients work here. An error is a JSON object
with a sentence under <code>error</code>. For machines: <a href="openapi.json">openapi.json</a>.</p>
{body}</main>
</body>
</html>
"""


def _section(address: Address) -> Iterator[str]:
    yield f"<section><h2><code>{address.method} {escape(address.path)}</code></h2>\n"
    yield f"<p>{escape(address.what)}</p>\n"
    if address.form:
        yield "<table><thead><tr><th>field</th><th>value</th><th>if missing</th></tr></thead><tbody>\n"
        for name, field in address.form.model_fields.items():
            default = "refused" if field.is_required() else json.dumps(field.default)
            yield f"<tr><td><code>{name}</code></td><td>{escape(field.description or '')}</td>"
            yield f"<td><code>{escape(default)}</code></td></tr>\n"
        yield f"</tbody></table>\n{_code(address.example)}"
    yield f"{_code(address.answer)}</section>\n"


def _code(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return f"<pre><code>{escape(text)}</code></pre>\n"
