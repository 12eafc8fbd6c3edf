"""Batches of similar length under a token budget, in an order that can be resumed.

Legend: B sentences, Tx and Ty lengths including </s>.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.data.encoded import EncodedSplit, Ids, Lengths
from nmt.data.mixture import Mixture
from nmt.data.prefetch import map_ahead
from nmt.tokenization.vocabulary import BOS, EOS, PAD


class StreamState:
    """The recurrent states of R parallel streams of one long text, from one BPTT window to the next.

    A window may be computed in parts, and again: its initial states stay until the next window's turn.
    """

    def __init__(self, rows: int, states: Tensor | None = None) -> None:
        self._rows, self._entering = rows, states
        self.states = states  # (R, W) after the current window; None: nothing was read

    def turn(self) -> None:
        """Start the next window with the states after the current one."""
        self._entering, self.states = self.states, None

    def enter(self, rows: Tensor) -> Tensor | None:
        """Return the initial states (B, W) of these rows (B,); None at the beginning of the text."""
        if self._entering is None:
            return None
        # Replace NaN and infinity, so that one overflow does not spoil all later windows.
        return self._entering.to(rows.device)[rows].nan_to_num(0.0, 0.0, 0.0)

    def leave(self, rows: Tensor, states: Tensor) -> None:
        """Store the states (B, W) of these rows (B,) after the window."""
        if self.states is None:
            self.states = states.new_zeros(self._rows, states.shape[1])
        self.states[rows] = states.detach()


@dataclass(frozen=True, slots=True)
class Batch:
    """Sentence pairs of one update, padded on the right; every tensor is int64."""

    src: Tensor  # (B, Tx) source + EOS
    src_len: Tensor  # (B,) EOS counted
    trg_in: Tensor  # (B, Ty) BOS + target
    trg_out: Tensor  # (B, Ty) target + EOS
    trg_len: Tensor  # (B,) EOS counted
    indices: Tensor  # (B,) numbers of the examples in the split, or of the streams of one long text
    recurrent: StreamState | None = None  # states before this batch; None: every row starts here

    def __len__(self) -> int:
        return len(self.src)

    @property
    def trg_mask(self) -> Tensor:
        """True where trg_out is a real token; (B, Ty)."""
        return self.trg_out != PAD

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on a device; the host does not wait for the copy to a GPU."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self)}
        del tensors["recurrent"]
        if torch.device(device).type == "cuda" and self.src.is_cpu:
            # Only copies from pinned memory are asynchronous.
            tensors = {name: tensor.contiguous().pin_memory() for name, tensor in tensors.items()}
        return replace(
            self, **{name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}
        )

    def micro_batches(self, count: int) -> list[Self]:
        """Return at most `count` micro-batches of equal size, each padded only as far as needed."""
        size = -(-len(self) // count)
        return [self._rows(slice(start, start + size)) for start in range(0, len(self), size)]

    def _rows(self, rows: slice) -> Self:
        src_len, trg_len = self.src_len[rows], self.trg_len[rows]
        tx, ty = int(src_len.max()), int(trg_len.max())
        return type(self)(
            src=self.src[rows, :tx],
            src_len=src_len,
            trg_in=self.trg_in[rows, :ty],
            trg_out=self.trg_out[rows, :ty],
            trg_len=trg_len,
            indices=self.indices[rows],
            recurrent=self.recurrent,
        )


def pad(rows: Sequence[Ids | Sequence[int]], *, first: int | None = None, last: int | None = None) -> Tensor:
    """Return rows of ids as one int64 tensor (B, longest), padded right; first and last enclose each row."""
    head = [] if first is None else [first]
    tail = [] if last is None else [last]
    full = [np.concatenate((head, row, tail)) for row in rows]
    if not full:
        return torch.empty((0, 0), dtype=torch.int64)
    lengths = np.array([len(row) for row in full])
    padded = np.full((len(rows), lengths.max()), PAD, np.int64)
    padded[np.arange(lengths.max()) < lengths[:, None]] = np.concatenate(full)
    return torch.from_numpy(padded)


def collate(split: EncodedSplit, indices: NDArray[np.integer], epoch: int = 0) -> Batch:
    """Return the batch of these examples of the split, in this order."""
    src, trg = split.rows(indices, epoch)
    return Batch(
        src=pad(src, last=EOS),
        src_len=torch.tensor([len(row) + 1 for row in src], dtype=torch.int64),
        trg_in=pad(trg, first=BOS),
        trg_out=pad(trg, last=EOS),
        trg_len=torch.tensor([len(row) + 1 for row in trg], dtype=torch.int64),
        indices=torch.from_numpy(indices.astype(np.int64)),
    )


class Plan(NamedTuple):
    """The examples of each batch: batch i holds rows[starts[i] : starts[i + 1]]."""

    rows: NDArray[np.intp]
    starts: NDArray[np.int64]
    padding_share: float  # fraction of positions that are padding, both sides together

    def __len__(self) -> int:
        return len(self.starts) - 1

    def batch(self, number: int) -> NDArray[np.intp]:
        """Return the examples of one batch."""
        return self.rows[self.starts[number] : self.starts[number + 1]]


def plan(
    src_lengths: Lengths,
    trg_lengths: Lengths,
    tokens_per_batch: int,
    rng: np.random.Generator | None = None,
) -> Plan:
    """Sort examples by length and cut them into batches of at most tokens_per_batch positions a side.

    Lengths come without EOS, which is added here. A pair longer than the budget is a batch of its own. With
    rng, examples with an equal longer side are shuffled (JITTER), so that each epoch has other batches; these
    are still in order of length. Without it, the plan depends on the lengths only.
    """
    longer = np.maximum(src_lengths, trg_lengths) + 1
    rows = _by_length(longer, src_lengths - trg_lengths, rng)
    starts = _cut(longer[rows], tokens_per_batch)
    return Plan(rows, starts, _padding_share(src_lengths[rows], trg_lengths[rows], starts))


# Noise, in tokens, on the difference of the two sides when examples with an equal longer side are sorted.
# With 0 an example of Multi30k (2048 tokens per batch) meets all its neighbours again in every epoch and
# padding is 2.8 %; with 2 it meets 17 % of them and padding is 5.0 %.
JITTER = 2.0


def _by_length(longer: Lengths, difference: Lengths, rng: np.random.Generator | None) -> NDArray[np.intp]:
    """Return the order by the longer side, then by the noisy difference of the sides, then by number."""
    # One integer key (20 bits, 24 bits, 20 bits of noise) takes half the time of a lexsort.
    second = difference.astype(np.float64)
    if rng is not None:
        second += rng.uniform(-JITTER, JITTER, len(second))
    key = (longer.astype(np.int64) << 44) + (second * (1 << 20)).astype(np.int64)
    return np.argsort(key, kind="stable")


def _cut(longer: Lengths, tokens_per_batch: int) -> NDArray[np.int64]:
    """Return the limits of batches when each takes as many examples as its budget allows.

    longer must not decrease, so the last example of a batch is as wide as the batch.
    """
    starts = [0]
    while (start := starts[-1]) < len(longer):
        window = longer[start : start + tokens_per_batch // int(longer[start])].astype(np.int64)
        positions = window * np.arange(1, len(window) + 1)
        fit = int(np.searchsorted(positions, tokens_per_batch, side="right"))
        starts.append(start + max(1, fit))
    return np.array(starts, np.int64)


def _padding_share(src: Lengths, trg: Lengths, starts: NDArray[np.int64]) -> float:
    if not len(src):
        return 0.0
    computed = int(_positions(src, trg, starts).sum())
    real = int(src.sum(dtype=np.int64) + trg.sum(dtype=np.int64)) + 2 * len(src)
    return 1 - real / computed


def _positions(src: Lengths, trg: Lengths, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of positions of every batch, both sides and padding included."""
    widths = np.maximum.reduceat(src, starts[:-1]) + np.maximum.reduceat(trg, starts[:-1]) + 2
    positions: NDArray[np.int64] = np.diff(starts) * widths
    return positions


