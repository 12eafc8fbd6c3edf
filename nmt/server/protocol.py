"""HTTP/1.1 for strangers: uvicorn's protocol, with an end to clients that send or read too slowly."""

import asyncio
import json

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

HEAD_SECONDS = 10  # for the request line and all headers
REQUEST_SECONDS = 30  # for a body that nobody waits for any more
DRAIN_SECONDS = 30  # for an answer to be read


class GuardedProtocol(H11Protocol):
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
        self._phase: object = None
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or refuse it if there are too many."""
        super().connection_made(transport)
        if self._most is not None and len(self.connections) > self._most:
            self._end(503, f"expected {self._most} connections at most, found more; try again")
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Read what arrived."""
        if not self.transport.is_closing():
            super().data_received(data)

    def handle_events(self) -> None:
        """Handle what was read, and see how long the next part may take."""
        super().handle_events()
        self._watch()

    def _watch(self) -> None:
        phase = self.conn.their_state
        if phase is self._phase:
            return
        self._phase = phase
        if self._deadline is not None:
            self._deadline.cancel()
        if phase is h11.IDLE:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._late)
        elif phase is h11.SEND_BODY:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _late(self) -> None:
        self._end(408, f"the request did not arrive within {HEAD_SECONDS} seconds")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._end(400, "expected a request in HTTP/1.1, found none")

    def _end(self, status: int, message: str) -> None:
        """Answer with an error if nothing was answered yet, and close the connection."""
        body = json.dumps({"error": message}).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        try:
            head = self.conn.send(h11.Response(status_code=status, headers=headers))
            assert head is not None
            self.transport.write(head + body)
        except h11.LocalProtocolError:
            self.transport.abort()
        self.transport.close()
        self._close_soon()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        super().on_response_complete()
        if self.transport.is_closing():
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
