"""A server from its start to its stop: what can go wrong is found before it listens."""

import logging
import signal
import socket
import sys
from functools import partial

from nmt.errors import UserError
from nmt.server.settings import Settings

STOP_SECONDS = 30  # for requests that were taken to be answered


def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or an interrupt; those that were taken are answered first.

    Raises UserError, before it listens, for a model that is none, two of one pair, or a port in use.
    """
    try:
        from uvicorn import Config, Server
        from uvicorn.supervisors import Multiprocess

        from nmt.server.app import make_app
        from nmt.server.metrics import metrics_file
        from nmt.server.models import pairs_of
        from nmt.server.protocol import GuardedProtocol
    except ImportError as error:
        raise UserError(
            f"nmt serve needs packages that are not installed ({error}); pip install 'nmt[serve]'"
        ) from None

    with _bind(settings.host, settings.port) as listener, metrics_file(settings.workers) as metrics:
        pairs = pairs_of(settings.models)
        make = partial(make_app, settings, metrics)
        config = Config(
            make if settings.workers > 1 else make(),
            factory=settings.workers > 1,
            http=GuardedProtocol,
            limit_concurrency=settings.limits.connections,
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=list(settings.proxies),
            server_header=False,
            workers=settings.workers,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        # It would write a line for each form that is none.
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
        listener.listen(config.backlog)
        what = ", ".join(f"{src}→{trg}" for src, trg in pairs)
        line = f"nmt: {what} at {_address(listener)} (Ctrl-C stops it)"
        # Signals are caught before the line: whoever reads it may send one at once.
        if settings.workers > 1:
            parent = Multiprocess(config, [listener])
            print(line, file=sys.stderr)
            parent.run()
            return
        server = Server(config)
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises them again at its end
            signal.signal(number, server.handle_exit)
        print(line, file=sys.stderr)
        server.run([listener])


def _bind(host: str, port: int) -> socket.socket:
    """Return a socket at the address that does not listen yet; raises UserError."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UserError(f"--host {host}: expected an address of this machine ({error.strerror})") from None
    # asyncio lets a socket send at once only if it is TCP by name; else each answer waits for 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise UserError(
            f"--host {host} --port {port}: cannot listen there ({error.strerror}); choose another port"
        ) from None
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
