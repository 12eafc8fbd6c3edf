"""Requests to translate or detect: read within limits, checked, or refused with what was expected."""

import asyncio
import json
from typing import Literal, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from nmt.server.errors import Refused
from nmt.server.settings import Limits

BODY_SECONDS = 20  # for the whole body
_MOST_DROPPED = 32_000_000  # bytes of a body that is too large which are read, so that the answer arrives
JSON, FORM, MULTIPART = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
)


class Form(BaseModel):
    """The fields of a request; those that are unknown are ignored."""

    model_config = ConfigDict(extra="ignore")


class Translate(Form):
    """A request to translate."""

    q: str | list[str] = Field(description="a text or a list of texts")
    source: str = Field(description='the code of the language to translate from, or "auto"')
    target: str = Field(description="the code of the language to translate to")
    format: Literal["text", "html"] = Field("text", description='"text" or "html"')
    alternatives: int = Field(0, ge=0, description="a number of translations beside the best, from 0")
    details: bool = Field(False, description="true or false: with tokens, words, confidence and attention")

    @property
    def texts(self) -> list[str]:
        """The texts, one or several."""
        return [self.q] if isinstance(self.q, str) else self.q


class Detect(Form):
    """A request to detect a language."""

    q: str = Field(description="a text")


AnyForm = TypeVar("AnyForm", bound=Form)


async def read(request: Request, form: type[AnyForm], limits: Limits) -> AnyForm:
    """Return the request's form, from JSON or a form's fields; raises Refused for anything else."""
    body = await _body(request, limits.body)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == JSON:
            return form.model_validate_json(body)
        if kind == FORM:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=50)
            return form.model_validate(dict(pairs))
        if kind == MULTIPART:
            fields = await Request(request.scope, _again(body)).form(max_files=0, max_fields=50)
            return form.model_validate(dict(fields))
    except ValidationError as error:
        raise Refused(400, _reason(error, form)) from None
    except (ValueError, MultiPartException) as error:
        raise Refused(400, f"the body: expected a form in UTF-8, found another ({error})") from None
    raise Refused(415, f"Content-Type: expected {JSON} or {FORM}, found {kind or 'none'}")


async def _body(request: Request, limit: int) -> bytes:
    """Return the body; raises Refused for one that is too long or too slow."""
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    body += chunk
                elif size > _MOST_DROPPED:
                    break
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {BODY_SECONDS} seconds", close=True) from None
    except ClientDisconnect:
        raise Refused(499, "the client has gone") from None
    if size > limit:
        raise Refused(413, f"the body: expected {limit:,} bytes at most, found more", close=True)
    return bytes(body)


def _again(body: bytes) -> Receive:
    """Return a receive function that gives the whole body at once."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    return receive


def _reason(error: ValidationError, form: type[Form]) -> str:
    """Return one sentence for the first mistake."""
    first = error.errors(include_url=False, include_context=False)[0]
    if not first["loc"]:
        return f"the body: expected a JSON object, found none ({first['msg']})"
    name = str(first["loc"][0])
    found = "nothing" if first["type"] == "missing" else _shown(first["input"])
    return f"{name}: expected {form.model_fields[name].description}, found {found}"


def _shown(value: object) -> str:
    """Return a short text, for an error message, that any encoding can hold."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list of something else"
    shown = json.dumps(value)
    return shown if len(shown) <= 50 else f"{shown[:49]}…"
