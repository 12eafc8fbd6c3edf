"""`nmt serve` in a process of its own, for the tests that ask it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

MODELS = ("--model", "de-en", "--model", "en-de")


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve with these options at a free port; gives the address and the process, which is stopped."""
    command = [sys.executable, "-m", "nmt", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        found = re.search(r"http://\S+", said)
        assert found, said
        yield found[0], process
    finally:
        process.terminate()
        _, rest = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "")


@pytest.fixture(scope="session")
def served() -> Iterator[str]:
    """The address of a server with the models that ship."""
    with serving(*MODELS) as (address, _):
        yield address


def ask(address: str, body: object = None, **headers: str) -> tuple[int, dict[str, object]]:
    """Return status and answer of a request; body is sent as JSON, bytes as they are."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = Request(address, data, {"Content-Type": "application/json", **headers})
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)