ALL = slice(None)


class TrainingBatches(ABC):
    """Endless training batches that can be resumed.

    state() and recurrent_state() describe the next batch; after load_state() the same batches follow.
    epoch: number of complete passes over the data. position: number of batches given in this epoch.
    """

    epoch: int
    position: int

    @property
    @abstractmethod
    def per_epoch(self) -> int:
        """Number of batches of this epoch."""

    @property
    def padding_share(self) -> float:
        """Fraction of positions of this epoch that are padding, both sides together."""
        return 0.0

    def state(self) -> dict[str, int]:
        """Return the epoch of the next batch and its position in that epoch."""
        return {"epoch": self.epoch, "position": self.position}

    def recurrent_state(self) -> dict[str, Tensor]:
        """Return the recurrent states before the next batch, by name; empty except for one long text."""
        return {}

    def load_state(
        self, state: dict[str, int], recurrent: Mapping[str, Tensor] = MappingProxyType({})
    ) -> None:
        """Continue from a saved position; raises ValueError if the epoch has no such position."""
        self._begin(state["epoch"])
        if not 0 <= state["position"] < self.per_epoch:
            raise ValueError(f"position {state['position']} in an epoch of {self.per_epoch} batches")
        self._go_to(state["position"], recurrent)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        batch = self._next()
        self.position += 1
        if self.position == self.per_epoch:
            self._begin(self.epoch + 1)
        return batch

    @abstractmethod
    def close(self) -> None:
        """End the thread that prepares batches, if there is one; the next batch starts a new one."""

    @abstractmethod
    def largest(self) -> list[Batch]:
        """Return the largest batches of this epoch without changing the position."""

    @abstractmethod
    def typical(self, count: int) -> list[Batch]:
        """Return at most `count` typical batches of this epoch without changing the position."""

    @abstractmethod
    def _next(self) -> Batch:
        """Return the batch at this position."""

    @abstractmethod
    def _begin(self, epoch: int) -> None:
        """Go to the first batch of an epoch."""

    @abstractmethod
    def _go_to(self, position: int, recurrent: Mapping[str, Tensor]) -> None:
        """Go to a batch of this epoch, with the recurrent states before it."""


