"""Work done in a thread, a few items ahead."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def map_ahead(
    function: Callable[[Item], Made], items: Iterable[Item], *, ahead: int
) -> Generator[Made, None, None]:
    """Yield function(item) for every item, in order, each made in a thread up to `ahead` before its turn.

    With ahead = 0 there is no thread. An exception is raised where its item would have come. The thread
    begins with the first item asked for; it ends with the last one, or with the iterator, closed or dropped.
    """
    if not ahead:
        yield from map(function, items)
        return
    waiting = iter(items)
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        made: deque[Future[Made]] = deque()
        try:
            for item in islice(waiting, ahead):
                made.append(thread.submit(function, item))
            for item in waiting:
                made.append(thread.submit(function, item))
                yield made.popleft().result()
            while made:
                yield made.popleft().result()
        finally:
            thread.shutdown(cancel_futures=True)
