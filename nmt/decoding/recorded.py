"""A step recorded once and then replayed without Python, which takes longer than the products of few rows."""

import warnings
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeAlias

import torch
from torch import Tensor, nn

from nmt.decoding.search import Memory, Source, State, Step, StepScorer
from nmt.decoding.trees import filled, tensors
from nmt.shapes import Int

Asked: TypeAlias = tuple[Int[Tensor, "N"], Memory, State]
Replay: TypeAlias = Callable[[Sequence[Tensor]], Step[State]]  # of the tensors of what is asked

_RECORDING = Lock()  # torch's tracer and Python's filters of warnings belong to the whole process


class RecordedScorer(Generic[Source, Memory, State]):
    """A step scorer, of fewer than `rows` rows recorded as a TorchScript graph, with the same bits.

    The first `after` steps are the scorer's own: a single line is over before a recording pays. Then the
    first step of each shape is taken both ways; where a bit differs, all steps are the scorer's own from
    then on. So they are where torch, which means to give TorchScript up, cannot record one. Of a recorded
    step, whatever its Python branches on must be shapes and settings, never numbers. kernels: gives the
    objects, no tensors, that its products were made with, which a recording must be told of. Several threads
    may use one scorer.
    """

    def __init__(
        self,
        scorer: StepScorer[Source, Memory, State],
        *,
        rows: int,
        after: int,
        kernels: Callable[[], Sequence[object]],
    ) -> None:
        self.scorer, self._rows, self._kernels = scorer, rows, kernels
        self._left = after
        self._replay: Replay[State] | None = None
        self._known: set[tuple[torch.Size, ...]] = set()

    def start(self, source: Source) -> tuple[Memory, State]:
        """Start the scorer."""
        return self.scorer.start(source)

    def step(self, y_prev: Int[Tensor, "N"], memory: Memory, state: State) -> Step[State]:
        """Score the next piece after y_prev."""
        if self._left or len(y_prev) >= self._rows:
            self._left = max(self._left - 1, 0)
            return self.scorer.step(y_prev, memory, state)
        asked = y_prev, memory, state
        given = tuple(tensors(asked))
        shapes = tuple(tensor.shape for tensor in given)
        if self._replay and shapes in self._known:
            return self._replay(given)
        step = self.scorer.step(*asked)
        with _RECORDING:
            if shapes not in self._known and self._rows:  # unless another thread was first
                self._learn(asked, given, step)
        return step

    def _learn(self, asked: Asked[Memory, State], given: tuple[Tensor, ...], step: Step[State]) -> None:
        """Record the step if none is yet, and compare a replay with it."""
        try:
            if self._replay is None:
                self._replay = self._recording(asked, step)
                self._replay(given)  # TorchScript makes what it keeps of the first call
            same = all(map(torch.equal, tensors(self._replay(given)), tensors(step)))
        except (AttributeError, RuntimeError):  # no TorchScript, or not for such a step or shape
            same = False
        if same:
            self._known.add(tuple(tensor.shape for tensor in given))
        else:
            self._rows = 0

    def _recording(self, asked: Asked[Memory, State], like: Step[State]) -> Replay[State]:
        """Return what takes a step from the tensors of what is asked."""
        scorer = self.scorer

        class Recorded(nn.Module):
            def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
                return tuple(tensors(scorer.step(*filled(asked, iter(given)))))

        recorded = Recorded()
        for i, kernel in enumerate(self._kernels()):
            setattr(recorded, f"kernel_{i}", kernel)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = torch.jit.trace(recorded, tuple(tensors(asked)), check_trace=False)
        return lambda given: filled(like, iter(graph(*given)))