class Batches(TrainingBatches):
    """Batches of pairs, each epoch in a random order that follows from (seed, epoch).

    A thread prepares up to `ahead` batches of an epoch; with 0 there is no thread. rows: the part of every
    batch for this process, possibly empty. mixture: which pairs an epoch reads, None for each of them once.
    """

    def __init__(
        self,
        split: EncodedSplit,
        tokens_per_batch: int,
        *,
        seed: int,
        ahead: int = 0,
        rows: slice = ALL,
        mixture: Mixture | None = None,
    ) -> None:
        if not len(split):
            raise ValueError("a split without pairs makes no batches")
        self._split, self._mixture = split, mixture
        self._tokens_per_batch = tokens_per_batch
        self._seed = seed
        self._ahead = ahead
        self._part = rows
        self._begin(0)

    @property
    def per_epoch(self) -> int:
        return len(self._plan)

    @property
    def padding_share(self) -> float:
        return self._plan.padding_share

    def _next(self) -> Batch:
        return next(self._coming)

    def close(self) -> None:
        self._go_to(self.position)

    def largest(self) -> list[Batch]:
        """The batch of this epoch with the most positions and the one with the longest pairs, often one."""
        src, trg = (lengths[self._plan.rows] for lengths in self._split.lengths(self.epoch))
        most = int(_positions(src, trg, self._plan.starts).argmax())
        return [self._make(number) for number in sorted({most, self.per_epoch - 1})]

    def typical(self, count: int) -> list[Batch]:
        """Return at most `count` batches, evenly spread over the lengths."""
        numbers = {self.per_epoch * (2 * i + 1) // (2 * count) for i in range(count)}
        return [self._make(number) for number in sorted(numbers)]

    def _make(self, number: int) -> Batch:
        return collate(self._split, self._plan.batch(number)[self._part], self.epoch)

    def _begin(self, epoch: int) -> None:
        rng = np.random.default_rng((self._seed, epoch))
        src, trg = self._split.lengths(epoch)
        if self._mixture is None:
            self._plan = plan(src, trg, self._tokens_per_batch, rng)
        else:
            chosen = self._mixture.rows(epoch)
            planned = plan(src[chosen], trg[chosen], self._tokens_per_batch, rng)
            self._plan = Plan(chosen[planned.rows], planned.starts, planned.padding_share)
        self._order = rng.permutation(self.per_epoch)
        self.epoch = epoch
        self._go_to(0)

    def _go_to(self, position: int, recurrent: Mapping[str, Tensor] = MappingProxyType({})) -> None:
        self.position = position
        batches, part = self._plan, self._part
        rows = (batches.batch(number)[part] for number in self._order[position:])
        # Drop earlier batches and their thread.
        self._coming = map_ahead(partial(collate, self._split, epoch=self.epoch), rows, ahead=self._ahead)


def ordered_batches(split: EncodedSplit, tokens_per_batch: int) -> Iterator[Batch]:
    """Yield every example once, sorted by length; Batch.indices restores the order."""
    batches = plan(*split.lengths(), tokens_per_batch)
    for number in range(len(batches)):
        yield collate(split, batches.batch(number))
