"""A server for the scripts that measure or attack one."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `nmt serve` at a free port; give the address and the process, which is stopped at the end."""
    command = [sys.executable, "-m", "nmt", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.search(r"http://\S+", said)
        if found is None:
            sys.exit(said)
        try:
            yield found[0], process
        finally:
            process.terminate()


def memory(process: int) -> float:
    """Return the megabytes that a process and its children hold."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    total = 0
    for each in (process, *children):
        status = Path(f"/proc/{each}/status").read_text(encoding="utf-8")
        total += int(status.partition("VmRSS:")[2].split()[0])
    return total / 1024
