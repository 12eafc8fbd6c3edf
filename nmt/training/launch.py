"""Several processes of this machine that train one model, started and ended together."""

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from types import FrameType

from nmt.errors import UserError
from nmt.machine import cores
from nmt.training.signals import STOPPING

LOST = 2  # exit code of a process that says that another has ended


def launch(count: int, command: Sequence[str]) -> int:
    """Run the command in so many processes with torchrun's variables; return the exit code of them all.

    It is that of the first that did not end well for a reason of its own; 128 + n where signal n ended it.
    Signals that ask to stop are passed on. A process whose neighbour is gone notices by itself.
    """
    if "WORLD_SIZE" in os.environ:
        raise UserError(
            "--processes and WORLD_SIZE: torchrun, or whatever set it, starts the processes already; leave "
            "--processes out"
        )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    variables = {"OMP_NUM_THREADS": str(max(1, cores() // count)), **os.environ, **place}
    started: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in started:
            process.send_signal(number)

    kept = {each: signal.signal(each, pass_on) for each in STOPPING}
    try:
        for rank in map(str, range(count)):
            here = {"RANK": rank, "LOCAL_RANK": rank}
            # In sessions of their own, so that Ctrl-C comes to them once: from here.
            started.append(subprocess.Popen(command, env=variables | here, start_new_session=True))
        codes = [process.wait() for process in started]
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)
    code = next((code for code in codes if code not in (0, LOST)), max(codes))
    return code if code >= 0 else 128 - code
