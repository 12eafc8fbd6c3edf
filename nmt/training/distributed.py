"""Several processes that train one model: the only file that knows ranks.

Every process runs the same command, holds the whole model, computes its rows of each batch and makes the
same update from the same sum of gradients. Only the main process validates and writes.
"""

import atexit
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from nmt.errors import UserError

Outcome = TypeVar("Outcome")

START = timedelta(minutes=2)  # for all processes to start
WAIT = timedelta(days=1)  # while the main process prepares, validates or saves; a lost one is noticed at once
BUCKET = 25 << 20  # bytes of gradients that are summed at a time


class Processes:
    """The processes of a run, as seen by one of them: here the only one.

    All must make the same calls in the same order.
    """

    size: int = 1
    is_main: bool = True  # whether this process validates and writes
    rows: slice = slice(None)  # the rows of every batch for this process; a batch is sorted by length

    def device(self, chosen: torch.device) -> torch.device:
        """Return the device of this process, of the chosen kind."""
        return chosen

    def reseed(self) -> None:
        """Give every process its own random numbers; until now they were the same in all."""

    def add_up(self, sums: Tensor, parameters: Iterable[nn.Parameter] = ()) -> None:
        """Replace `sums` and each gradient by its sum over all processes; a missing gradient becomes 0.

        The sums are bit for bit equal in all processes.
        """

    def gather(self, part: Tensor) -> Tensor:
        """Return the concatenated parts of all processes; part (n,), on the CPU."""
        return part

    def own(self, parts: Tensor) -> Tensor:
        """Return this process's part of what `gather` returned."""
        return parts

    def on_main(self, work: Callable[[], Outcome]) -> Outcome:
        """Do the work in the main process and return its outcome, or raise its UserError, in all.

        The outcome must be picklable.
        """
        return work()

    def after_main(self, work: Callable[[], Outcome]) -> Outcome:
        """Do the work in the main process, then in all others."""
        return work()


SINGLE = Processes()


class Group(Processes):
    """Processes connected by torch.distributed: gloo between CPUs, NCCL between GPUs.

    Raises UserError if another process that it waits for has ended.
    """

    def __init__(self, rank: int, size: int) -> None:
        self.size, self.is_main, self.rows = size, rank == 0, slice(rank, None, size)
        self._rank = rank

    def device(self, chosen: torch.device) -> torch.device:
        """Return the device; with GPUs, the one with this process's local rank."""
        if chosen.type != "cuda":
            return chosen
        if chosen.index is not None:
            raise UserError(
                f"training.device is {chosen}, but {self.size} processes (WORLD_SIZE) need a GPU each; "
                "set training.device: cuda, which gives each its own"
            )
        local, there = _number("LOCAL_RANK", str(self._rank)), torch.cuda.device_count()
        for number, count in self.gather(torch.tensor([local, there])).view(-1, 2).tolist():
            if number >= count:
                raise UserError(
                    f"wrong number of processes: LOCAL_RANK {number} needs its own GPU, and its machine "
                    f"has {count}; start torchrun with --nproc-per-node {count}, or set training.device: cpu"
                )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
        return device

    def reseed(self) -> None:
        torch.manual_seed(torch.initial_seed() + self._rank)

    def add_up(self, sums: Tensor, parameters: Iterable[nn.Parameter] = ()) -> None:
        tensors = [sums]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            tensors.append(parameter.grad)
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.flatten() for tensor in bucket])
            with _reaching_the_others():
                distributed.all_reduce(flat)
            parts = flat.split([tensor.numel() for tensor in bucket])
            torch._foreach_copy_(bucket, [p.view_as(t) for p, t in zip(parts, bucket, strict=True)])

    def gather(self, part: Tensor) -> Tensor:
        parts = [torch.empty_like(part) for _ in range(self.size)]
        with _reaching_the_others():
            distributed.all_gather(parts, part)
        return torch.cat(parts)

    def own(self, parts: Tensor) -> Tensor:
        return parts.chunk(self.size)[self._rank].clone()

    def on_main(self, work: Callable[[], Outcome]) -> Outcome:
        outcome: list[Any] = [None]
        if self.is_main:
            try:
                outcome = [work()]
            except UserError as error:
                outcome = [error]
        with _reaching_the_others():
            distributed.broadcast_object_list(outcome, src=0, device=torch.device("cpu"))
        if isinstance(outcome[0], UserError):
            raise outcome[0]
        return outcome[0]  # type: ignore[no-any-return]

    def after_main(self, work: Callable[[], Outcome]) -> Outcome:
        done: list[Outcome] = []
        self.on_main(lambda: done.append(work()))
        return done[0] if self.is_main else work()


