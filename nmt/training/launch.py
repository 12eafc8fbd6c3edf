"""Several processes on this machine that train one model, started and ended together."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from nmt.errors import UserError
from nmt.machine import cores
from nmt.training.signals import caught

LOST = 2  # exit code of a process that reports the end of another


def launch(count: int, command: Sequence[str]) -> int:
    """Run the command in `count` processes with torchrun's variables and return one exit code for all.

    It is the code of the first process that failed for a reason of its own; 128 + n if signal n killed it.
    Signals that ask to stop are forwarded. A process notices by itself if another has ended.
    """
    if "WORLD_SIZE" in os.environ:
        raise UserError(
            "--processes: the variable WORLD_SIZE is set, so torchrun or another launcher already starts the "
            "processes; leave --processes out"
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    variables = {"OMP_NUM_THREADS": str(max(1, cores() // count)), **os.environ, **place}
    started: list[subprocess.Popen[bytes]] = []
    with forwarding(started):
        for rank in map(str, range(count)):
            here = {"RANK": rank, "LOCAL_RANK": rank}
            started.append(start(command, variables | here))
        codes = [process.wait() for process in started]
    code = next((code for code in codes if code not in (0, LOST)), max(codes))
    return code if code >= 0 else 128 - code


def start(
    command: Sequence[str], variables: Mapping[str, str], *, quiet: bool = False
) -> subprocess.Popen[bytes]:
    """Start a process in a new session, so that Ctrl-C reaches it only once, from here; see `forwarding`.

    quiet: without its standard output.
    """
    stdout = subprocess.DEVNULL if quiet else None
    return subprocess.Popen(command, env=variables, stdout=stdout, start_new_session=True)


@contextmanager
def forwarding(started: Sequence[subprocess.Popen[bytes]]) -> Iterator[list[int]]:
    """Within this context, forward signals that ask to stop to all processes that have been started.

    Gives the list of the signals so far.
    """
    received: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for process in started:
            process.send_signal(number)

    kept = {each: signal.signal(each, pass_on) for each in caught()}
    try:
        yield received
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)
