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
    """Yield function(item) for every item in order; a thread computes up to `ahead` items in advance.

    With ahead = 0 there is no thread. An exception is raised at the position of its item. The thread starts
    with the first item requested, and ends after the last one or when the iterator is closed or deleted.
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
