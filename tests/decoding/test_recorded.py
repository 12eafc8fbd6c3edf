"""nmt.decoding.recorded: what may be replayed, and what never is; its sameness is among the contracts."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.decoding.recorded import RecordedScorer
from nmt.decoding.search import Step


class Counting:
    """A step that adds up what it is given, and with `odd` something more to three rows."""

    def __init__(self, *, odd: bool = False) -> None:
        self.odd, self.steps = odd, 0

    def start(self, source: int) -> tuple[Tensor, tuple[Tensor, None]]:
        return torch.arange(1.0, source + 1), (torch.zeros(source), None)

    def step(self, y_prev: Tensor, memory: Tensor, state: tuple[Tensor, None]) -> Step:
        self.steps += 1
        total = state[0] + memory + y_prev
        if self.odd and len(y_prev) == 3:
            total = total + 1.0
        return Step(total.unsqueeze(1).repeat(1, 4), (total, None), None)


def run(scorer: Any, rows: int, steps: int) -> list[list[float]]:
    memory, state = scorer.start(rows)
    y_prev, found = torch.ones(rows, dtype=torch.long), []
    for _ in range(steps):
        step = scorer.step(y_prev, memory, state)
        state = step.state
        assert step.alignment is None
        found.append(step.log_probs[:, 0].tolist())
    return found


def recorded(counting: Counting, rows: int = 8) -> RecordedScorer:
    return RecordedScorer(counting, rows=rows, after=32, kernels=list)


def test_it_is_replayed_after_a_while_and_the_same() -> None:
    counting = Counting()
    assert run(recorded(counting), 5, 60) == run(Counting(), 5, 60)
    assert 32 <= counting.steps < 60


def test_a_single_line_is_not_recorded() -> None:
    counting = Counting()
    run(recorded(counting), 5, 30)
    assert counting.steps == 30


def test_many_rows_are_not_replayed() -> None:
    counting = Counting()
    run(recorded(counting, rows=5), 5, 60)
    assert counting.steps == 60


def test_where_a_shape_makes_a_difference_nothing_is_replayed_any_more() -> None:
    counting = Counting(odd=True)
    scorer = recorded(counting)
    run(scorer, 5, 40)
    counting.steps = 0
    assert run(scorer, 3, 40) == run(Counting(odd=True), 3, 40)
    assert run(scorer, 5, 40) == run(Counting(), 5, 40)
    assert counting.steps == 80


def test_without_torchscript_every_step_is_the_scorers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("torch.jit.trace")
    counting = Counting()
    assert run(recorded(counting), 5, 60) == run(Counting(), 5, 60)
    assert counting.steps == 60


def test_threads_record_one_at_a_time() -> None:
    class Slow(Counting):
        tracing, most = 0, 0

        def step(self, y_prev: Tensor, memory: Tensor, state: tuple[Tensor, None]) -> Step:
            if torch.jit.is_tracing():
                self.tracing += 1
                self.most = max(self.most, self.tracing)
                time.sleep(0.05)
                self.tracing -= 1
            return super().step(y_prev, memory, state)

    slow = Slow()
    scorer = RecordedScorer(slow, rows=8, after=0, kernels=list)
    expected = run(Counting(), 5, 60)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: run(scorer, 5, 60), range(8)))
    assert found == [expected] * 8
    assert slow.most == 1
