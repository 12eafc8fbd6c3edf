"""Exact search: the best of all outputs, by extending the most promising prefix first. It knows no model.

N prefixes of one length, V tokens.
"""

from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Generic, NamedTuple

import torch

from nmt.decoding.engine import Hypothesis
from nmt.decoding.processors import LengthLimit, Processors
from nmt.decoding.search import Memory, SearchSettings, Source, State, StepScorer
from nmt.decoding.trees import Tree, join_rows, select_rows, tensors
from nmt.errors import Diverged

ROWS = 32  # prefixes that are extended together


class Found(NamedTuple):
    """What an exact search found.

    best: the best output that it saw, None if none is better than the score that it was to beat. steps: the
    prefixes that it extended. proved: no output is better; False if the search was cut.
    """

    best: Hypothesis | None
    steps: int
    proved: bool


class _Prefix(NamedTuple, Generic[State]):
    """The first tokens of an output, their log-probability, and the states after them (one row)."""

    log_prob: float
    ids: tuple[int, ...]
    state: tuple[State, tuple[Tree, ...]]  # of the scorer and of the processors


class _Entry(NamedTuple, Generic[State]):
    """A prefix in a heap; the number tells prefixes of one bound apart."""

    bound: float  # negative, for the highest comes first
    number: int
    prefix: _Prefix[State]


class _Frontier(Generic[State]):
    """Prefixes that may still be extended, by length, each with the most that an output of it can score.

    At most 2 · `room` are kept. floor: the highest bound of those that were dropped; it takes none below it.
    """

    def __init__(self, room: int) -> None:
        self._of_length: dict[int, list[_Entry[State]]] = {}
        self._numbers = count()
        self._room, self._size, self.floor = room, 0, -inf

    def add(self, bound: float, prefix: _Prefix[State]) -> None:
        heap = self._of_length.setdefault(len(prefix.ids), [])
        heappush(heap, _Entry(-bound, next(self._numbers), prefix))
        self._size += 1
        if self._size > 2 * self._room:
            every = sorted(entry for heap in self._of_length.values() for entry in heap)
            self.floor, self._size, self._of_length = -every[self._room].bound, self._room, {}
            for entry in every[: self._room]:  # sorted, so that each list is a heap
                self._of_length.setdefault(len(entry.prefix.ids), []).append(entry)

    def _best(self) -> list[_Entry[State]]:
        """Return the heap that holds the highest bound, [] if there is none."""
        return min(filter(None, self._of_length.values()), default=[])

    def holds(self, above: float) -> bool:
        """Say whether an output of some prefix, kept or dropped, may score above."""
        heap = self._best()
        return max(self.floor, -heap[0].bound if heap else -inf) > above

    def take(self, above: float, most: int) -> list[_Prefix[State]]:
        """Remove and return the prefix of the highest bound, and the next best of its length."""
        heap, taken = self._best(), list[_Prefix[State]]()
        while heap and len(taken) < most and -heap[0].bound > above:
            taken.append(heappop(heap).prefix)
        self._size -= len(taken)
        return taken


@torch.inference_mode()
def exact_search(
    scorer: StepScorer[Source, Memory, State],
    source: Source,
    limit: int,
    settings: SearchSettings,
    *,
    above: float = -inf,
    most: int = 100_000,
) -> Found:
    """Return the output of the highest score for one sentence, if there is one above a known score.

    limit: the longest output, </s> included. above: such as the score that a beam search found; the better,
    the faster. most: the prefixes that are extended before the search is cut. The beam and the terms of the
    settings do not count.
    A log-probability can only fall, so a prefix bounds the score of every output of it: its own
    log-probability with the penalty at the limit. What cannot be above the best so far is left out
    (Stahlberg & Byrne 2019, who go through it depth first; here the best bound comes first, so that no
    prefix is extended without need).
    """
    memory, first = scorer.start(source)
    device = next(tensors(first)).device
    limits = torch.tensor([limit], device=device)
    process = Processors((*settings.processors, LengthLimit(settings.eos)))
    frontier, best, steps = _Frontier[State](most), None, 0
    frontier.add(0.0, _Prefix(0.0, (), (first, process.start(limits))))
    while chosen := frontier.take(above, min(ROWS, most - steps)):
        steps += len(chosen)
        ids = torch.tensor([each.ids for each in chosen], dtype=torch.long, device=device)  # (N, t)
        before = ids[:, -1] if ids.shape[1] else torch.full((1,), settings.bos, device=device)
        state, rules = join_rows([each.state for each in chosen])
        step = scorer.step(before, memory, state)
        log_probs, rules = process(step.log_probs, ids, rules)
        if log_probs.isnan().any():
            raise Diverged.giving_no("translation")
        log_probs += log_probs.new_tensor([each.log_prob for each in chosen]).unsqueeze(1)
        length = ids.shape[1] + 1

        ends = settings.penalty(log_probs[:, settings.eos], torch.full_like(before, length))
        row = int(ends.argmax())
        if float(ends[row]) > above:
            above, log_prob = float(ends[row]), float(log_probs[row, settings.eos])
            best = Hypothesis(list(chosen[row].ids), above, log_prob)

        log_probs[:, settings.eos] = -inf
        bounds = settings.penalty(log_probs, limits.expand_as(log_probs))
        for row, prefix in enumerate(chosen):
            after = select_rows((step.state, rules), torch.tensor([row], device=device))
            for token in (bounds[row] > max(above, frontier.floor)).nonzero().flatten().tolist():
                longer = _Prefix(float(log_probs[row, token]), (*prefix.ids, token), after)
                frontier.add(float(bounds[row, token]), longer)
    return Found(best, steps, proved=not frontier.holds(above))
