import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from nmt.server.run import _bind
from serving import MODELS, ask, serving

Command = Callable[..., tuple[object, str, str]]
SOME = {"q": "Wie spät ist es?", "source": "de", "target": "en"}


def test_what_cannot_be_served_is_one_line(command: Command, tmp_path: Path) -> None:
    code, _, said = command("serve", "--model", tmp_path, "--port", 0)
    assert (code, said.count("\n")) == (2, 1)
    assert str(tmp_path) in said


def test_two_models_of_one_pair_are_refused(command: Command) -> None:
    code, _, said = command("serve", "--model", "de-en", "--model", "de-en", "--port", 0)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith("nmt: --model de-en: translates de to en, as ")


@pytest.mark.parametrize("listens", [True, False])
def test_a_port_in_use_is_refused(command: Command, listens: bool) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        if listens:
            other.listen()
        port = other.getsockname()[1]
        code, _, said = command("serve", "--model", "de-en", "--port", port)
    assert code == 2
    assert said.startswith(
        f"nmt: --host 127.0.0.1 --port {port}: cannot listen there (Address already in use)"
    )
    assert said.count("\n") == 1


def test_an_address_of_another_machine_is_refused(command: Command) -> None:
    code, _, said = command("serve", "--model", "de-en", "--host", "192.0.2.1")
    assert (code, said.count("\n")) == (2, 1)


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Puts the handlers of signals back that a server in this process replaces."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_right_after_its_line_stops_it(
    command: Command, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    run = uvicorn.Server.run

    def signalled(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        signal.raise_signal(number)  # before uvicorn catches any
        assert server.should_exit
        run(server, sockets)

    monkeypatch.setattr(uvicorn.Server, "run", signalled)
    code, _, said = command("serve", "--model", "de-en", "--port", 0)
    assert (code, said.count("\n")) == (0, 1)


@pytest.mark.slow
def test_a_signal_lets_it_finish_what_it_took() -> None:
    found: list[Any] = []
    with serving("--model", "de-en", "--char-limit", "100000") as (address, process):
        # Seconds of work, so that the signal comes in the middle of it.
        body = {**SOME, "q": [" ".join(["Der Hund läuft über die Wiese, und das Kind lacht."] * 18)] * 30}
        asking = threading.Thread(target=lambda: found.append(ask(f"{address}/translate", body)))
        asking.start()
        while asking.is_alive() and b"nmt_characters_total 0\n" in _metrics(address):
            time.sleep(0.01)
        assert asking.is_alive()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        asking.join()
    (status, answer), *_ = found
    assert (status, len(answer["translatedText"])) == (200, 30)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_models_that_ship_are_served_without_torch() -> None:
    with serving(*MODELS) as (address, process):
        assert ask(f"{address}/translate", SOME)[0] == 200
        loaded = Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
    assert "onnxruntime" in loaded
    assert "libtorch" not in loaded


@pytest.mark.slow
def test_workers_answer_alike_and_one_that_dies_is_replaced() -> None:
    with serving(*MODELS, "--workers", "2") as (address, process):
        answers = [ask(f"{address}/translate", SOME) for _ in range(20)]
        assert all(answer == answers[0] for answer in answers)
        _wait_for_count(address, 20)
        children = [int(word) for word in _children(process.pid)]
        os.kill(children[-1], signal.SIGKILL)
        while children[-1] in map(int, _children(process.pid)) or len(_children(process.pid)) < len(children):
            time.sleep(0.05)
        assert ask(f"{address}/translate", SOME) == answers[0]
        _wait_for_count(address, 21)


def _wait_for_count(address: str, count: int) -> None:
    """Wait until so many translations are counted: a worker counts one when it is sent, so perhaps later."""
    line = b'nmt_requests_total{path="/translate",status="200"} %d\n' % count
    end = time.monotonic() + 30
    while line not in (found := _metrics(address)):
        assert time.monotonic() < end, found.decode()
        time.sleep(0.05)


def _metrics(address: str) -> bytes:
    from urllib.request import urlopen

    with urlopen(f"{address}/metrics") as answer:
        return bytes(answer.read())


def _children(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def test_an_answer_is_sent_at_once_and_not_held_back_for_more() -> None:
    async def accepted() -> int:
        """What the socket of a connection says of Nagle's algorithm."""
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            its = writer.get_extra_info("socket")
            found.set_result(its.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = _bind("127.0.0.1", 0)
        async with await asyncio.start_server(answer, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            given = await found
            writer.close()
            await writer.wait_closed()
        return given

    assert asyncio.run(accepted())
