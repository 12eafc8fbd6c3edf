"""What stands around every answer: strict headers, counters, and a rate for each client address."""

import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nmt.server.errors import Refused
from nmt.server.metrics import Metrics

_POLICY = ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
_MOST_CLIENTS = 10_000


class Guard:
    """An application whose answers have strict headers and are counted.

    sources: hashes of the styles and scripts that its pages hold.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, sources: list[str]) -> None:
        self._app, self._metrics = app, metrics
        policy = "; ".join((" ".join(("default-src 'self'", *sources)), *_POLICY))
        self._headers = (b"content-security-policy", policy.encode()), *_HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        try:
            await self._app(scope, receive, guarded)
        finally:
            self._metrics.answered(scope["path"], status, time.perf_counter() - began)


class Rate:
    """So many requests a minute from each client address, several of them at once: a token bucket.

    An IPv6 client is its /64 network. Only the clients that asked last are known.
    """

    def __init__(self, a_minute: int) -> None:
        self._a_minute = a_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, and when

    def check(self, client: str, now: float) -> None:
        """Count a request; raises Refused if the client has none left. now: in seconds."""
        key = _network(client)
        left, then = self._buckets.pop(key, (float(self._a_minute), now))
        left = min(self._a_minute, left + (now - then) * self._a_minute / 60)
        self._buckets[key] = max(left - 1, 0) if left >= 1 else left, now
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        if left < 1:
            wait = int((1 - left) * 60 / self._a_minute) + 1
            raise Refused(429, f"expected {self._a_minute} requests a minute at most, found more", wait=wait)


def _network(client: str) -> str:
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return address.exploded[:19]
    return client
