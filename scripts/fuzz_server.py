"""Requests that nobody should send, at a server on this machine.

    python scripts/fuzz_server.py [--requests 10000] [--seed 1] [--model de-en --model en-de]

Starts `nmt serve`, sends it malformed requests on a few connections at once (bytes that are no HTTP, bodies
cut, changed and too large, wrong types, deep JSON, lone surrogates, NUL, unknown languages, wrong lengths,
clients that stop in the middle), and between them good ones, which must get the answer that they got at
first. An answer of 500 or more, an error that is no JSON, or memory that grows is a finding; exit code 1
then.
"""

import argparse
import asyncio
import json
import random
import re
import sys
from collections import Counter
from urllib.parse import urlencode

from served import memory, serving

CLIENTS = 16
GOOD = {"q": "Wie spät ist es?", "source": "de", "target": "en"}
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
VALUES: list[object] = [
    *(None, True, False, 0, -1, 2**70, 1e308, float("nan"), "", " ", "\0", "\ud800"),
    *("de", "xx", "auto", "html"),
    *([], {}, [[]], [None], ["a", 1], {"a": {}}, "\n" * 4_000, "a\u0301" * 900, "\u202e\u2066x", "🦊" * 99),
    *(
        "x" * 5_000,
        "x" * 5_001,
        ["a"] * 101,
        "((((" * 500,
        ". " * 900,
        "\r\n\t\v\f\x85\u2028",
        "<b>&amp;",
        "<b>" * 1_600,
        "<b>" * 710 + "a" + "</b>" * 710,
    ),
]
BODIES = [
    *(b"", b"{", b"[" * 100_000, b'{"q":' * 50_000, b"null", b"\xff\xfe", b'"' + b"\\ud800" * 9 + b'"'),
    *(b'{"q": "\xc3"}', b"\0" * 1_000, b"9" * 5_000, b'{"alternatives": ' + b"9" * 5_000 + b"}"),
]
HEADS = [
    *(
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
    ),
    *(
        b"POST /translate HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a" * 20_000,
    ),
    *(b"GET /%00%ff HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"),
    b"POST /translate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /translate HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"PUT /translate HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
]


def body(chance: random.Random) -> bytes:
    """Return a form that is wrong in one way or another."""
    form: dict[str, object] = dict(GOOD)
    for _ in range(chance.randint(1, 2)):
        form["format"] = chance.choice(["text", "html"])
        names = [*GOOD, "alternatives", "details", "format", "unknown"]
        form[chance.choice(names)] = chance.choice(VALUES)
    if chance.random() < 0.1:
        form.pop(chance.choice([*form]))
    found = bytearray(json.dumps(form).encode())
    for _ in range(chance.choice([0, 0, 1, 3])):
        at = chance.randrange(len(found))
        found[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
    return bytes(found[: chance.choice([len(found), len(found), chance.randrange(1, len(found) + 1)])])


def request(chance: random.Random) -> bytes:
    """Return a request that is wrong in one way or another."""
    what = chance.random()
    if what < 0.1:
        return chance.choice(HEADS)
    if what < 0.15:
        text = chance.choice(
            [b"%00", b"%ff%fe=%ff", b"q=%F0%9F&source=de&target=en", b"&" * 99, b"q" * 9_999]
        )
        return with_head(text, FORM)
    if what < 0.2:
        return with_head(chance.choice([b"--b\r\n\r\n", b"--b--", b"\0"]), "multipart/form-data; boundary=b")
    if what < 0.3:
        return with_head(chance.choice(BODIES), JSON)
    if what < 0.302:
        return with_head(b" " * 10_000_000, JSON)
    text = body(chance)
    kind = chance.choice([JSON] * 8 + ["", "text/plain", "application/json; charset=utf-16"])
    length = len(text) + chance.choice([0] * 18 + [-1, 5])
    return with_head(text, kind, chance.choice(["translate"] * 4 + ["detect"]), max(0, length))


def with_head(text: bytes, kind: str, path: str = "translate", length: int | None = None) -> bytes:
    """Return a POST of a body."""
    length = len(text) if length is None else length
    head = f"POST /{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {length}\r\n\r\n".encode() + text


class Client:
    """Sends requests, each on a connection of its own, and counts what comes back."""

    def __init__(self, port: int, good: str) -> None:
        self.port, self.good = port, good
        self.statuses: Counter[str] = Counter()
        self.findings: list[str] = []

    async def send(self, data: bytes, patience: float = 120) -> tuple[str, bytes]:
        """Return status and body; "gone" if the connection ended without an answer, "left" if we left it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            answer = await asyncio.wait_for(reader.read(), patience)
        except TimeoutError:
            return "left", b""
        except ConnectionError:
            return "gone", b""
        finally:
            writer.close()
        status = re.match(rb"HTTP/1.1 (\d+)", answer)
        return (status[1].decode() if status else "gone"), answer.partition(b"\r\n\r\n")[2]

    async def attack(self, chance: random.Random, count: int) -> None:
        """Send so many requests, every tenth a good one."""
        for number in range(count):
            if number % 10 == 9:
                status, answer = await self.send(with_head(urlencode(GOOD).encode(), FORM))
                if status != "200" or self.good not in answer.decode():
                    self.findings.append(f"a good request got {status} {answer!r}")
                continue
            data = request(chance)
            if chance.random() < 0.01:
                data = data[: chance.randrange(len(data))]
            # Few wait until the server ends what they began.
            status, answer = await self.send(data, 120 if chance.random() < 0.02 else 1)
            self.statuses[status] += 1
            if status.startswith("5"):
                self.findings.append(f"{status} {answer!r} for {data[:300]!r}")
            elif status.startswith("4") and "error" not in json.loads(answer):
                self.findings.append(f"{status} without an error for {data[:300]!r}")


async def attack(port: int, process: int, requests: int, seed: int) -> int:
    """Attack the server in ten parts; print what came back, and return the number of findings."""
    client = Client(port, "")
    _, answer = await client.send(with_head(urlencode(GOOD).encode(), FORM))
    client.good = json.loads(answer)["translatedText"]
    held = []
    for part in range(10):
        each = [random.Random(f"{seed} {part} {n}") for n in range(CLIENTS)]
        await asyncio.gather(*(client.attack(chance, max(1, requests // (10 * CLIENTS))) for chance in each))
        held.append(memory(process))
    await client.attack(random.Random(seed), 10)
    print("answers:", ", ".join(f"{status}: {n}" for status, n in sorted(client.statuses.items())))
    print("memory in MB after each tenth:", *(f"{each:.0f}" for each in held))
    if held[-1] > held[4] * 1.25:
        client.findings.append("memory grows")
    for finding in client.findings[:20]:
        print("finding:", finding)
    return len(client.findings)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", action="append", help="models to serve; default: those that ship")
    arguments = parser.parse_args()
    models = [word for model in arguments.model or ("de-en", "en-de") for word in ("--model", model)]
    with serving(*models) as (address, server):
        port = int(address.rpartition(":")[2])
        try:
            findings = asyncio.run(attack(port, server.pid, arguments.requests, arguments.seed))
        finally:
            server.terminate()
        assert server.stderr is not None
        said = server.stderr.read()
    print(said, end="")
    if server.returncode or said:
        findings += 1
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
