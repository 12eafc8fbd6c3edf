"""A batch that does not fit is computed in pieces, with the same sums, and the run goes on."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nmt.data.batches import Batch, collate
from nmt.data.encoded import EncodedSplit
from nmt.errors import UserError
from nmt.training.splitting import Splitting, out_of_memory, positions

CPU = torch.device("cpu")
SPLIT = EncodedSplit.of([[4] * (i % 9 + 1) for i in range(32)], [[4] * (i % 4 + 1) for i in range(32)])
FAILURES: list[Exception] = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: not enough memory: you tried to …"),
    RuntimeError("could not create a primitive"),
]


class Machine:
    """A model's gradients on a machine that holds so many positions at a time."""

    def __init__(self, room: int, *, dropout: float = 0.0, count: int = 1, failure: Exception | None = None):
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(2, 6), nn.Dropout(dropout), nn.Linear(6, 1)).double()
        self.room, self.failure = room, failure or MemoryError()
        self.tried: list[int] = []
        self.said: list[str] = []
        self.splitting = Splitting(count, CPU, undo=self.forget, log=self.said.append)

    def forget(self) -> None:
        self.model.zero_grad(set_to_none=True)

    def compute(self, piece: Batch) -> Tensor:
        self.tried.append(len(piece))
        x = torch.stack([piece.src_len, piece.trg_len], dim=1).double()  # (B, 2)
        loss = (self.model(x) ** 2).sum()
        if positions(piece) > self.room:
            # Half of a backward pass was through already.
            loss.backward()
            raise self.failure
        loss.backward()
        return torch.stack([loss.detach(), torch.tensor(len(piece), dtype=torch.float64)])

    def run(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The sums and all gradients of one batch."""
        torch.manual_seed(2)
        self.forget()
        sums = self.splitting.sum(self.compute, batch)
        return sums, torch.cat([p.grad.flatten() for p in self.model.parameters() if p.grad is not None])


def batch_of(rows: int) -> Batch:
    return collate(SPLIT, np.arange(rows))


@pytest.mark.parametrize("failure", FAILURES, ids=repr)
@pytest.mark.parametrize("room", [300, 130, 60, 15])
def test_pieces_add_up_to_what_would_not_fit(room: int, failure: Exception) -> None:
    whole, small = Machine(10**9), Machine(room, failure=failure)
    for ours, expected in zip(small.run(batch_of(32)), whole.run(batch_of(32)), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    assert whole.tried == [32]
    assert small.tried[0] == 32
    assert whole.said == []


def test_a_piece_that_failed_after_others_had_fitted_leaves_nothing_behind() -> None:
    # The first half, of shorter rows, fits; the second does not.
    split = EncodedSplit.of([[4]] * 4 + [[4] * 9] * 4, [[4]] * 8)
    batch, small, whole = collate(split, np.arange(8)), Machine(40), Machine(10**9)
    for ours, expected in zip(small.run(batch), whole.run(batch), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-12)
    assert small.tried == [8, 4, 4, 2, 2, 2, 2]


def test_the_same_pieces_give_the_same_bits_whether_it_was_known_or_tried() -> None:
    machine = Machine(130, dropout=0.5)
    tried = machine.run(batch_of(32))
    count = len(machine.tried)
    known = machine.run(batch_of(32))
    assert machine.tried[count:] == [8, 8, 8, 8]
    assert all(torch.equal(a, b) for a, b in zip(tried, known, strict=True))


def test_each_size_is_tried_and_told_once() -> None:
    machine = Machine(130)
    for rows in (32, 32, 31, 4, 32):
        machine.run(batch_of(rows))
    assert len(machine.said) == 2
    assert "out of memory with 32 pairs of up to 10 source and 5 target tokens" in machine.said[0]
    assert "out of memory with 16 pairs" in machine.said[1]
    assert machine.tried.count(32) == 1


def test_what_fits_is_computed_in_as_many_pieces_as_asked_for() -> None:
    machine = Machine(10**9, count=3)
    machine.run(batch_of(32))
    assert machine.tried == [11, 11, 10]


def test_a_single_pair_that_does_not_fit_is_one_clear_line() -> None:
    machine = Machine(12)
    with pytest.raises(UserError) as caught:
        machine.run(batch_of(32))
    (line,) = str(caught.value).splitlines()
    assert "a single pair of 9 source and 5 target tokens does not fit" in line
    assert "data.filters.max_length" in line
    assert line.endswith("(MemoryError)")


def test_a_single_pair_is_tried_however_large() -> None:
    machine = Machine(14)
    machine.run(batch_of(32))
    assert machine.said
    machine.room = 100
    sums, _ = machine.run(collate(EncodedSplit.of([[4] * 40], [[4] * 40]), np.arange(1)))
    assert sums[1] == 1


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(RuntimeError, match="expected 2"):
        Machine(20, failure=RuntimeError("shapes: expected 2")).run(batch_of(32))


@pytest.mark.parametrize(
    "allocate",
    [lambda: torch.empty(2**55), lambda: np.empty(2**55), lambda: bytearray(2**60)],
    ids=["torch", "numpy", "python"],
)
def test_what_allocators_really_raise_is_known(allocate: Callable[[], object]) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        allocate()
    assert out_of_memory(caught.value)
