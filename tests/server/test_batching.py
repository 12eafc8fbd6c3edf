import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from nmt.decoding.translation import Ranked, Translation
from nmt.server.batching import MOST, Batcher, QueueFull, Work


class Shouting:
    """A model that translates into capital letters, once it may, and keeps what went through it together."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.entered, self.may = threading.Event(), threading.Event()
        self.may.set()

    def translations(self, lines: list[str], *, ranked: bool, details: bool) -> list[Translation]:
        self.entered.set()
        assert self.may.wait(10)
        self.batches.append(lines)
        if "bad" in lines:
            raise ValueError("bad")
        return [Translation([Ranked(line.upper(), 0.0)]) for line in lines]


def run(
    scenario: Callable[[Batcher, Callable[..., Any]], Any], model: Shouting, *, limit: int = 1_000
) -> list[int]:
    sizes: list[int] = []

    async def main() -> None:
        batcher = Batcher(limit, sizes.append)

        async def translate(*lines: str, ranked: bool = False) -> list[str]:
            found = await batcher.translate(Work(model, ranked, False), list(lines))  # type: ignore[arg-type]
            return [each.text for each in found]

        await scenario(batcher, translate)
        await asyncio.to_thread(batcher.stop)

    asyncio.run(main())
    return sizes


async def until(batcher: Batcher, model: Shouting, waiting: int) -> None:
    """Wait until the thread is at work, and so many lines wait."""
    while not model.entered.is_set() or batcher.waiting() != waiting:
        await asyncio.sleep(0.001)


def test_requests_at_once_go_through_the_model_together_and_each_gets_its_own() -> None:
    model = Shouting()

    async def scenario(_: Batcher, translate: Callable[..., Any]) -> None:
        found = await asyncio.gather(translate("a", " ", "b"), translate("c"), translate("d", ranked=True))
        assert found == [["A", "", "B"], ["C"], ["D"]]
        assert await translate(" ", "") == ["", ""]

    assert sum(run(scenario, model)) == 4
    assert model.batches == [["a", "b", "c"], ["d"]]


def test_a_short_request_does_not_wait_for_a_long_one() -> None:
    model = Shouting()
    order: list[str] = []

    async def scenario(batcher: Batcher, translate: Callable[..., Any]) -> None:
        async def ask(name: str, *lines: str) -> None:
            await translate(*lines)
            order.append(name)

        model.may.clear()
        long = asyncio.ensure_future(ask("long", *map(str, range(3 * MOST))))
        await until(batcher, model, 0)
        short = asyncio.ensure_future(ask("short", "a"))
        await until(batcher, model, 1)
        model.may.set()
        await asyncio.gather(long, short)

    sizes = run(scenario, model)
    assert order == ["short", "long"]
    assert (sum(sizes), max(sizes)) == (3 * MOST + 1, MOST)


def test_a_full_queue_refuses_what_does_not_fit() -> None:
    model = Shouting()

    async def scenario(batcher: Batcher, translate: Callable[..., Any]) -> None:
        model.may.clear()
        first = asyncio.ensure_future(translate("a"))
        await until(batcher, model, 0)
        many = asyncio.ensure_future(translate(*"bcdefg"))  # more than the limit, in an empty queue
        await until(batcher, model, 6)
        with pytest.raises(QueueFull):
            await translate("h")
        model.may.set()
        assert await first + await many == list("ABCDEFG")

    run(scenario, model, limit=5)


def test_nobody_waits_for_a_request_that_was_cancelled() -> None:
    model = Shouting()

    async def scenario(batcher: Batcher, translate: Callable[..., Any]) -> None:
        model.may.clear()
        first = asyncio.ensure_future(translate("a"))
        await until(batcher, model, 0)
        second = asyncio.ensure_future(translate("b"))
        await until(batcher, model, 1)
        for each in (first, second):
            each.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        assert batcher.waiting() == 0
        model.may.set()
        assert await translate("c") == ["C"]

    run(scenario, model)
    assert model.batches == [["a"], ["c"]]


def test_an_error_is_that_of_the_request_alone_which_made_it() -> None:
    model = Shouting()

    async def scenario(_: Batcher, translate: Callable[..., Any]) -> None:
        good, bad = await asyncio.gather(translate("a"), translate("bad"), return_exceptions=True)
        assert good == ["A"]
        assert isinstance(bad, ValueError)

    run(scenario, model)


def test_it_translates_what_waits_before_it_stops() -> None:
    model = Shouting()

    async def main() -> None:
        batcher = Batcher(1_000, lambda _: None)
        model.may.clear()
        work = Work(model, False, False)  # type: ignore[arg-type]
        asked = [asyncio.ensure_future(batcher.translate(work, [line])) for line in "abc"]
        await until(batcher, model, 0)
        model.may.set()
        await asyncio.to_thread(batcher.stop)
        assert [found[0].text for found in await asyncio.gather(*asked)] == ["A", "B", "C"]

    asyncio.run(main())
