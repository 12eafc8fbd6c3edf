"""HTTP/1.1 for strangers: uvicorn's protocol, with an end to clients that send or read too slowly."""

import asyncio
import json
from collections.abc import Callable

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_SECONDS = 10  # for the request line and all headers
REQUEST_SECONDS = 30  # for a body that nobody waits for any more
DRAIN_SECONDS = 30  # for an answer to be read
HEAD_BYTES = 16_384  # of the request line and all headers, or of what follows a body
PART_BYTES = 4_096  # that are read between two looks at how long a head is
MOST_AHEAD = 8  # requests that a client may send before the answer to its first


class GuardedProtocol(HttpToolsProtocol):
    """A connection that ends if a request does not arrive in time, or its answer is not read in time.

    A request that is no HTTP, and a connection beyond the configuration's limit_concurrency, get their error
    as JSON.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._most, self.limit_concurrency = self.limit_concurrency, None  # its own answer is no JSON
        self._head_bytes = 0  # that arrived and are no body
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or refuse it if there are too many."""
        super().connection_made(transport)
        if self._most is not None and len(self.connections) > self._most:
            self._end(503, f"expected {self._most} connections at most, found more; try again")
        else:
            self._within(HEAD_SECONDS, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Read what arrived."""
        self._unset_keepalive_if_required()
        for start in range(0, len(data), PART_BYTES):
            if self.transport.is_closing():
                return
            part = data[start : start + PART_BYTES]
            try:
                self.parser.feed_data(part)
            except HttpParserUpgrade as offer:
                self._decline(data[start + offer.args[0] :])
                return
            except HttpParserError:
                self.send_400_response("")
                return
            self._head_bytes += len(part)
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response("")

    def _decline(self, rest: bytes) -> None:
        """Read a request that offers another protocol again, without the offer: its body was skipped."""
        line = b"%s %s HTTP/%s\r\n"
        head = line % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        kept = [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.data_received(head + b"".join(kept) + b"\r\n" + rest)

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        super().on_message_begin()
        if len(self.pipeline) >= MOST_AHEAD:
            raise ValueError("too many requests ahead")  # answered as what is no HTTP
        self._within(HEAD_SECONDS, self._late)
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Answer the request, whose body may follow."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise ValueError("no Host, or several")  # answered as what is no HTTP
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("no proxy")
            return  # it is read again
        super().on_headers_complete()
        self._within(REQUEST_SECONDS, self.transport.abort)
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        super().on_body(body)
        self._head_bytes = 0

    def on_message_complete(self) -> None:
        """Note that the whole request is there."""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._within(None, self._late)
        self._wait_for_next()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._close_soon()
        else:
            self._wait_for_next()

    def _wait_for_next(self) -> None:
        """Give the next request its time, once the last is there and is answered."""
        if self._deadline is None and self.cycle.response_complete:
            self._within(HEAD_SECONDS, self._late)

    def _within(self, seconds: float | None, then: Callable[[], None]) -> None:
        """Act after so many seconds, instead of after those before; None for never."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, then)

    def _late(self) -> None:
        self._end(408, f"the request did not arrive within {HEAD_SECONDS} seconds")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._end(400, "expected a request in HTTP/1.1, found none")

    def _end(self, status: int, message: str) -> None:
        """Answer with an error if nothing was answered yet, and close the connection."""
        idle = self.cycle is None or self.cycle.response_complete
        if idle or not (self.cycle.response_started or self.pipeline):
            body = json.dumps({"error": message}).encode()
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head % len(body) + body)
        if self.cycle is not None:  # what is still being answered is for nobody
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
        self._close_soon()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that nobody uses."""
        super().timeout_keep_alive_handler()
        self._close_soon()

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._close_soon()

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        if self._unread is not None and not self.transport.is_closing():
            self._unread.cancel()
            self._unread = None

    def _close_soon(self) -> None:
        """Drop the connection if what was written is not read in time."""
        if self._unread is None:
            self._unread = self.loop.call_later(DRAIN_SECONDS, self.transport.abort)
