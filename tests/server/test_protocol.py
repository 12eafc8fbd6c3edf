import socket
from urllib.parse import urlsplit

import pytest

from nmt.server import protocol
from serving import MODELS, serving

pytestmark = pytest.mark.slow


def connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    assert parts.hostname
    assert parts.port
    return socket.create_connection((parts.hostname, parts.port), timeout=60)


def everything(client: socket.socket) -> bytes:
    """What arrives until the server closes the connection."""
    found = b""
    while more := client.recv(65_536):
        found += more
    return found


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: " + b"y" * 20_000,
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: y\r\n" * 4_000 + b"\r\n",
        b"POST /detect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: " + b"y" * 20_000,
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /translate HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /translate HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_so_in_json(served: str, request_: bytes) -> None:
    with connect(served) as client:
        client.sendall(request_)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'{"error": "expected a request in HTTP/1.1, found none"}' in answer


def test_requests_may_come_ahead_of_answers_but_not_any_number_of_them(served: str) -> None:
    health = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    with connect(served) as client:
        client.sendall(health * 3 + health.replace(b"Host", b"Connection: close\r\nHost"))
        assert everything(client).count(b"HTTP/1.1 200 ") == 4
    with connect(served) as client:
        client.sendall(health * (protocol.MOST_AHEAD + 2))
        assert everything(client).count(b"HTTP/1.1 200 ") <= 1


def test_a_body_does_not_count_as_part_of_the_head_behind_it(served: str) -> None:
    text = b"Hallo " * 80_000
    head = b"POST /detect HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with connect(served) as client:
        client.sendall(head + b"Content-Length: %d\r\n\r\nq=%s" % (len(text) + 2, text) + b"GET /health HTTP")
        client.sendall(b"/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = everything(client)
    assert b"q: expected 5000 characters at most" in answer
    assert answer.endswith(b'{"status":"ok"}')


@pytest.mark.parametrize(
    "size", [b"Content-Length: 11\r\n\r\n%s", b"Transfer-Encoding: chunked\r\n\r\nb\r\n%s\r\n0\r\n\r\n"]
)
def test_an_offer_of_another_protocol_changes_nothing(served: str, size: bytes) -> None:
    head = b"POST /detect HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nConnection: close%s\r\n"
    answers = []
    for offer in (b"", b", Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"):
        with connect(served) as client:
            client.sendall(head % offer + size % b'{"q": "is"}')
            answers.append(everything(client).partition(b"\r\n\r\n")[2])
    assert answers[0].startswith(b'[{"confidence":')
    assert answers[0] == answers[1]


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET / HTTP/1.1\r\nHo"])
def test_a_request_that_does_not_arrive_ends(served: str, begun: bytes) -> None:
    with connect(served) as client:
        client.sendall(begun)
        answer = everything(client)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert str(protocol.HEAD_SECONDS).encode() in answer


def test_connections_beyond_the_limit_are_refused() -> None:
    with serving(*MODELS[:2], "--connection-limit", "1") as (address, _), connect(address) as first:
        with connect(address) as second:
            assert everything(second).startswith(b"HTTP/1.1 503 ")
        first.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert everything(first).startswith(b"HTTP/1.1 200 ")