@contextmanager
def joined() -> Iterator[Processes]:
    """Yield the processes that torchrun's variables describe, or SINGLE if there is only one.

    An error is reported once: the first process that raises a UserError keeps its message, the others raise
    it without one. Raises UserError if the variables are wrong or not all processes start.
    """
    if "WORLD_SIZE" not in os.environ:
        yield SINGLE
        return
    size, rank = _number("WORLD_SIZE"), _number("RANK")
    if rank >= size:
        raise UserError(
            f"wrong number of processes: RANK is {rank} and WORLD_SIZE is {size}; "
            "start the processes with torchrun, which numbers them from 0"
        )
    if size == 1:
        yield SINGLE
        return
    store = _join(rank, size)
    try:
        yield Group(rank, size)
    except UserError as error:
        raise (error if _first_to_tell(store) else UserError()) from None
    # Not after an exception: between GPUs it may wait for another process. See _end_threads.
    distributed.destroy_process_group()


def _join(rank: int, size: int) -> Any:
    """Join the process group; return torch's store, which all processes share."""
    import torch.distributed.nn  # later, its functions would keep the group as a default argument
    from torch.distributed.rendezvous import rendezvous  # not in every build of torch

    place = f"{os.environ.get('MASTER_ADDR')}:{_number('MASTER_PORT')}"
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store, _, _ = next(rendezvous("env://", rank, size, timeout=START))
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=WAIT)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"wrong number of processes: not all of {size} (WORLD_SIZE) reached {place} (MASTER_ADDR and "
            f"MASTER_PORT) in {START.seconds} s; start them with torchrun ({_reason(error)})"
        ) from error
    atexit.register(_end_threads)
    return store


def _end_threads() -> None:
    """Join the threads of gloo before Python ends: one that frees a tensor later aborts the process."""
    if distributed.is_initialized() and distributed.get_backend() == "gloo":
        distributed.destroy_process_group()


def _number(variable: str, default: str | None = None) -> int:
    found = os.environ.get(variable, default)
    if found is None or not found.isdecimal():
        raise UserError(
            f"wrong number of processes: the variable {variable} should be a whole number, found "
            f"{'nothing' if found is None else repr(found)}; start the processes with torchrun, which sets it"
        )
    return int(found)


def _first_to_tell(store: Any) -> bool:
    try:
        return bool(store.add("nmt/told", 1) == 1)
    except RuntimeError:  # the process with the store has ended, and said why
        return False


@contextmanager
def _reaching_the_others() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            "another process of this run has ended or cannot be reached; run the same command again to "
            f"continue from the last checkpoint ({_reason(error)})"
        ) from error


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _buckets(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    """Yield groups of tensors of one dtype, at most BUCKET bytes each; a larger tensor is alone."""
    bucket: list[Tensor] = []
    for tensor in sorted(tensors, key=lambda tensor: str(tensor.dtype)):
        fits = sum(t.nbytes for t in bucket) + tensor.nbytes <= BUCKET
        if bucket and not (fits and bucket[0].dtype == tensor.dtype):
            yield bucket
            bucket = []
        bucket.append(tensor)
    yield bucket
