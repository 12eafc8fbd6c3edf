"""Several processes that train one model: the only file that knows ranks.

torchrun runs the same command in each of them. Every process holds the whole model, computes its rows of
each batch and makes the same update from the same sum of gradients; the first alone validates and writes.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, distributed, nn

from nmt.errors import UserError

Outcome = TypeVar("Outcome")

START = timedelta(minutes=2)  # for the last of the processes to come
WAIT = timedelta(days=1)  # while the first prepares, validates or saves; one that is gone is noticed at once
BUCKET = 25 << 20  # bytes of gradients that are summed at a time


class Processes(Protocol):
    """What a trainer asks of the processes of its run, itself one of them. All of them ask the same."""

    size: int
    is_main: bool  # of all, the one that writes
    rows: slice  # of every batch, those that this process computes; lengths rise within a batch

    def device(self, chosen: torch.device) -> torch.device:
        """Return the device of this process, of the kind that was chosen for all."""

    def reseed(self) -> None:
        """Let torch draw other numbers in every process; what was drawn before was the same in all."""

    def add_up(self, sums: Tensor, parameters: Iterable[nn.Parameter] = ()) -> None:
        """Put the sum over all processes in the place of `sums` and of each gradient."""

    def gather(self, part: Tensor) -> Tensor:
        """Return the parts of all processes one after the other; part (n,), on the CPU."""

    def own(self, parts: Tensor) -> Tensor:
        """Return the part of this process of what `gather` returned."""

    def on_main(self, work: Callable[[], Outcome]) -> Outcome:
        """Let the first process do the work, and return its outcome, or raise its UserError, in all."""

    def after_main(self, work: Callable[[], Outcome]) -> Outcome:
        """Do the work in every process, once the first has done it."""


class SingleProcess:
    """One process, which has nobody to ask."""

    size: int = 1
    is_main: bool = True
    rows: slice = slice(None)

    def device(self, chosen: torch.device) -> torch.device:
        return chosen

    def reseed(self) -> None:
        pass

    def add_up(self, sums: Tensor, parameters: Iterable[nn.Parameter] = ()) -> None:
        pass

    def gather(self, part: Tensor) -> Tensor:
        return part

    def own(self, parts: Tensor) -> Tensor:
        return parts

    def on_main(self, work: Callable[[], Outcome]) -> Outcome:
        return work()

    def after_main(self, work: Callable[[], Outcome]) -> Outcome:
        return work()


SINGLE = SingleProcess()


class Group:
    """Processes that speak through torch.distributed: gloo between CPUs, NCCL between GPUs.

    Where one of them has to wait for another, and that is gone, it is a UserError.
    """

    def __init__(self, rank: int, size: int) -> None:
        self.size, self.is_main, self.rows = size, rank == 0, slice(rank, None, size)
        self._rank = rank

    def device(self, chosen: torch.device) -> torch.device:
        """Return the GPU of this process where GPUs were chosen: that of its number on its machine."""
        if chosen.type != "cuda":
            return chosen
        if chosen.index is not None:
            raise UserError(
                f"training.device is {chosen}, and {self.size} processes (WORLD_SIZE) need a GPU each; "
                "take cuda, and each has its own"
            )
        local, there = _number("LOCAL_RANK", str(self._rank)), torch.cuda.device_count()
        for number, count in self.gather(torch.tensor([local, there])).view(-1, 2).tolist():
            if number >= count:
                raise UserError(
                    f"wrong world size: the process of LOCAL_RANK {number} needs a GPU of its own, and its "
                    f"machine has {count}; start torchrun with --nproc-per-node {count}, or take "
                    "training.device: cpu"
                )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
        return device

    def reseed(self) -> None:
        torch.manual_seed(torch.initial_seed() + self._rank)

    def add_up(self, sums: Tensor, parameters: Iterable[nn.Parameter] = ()) -> None:
        """Put the sum over all processes in the place of `sums` and of each gradient, 0 where there is none.

        The bits of the sums are the same in all processes.
        """
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
        """Let the first process do the work, and return its outcome, or raise its UserError, in all.

        The outcome is pickled on its way.
        """
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
    """Give the processes that torchrun's variables name, SINGLE where there are none or one.

    What stops a run is told once: a UserError that leaves here has its message in the first process that
    had one, and none in the others. Raises UserError where the variables do not fit, or not all of the
    processes come.
    """
    if "WORLD_SIZE" not in os.environ:
        yield SINGLE
        return
    size, rank = _number("WORLD_SIZE"), _number("RANK")
    if rank >= size:
        raise UserError(
            f"wrong world size: RANK is {rank} and WORLD_SIZE is {size}; "
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
    # Not after an exception: it may wait for what another process was to do.
    distributed.destroy_process_group()


def _join(rank: int, size: int) -> Any:
    """Meet the other processes; return torch's store, where all of them read and write."""
    from torch.distributed.rendezvous import rendezvous  # not in every build of torch

    place = f"{os.environ.get('MASTER_ADDR')}:{_number('MASTER_PORT')}"
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store, _, _ = next(rendezvous("env://", rank, size, timeout=START))
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=WAIT)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"wrong world size: not all of {size} processes (WORLD_SIZE) met at {place} (MASTER_ADDR and "
            f"MASTER_PORT) in {START.seconds} s; start them with torchrun ({_reason(error)})"
        ) from error
    return store


def _number(variable: str, default: str | None = None) -> int:
    found = os.environ.get(variable, default)
    if found is None or not found.isdecimal():
        raise UserError(
            f"wrong world size: the environment variable {variable} should be a whole number, found "
            f"{'nothing' if found is None else repr(found)}; start the processes with torchrun, which sets it"
        )
    return int(found)


def _first_to_tell(store: Any) -> bool:
    try:
        return bool(store.add("nmt/told", 1) == 1)
    except RuntimeError:  # the process that held the store is gone, and told why
        return False


@contextmanager
def _reaching_the_others() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            "another process of this run has ended or cannot be reached; the same command goes on from the "
            f"last checkpoint ({_reason(error)})"
        ) from error


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _buckets(tensors: list[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors of one kind of number together, BUCKET bytes at a time; a larger one is alone."""
    bucket: list[Tensor] = []
    for tensor in sorted(tensors, key=lambda tensor: str(tensor.dtype)):
        fits = sum(t.nbytes for t in bucket) + tensor.nbytes <= BUCKET
        if bucket and not (fits and bucket[0].dtype == tensor.dtype):
            yield bucket
            bucket = []
        bucket.append(tensor)
    yield bucket
