"""The application: LibreTranslate's addresses, and the page."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from nmt.decoding.translation import Ranked, Translation
from nmt.evaluation.record import translation_record
from nmt.server.batching import Batcher, QueueFull, Work
from nmt.server.detection import Detected, detect
from nmt.server.errors import Refused, answer_failure, answer_http, answer_refused
from nmt.server.files import Fixed, files, self_contained
from nmt.server.guards import Guard, Rate
from nmt.server.metrics import Metrics
from nmt.server.models import Model, Models, open_models
from nmt.server.reference import Address, openapi, page
from nmt.server.requests import Detect, Translate, read
from nmt.server.settings import Limits, Settings
from nmt.server.texts import Html, Text

PAGE = Path(__file__).parent / "page"
T = TypeVar("T")


class Server:
    """What answers requests: models, limits, counters, and the thread that translates."""

    batcher: Batcher  # from the start of the application on

    def __init__(self, models: Models, limits: Limits, metrics: Metrics) -> None:
        self.models, self.limits, self.metrics = models, limits, metrics
        self._rate = Rate(limits.requests) if limits.requests else None

    @asynccontextmanager
    async def running(self, _: Starlette) -> AsyncIterator[None]:
        """Translate as long as the application runs, and then what it took."""
        self.batcher = Batcher(self.limits.lines, self.metrics.batch)
        yield
        await asyncio.to_thread(self.batcher.stop)
        self.metrics.close()

    def addresses(self) -> list[tuple[Address, Callable[[Request], Awaitable[Response]]]]:
        """Return what answers at each address."""
        source, target = next(iter(self.models.of_pair))
        example = {"q": ["…", "…"], "source": source, "target": target, "alternatives": 1}
        answer = {"translatedText": ["…", "…"], "alternatives": [["…"], ["…"]]}
        languages = self.models.languages()
        found: list[Detected] = [{"confidence": 100.0, "language": source}]
        what = "Translate a text, or each of a list. With details, each has what nmt translate --json prints."
        return [
            (Address("/translate", what, answer, Translate, example), self.translate),
            (Address("/detect", "Find the language of a text.", found, Detect, {"q": "…"}), self.detect),
            (
                Address("/languages", "The languages, and what each is translated to.", languages),
                self.languages,
            ),
            (Address("/health", "Whether the server works.", {"status": "ok"}), self.health),
            (Address("/frontend/settings", "What a page needs to know.", self._settings()), self.settings),
            (Address("/metrics", "Counters in Prometheus' text form.", "# HELP …"), self.report),
        ]

    async def translate(self, request: Request) -> JSONResponse:
        """Translate a text, or each of a list."""
        self._admit(request)
        asked = await read(request, Translate, self.limits)
        texts = asked.texts
        self._check_size(texts)
        detected = self._detect("\n".join(texts))[0] if asked.source == "auto" else None
        source = detected["language"] if detected else asked.source
        if detected and source == asked.target:
            translations = [Translation([Ranked(text, 0.0)]) for text in texts]
        else:
            translations = await self._found(request, asked, source)
        answer: dict[str, object] = {"translatedText": [each.text for each in translations]}
        if detected:
            answer["detectedLanguage"] = [detected] * len(texts)
        if asked.alternatives:
            answer["alternatives"] = [[other.text for other in each.ranked[1:]] for each in translations]
        if asked.details:
            pairs = zip(texts, translations, strict=True)
            answer["details"] = [translation_record(text, each) for text, each in pairs]
        if isinstance(asked.q, str):
            answer = {key: value[0] for key, value in answer.items() if isinstance(value, list)}
        return JSONResponse(answer)

    async def _found(self, request: Request, asked: Translate, source: str) -> list[Translation]:
        """Return the translations of the texts, alternatives included."""
        texts, model = asked.texts, self._model(source, asked.target)
        most = model.most_alternatives
        if asked.alternatives > most:
            raise Refused(400, f"alternatives: expected {most} at most, found {asked.alternatives}")
        is_html = asked.format == "html"  # whose tags are placed by the details
        work = Work(model, asked.alternatives > 0, asked.details or is_html)
        parts = [Html.of(text) if is_html else Text.of(text) for text in texts]
        self.metrics.characters(sum(map(len, texts)))
        lines = [line for part in parts for line in part.lines]
        try:
            found = iter(await _unless_gone(request, self.batcher.translate(work, lines)))
        except QueueFull:
            message = f"expected {self.limits.lines} waiting lines at most, found more; try again"
            raise Refused(503, message, wait=1) from None
        of_each = [[next(found) for _ in part.lines] for part in parts]
        if is_html:
            return await asyncio.to_thread(_joined, parts, of_each, asked.alternatives + 1)
        return _joined(parts, of_each, asked.alternatives + 1)  # takes less time than a thread

    async def detect(self, request: Request) -> JSONResponse:
        """Detect the language of a text."""
        self._admit(request)
        asked = await read(request, Detect, self.limits)
        self._check_size([asked.q])
        return JSONResponse(self._detect(asked.q))

    def _detect(self, text: str) -> list[Detected]:
        if len(self.models.letters) < 2:
            known = ", ".join(self.models.letters) or "none"
            message = f"expected models that know the letters of two languages or more, found {known}"
            raise Refused(400, f"{message}; give the code of the source")
        return detect(text, self.models.letters)

    def _model(self, source: str, target: str) -> Model:
        sources = sorted({src for src, _ in self.models.of_pair})
        targets = sorted(self.models.targets(source))
        if not targets:
            raise Refused(400, f"source: expected one of {', '.join(sources)}, found {source[:20]!a}")
        if target not in targets:
            raise Refused(400, f"target: expected one of {', '.join(targets)}, found {target[:20]!a}")
        return self.models.of_pair[source, target]

    def _check_size(self, texts: list[str]) -> None:
        limits, size = self.limits, sum(map(len, texts))
        if len(texts) > limits.texts:
            raise Refused(400, f"q: expected {limits.texts} texts at most, found {len(texts)}")
        if size > limits.characters:
            raise Refused(400, f"q: expected {limits.characters} characters at most, found {size}")

    def _admit(self, request: Request) -> None:
        if self._rate is not None:
            self._rate.check(request.client.host if request.client else "", time.monotonic())

    async def languages(self, _: Request) -> JSONResponse:
        """Return the languages, and what each is translated to."""
        return JSONResponse(self.models.languages())

    async def health(self, _: Request) -> JSONResponse:
        """Say that the server works."""
        return JSONResponse({"status": "ok"})

    async def settings(self, _: Request) -> JSONResponse:
        """Return what a page needs to know."""
        return JSONResponse(self._settings())

    def _settings(self) -> dict[str, object]:
        source, target = next(iter(self.models.of_pair))
        named = {
            each["code"]: {"code": each["code"], "name": each["name"]} for each in self.models.languages()
        }
        return {
            "alternativesLimit": min(model.most_alternatives for model in self.models.of_pair.values()),
            "apiKeys": False,
            "charLimit": self.limits.characters,
            "filesTranslation": False,
            "frontendTimeout": 500,
            "keyRequired": False,
            "language": {"source": named[source], "target": named[target]},
            "suggestions": False,
            "supportedFilesFormat": [],
        }

    async def report(self, _: Request) -> PlainTextResponse:
        """Return the counters for Prometheus."""
        self.metrics.waiting(self.batcher.waiting())
        return PlainTextResponse(self.metrics.text(), media_type="text/plain; version=0.0.4")


def _joined(
    parts: list[Html | Text], translations: list[list[Translation]], n_best: int
) -> list[Translation]:
    """Return the translation of each text from those of its lines."""
    try:
        return [part.join(each, n_best) for part, each in zip(parts, translations, strict=True)]
    except RecursionError:
        raise Refused(
            400, "q: expected HTML of some hundred tags in one another at most, found more"
        ) from None


async def _unless_gone(request: Request, answer: Awaitable[T]) -> T:
    """Return the answer; it is cancelled if the client has gone before it is ready."""
    waiting = asyncio.current_task()
    assert waiting is not None

    async def cancel_when_gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        waiting.cancel()

    gone = asyncio.create_task(cancel_when_gone())
    try:
        return await answer
    except asyncio.CancelledError:
        if gone.done() and not waiting.uncancel():
            raise Refused(499, "the client has gone") from None
        raise
    finally:
        gone.cancel()


def make_app(settings: Settings, metrics: Path) -> Starlette:
    """Return the application of a worker, its models open; metrics: a `metrics_file`."""
    counters = Metrics(metrics)
    server = Server(open_models(settings.models, settings.beam), settings.limits, counters)
    addresses = server.addresses()
    described = [address for address, _ in addresses]
    index, inside = self_contained((PAGE / "index.html").read_text(encoding="utf-8"), PAGE)
    fixed = {
        **files(PAGE),
        "/": Fixed(index.encode(), "text/html"),
        "/docs": Fixed(page(described).encode(), "text/html"),
        "/openapi.json": Fixed(json.dumps(openapi(described)).encode(), "application/json"),
    }
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=["Retry-After"],  # which a page may not read otherwise
    )
    return Starlette(
        routes=[
            *(Route(address.path, answer, methods=[address.method]) for address, answer in addresses),
            *(Route(path, file.answer) for path, file in fixed.items()),
        ],
        lifespan=server.running,
        middleware=[
            Middleware(Guard, metrics=counters, sources=inside),
            *([cors] if settings.origins else []),
        ],
        exception_handlers={
            Refused: answer_refused,
            HTTPException: answer_http,
            Exception: answer_failure,
        },
    )
