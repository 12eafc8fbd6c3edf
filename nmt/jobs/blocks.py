"""Blocks of a fixed number of lines, and shards of whole blocks.

The last bits of a sentence can depend on its batch. So shards and resumed jobs begin only between blocks,
and no batch spans two of them.
"""

import queue
import re
import threading
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, Self, TypeAlias

from nmt.errors import UserError

BLOCK = 500  # lines
FEW = 4  # blocks; for no more than these no other process is started unless asked for

# Each with the error that ended the input behind it, if any.
Blocks: TypeAlias = Iterator[tuple[list[str], Exception | None]]


class Shard(NamedTuple):
    """Part `number`, counted from 1, of a text in `parts`."""

    number: int
    parts: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `i/n`; raises UserError unless 1 ≤ i ≤ n."""
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if found and 1 <= int(found[1]) <= int(found[2]):
            return cls(int(found[1]), int(found[2]))
        raise UserError(f"--shard {text}: expected i/n such as 1/4, whole numbers with i from 1 to n")

    def lines(self, total: int) -> range:
        """Return the range of lines, from 0, in whole blocks; the shards in order are the text.

        With more shards than blocks some are empty.
        """
        blocks = -(-total // BLOCK)
        first, last = ((blocks * i // self.parts) * BLOCK for i in (self.number - 1, self.number))
        return range(first, min(last, total))


def blocks(lines: Iterator[str]) -> Blocks:
    """Yield the lines in blocks, and with the last block the error that ended the input, if any."""
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


def ready_blocks(lines: Iterator[str]) -> Blocks:
    """Yield blocks as `blocks` does, but as soon as any line is available.

    A thread reads ahead, so that lines from a slow writer are processed one by one, from a fast one together.
    """
    ready: queue.Queue[str | Exception | None] = queue.Queue(maxsize=BLOCK)

    def read() -> None:
        try:
            for line in lines:
                ready.put(line)
            ready.put(None)
        except Exception as problem:  # passed on to the consumer
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


def numbered(found: Blocks, begin: int, done: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the blocks from line `done` on with their first number; raise an error of the input.

    begin: the number of the first line.
    """
    number = begin
    for block, problem in found:
        if block and number >= done:
            yield number, block
        number += len(block)
        if problem is not None:
            raise problem
