"""Lines in blocks of a fixed size, and shards made of whole blocks.

What a kernel computes for a sentence can depend, in the last bits, on the batch that it is in. So the cuts
that a person makes (a shard, a resumed job) fall only between blocks, and batches never reach across one.
"""

import queue
import re
import threading
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, Self

from nmt.errors import UserError

BLOCK = 500  # lines


class Shard(NamedTuple):
    """Part `number`, counted from 1, of a text in `parts`."""

    number: int
    parts: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `i/n`; UserError unless 1 ≤ i ≤ n."""
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if found and 1 <= int(found[1]) <= int(found[2]):
            return cls(int(found[1]), int(found[2]))
        raise UserError(f"--shard {text}: expected i/n such as 1/4, whole numbers with i from 1 to n")

    def lines(self, total: int) -> range:
        """Which of the text's lines, from 0: neighbouring blocks, so that the shards in order are the text.

        Where there are more shards than blocks some have no line.
        """
        blocks = -(-total // BLOCK)
        first, last = ((blocks * i // self.parts) * BLOCK for i in (self.number - 1, self.number))
        return range(first, min(last, total))


def blocks(lines: Iterator[str]) -> Iterator[tuple[list[str], Exception | None]]:
    """Yield the lines BLOCK at a time, and with those of the last block what went wrong after them."""
    problem: Exception | None = None
    while problem is None:
        block: list[str] = []
        try:
            for line in islice(lines, BLOCK):
                block.append(line)
        except Exception as error:
            problem = error
        if not block and problem is None:
            return
        yield block, problem


def ready_blocks(lines: Iterator[str]) -> Iterator[tuple[list[str], Exception | None]]:
    """Yield like `blocks`, but at once what is there, be it a single line.

    A thread reads ahead, so that a slow writer's lines are answered one by one and a fast one's together.
    """
    ready: queue.Queue[str | Exception | None] = queue.Queue(maxsize=BLOCK)

    def read() -> None:
        try:
            for line in lines:
                ready.put(line)
            ready.put(None)
        except Exception as problem:  # whatever it is, it is raised where the lines are taken
            ready.put(problem)

    threading.Thread(target=read, daemon=True).start()
    while True:
        block: list[str] = []
        while len(block) < BLOCK:
            try:
                line = ready.get(block=not block)
            except queue.Empty:
                break
            if not isinstance(line, str):
                yield block, line
                return
            block.append(line)
        yield block, None
