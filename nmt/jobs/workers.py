"""Work in other processes: jobs spread over several, or one function in a subprocess."""

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import Pipe, get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from os import _exit
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from nmt.errors import UserError

Job = TypeVar("Job")
Result = TypeVar("Result")

AHEAD = 2  # jobs per process that are running or wait for their turn


@contextmanager
def in_order(
    make: Callable[[], Callable[[Job], Result]], workers: int
) -> Iterator[Callable[[Iterable[Job]], Iterator[Result]]]:
    """Yield a `map` of the function that `make` returns, computed in `workers` processes; 1 is this process.

    Results come in the order of the jobs; at most 2 jobs per process are taken ahead. A UserError of the
    jobs' iterator or of the function, or the death of a process, is raised after the results before it; one
    of `make` is raised on entry. `make`, jobs and results must be picklable. All processes end on exit.
    """
    if workers == 1:
        yield partial(map, make())
        return
    pool: list[_Worker[Job, Result]] = []
    try:
        try:
            _start(pool, make, workers, _DIED)
        except OSError as error:
            found = f"the system starts only {len(pool)} ({error.strerror})"
            raise UserError(f"--workers {workers}: {found}; use fewer") from error
        for worker in pool:
            if isinstance(made := worker.receive(), UserError):
                raise made
        yield partial(_spread, pool)
    finally:
        for worker in pool:
            worker.process.kill()
        for worker in pool:
            worker.process.join()


def in_subprocess(make: Callable[[], Result], *, what: str) -> Result:
    """Return the result of `make`, computed in a subprocess, whose memory is freed with it.

    what: name of the process in messages. Raises the UserError of `make`, or one if the process dies. `make`
    and its result must be picklable. If this process is interrupted, `make` ends with a SystemExit.
    """
    pool: list[_Worker[None, Result]] = []
    if_it_dies = f"{what} ended {{}} before it was finished"
    try:
        _start(pool, partial(_Once, make), 1, if_it_dies)
        pool[0].receive()
        pool[0].send(None)
        answer = pool[0].receive()
    except OSError as error:
        raise UserError(f"{what} cannot be started ({error.strerror})") from error
    finally:
        for worker in pool:
            worker.process.terminate()
            worker.process.join()
    if isinstance(answer, UserError):
        raise answer
    return answer


class _Once(Generic[Result]):
    """A function for a worker that computes the result on its one job."""

    def __init__(self, make: Callable[[], Result]) -> None:
        self._make = make
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    def __call__(self, _: None) -> Result:
        return self._make()


class _Worker(Generic[Job, Result]):
    """A process that answers each job with its result or a UserError."""

    def __init__(self, make: Callable[[], Callable[[Job], Result]], if_it_dies: str) -> None:
        self.if_it_dies = if_it_dies
        self.connection, theirs = Pipe()
        with theirs:
            # spawn, because a fork of a process with threads (torch's) may hang.
            self.process: BaseProcess = get_context("spawn").Process(
                target=_serve, args=(make, theirs), daemon=True
            )
            self.process.start()

    def send(self, job: Job) -> None:
        """Send a job; the previous one must be answered. `receive` reports a dead process."""
        with suppress(OSError):
            self.connection.send(job)

    def receive(self) -> Result | UserError:
        """Wait for the answer; the first, None, means that the worker is ready."""
        try:
            answer: Result | UserError = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode or 0
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            # The system kills a process for lack of memory; other failures have printed their reason.
            why = "the system may be short of memory" if how == "by SIGKILL" else "see its output above"
            return UserError(f"{self.if_it_dies.format(how)}; {why}")
        return answer


_DIED = "a worker process ended {} before its work was finished; continue an --output with --resume"


@contextmanager
def _no_main_file() -> Iterator[None]:
    """Keep a new process from running this one's main file again.

    `spawn` runs it for definitions in it, which we do not need; a script without a `__main__` guard would
    start all its work again.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _start(
    pool: list[_Worker[Job, Result]],
    make: Callable[[], Callable[[Job], Result]],
    workers: int,
    if_one_dies: str,
) -> None:
    """Fill the pool with processes that ignore Ctrl-C, which a terminal sends to all."""
    # If started with the first worker, it would unblock the signal.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a new process inherits it
    try:
        with _no_main_file():
            while len(pool) < workers:
                pool.append(_Worker(make, if_one_dies))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _spread(pool: list[_Worker[Job, Result]], jobs: Iterable[Job]) -> Iterator[Result]:
    stream = _with_problem(jobs)
    free = list(pool)
    busy: dict[Any, tuple[_Worker[Job, Result], int]] = {}
    early: dict[int, Result | UserError] = {}  # by number: results before their turn
    taken = due = 0
    while True:
        while free and taken < due + AHEAD * len(pool) and (job := next(stream, None)) is not None:
            if isinstance(job, UserError):
                early[taken] = job
            else:
                worker = free.pop()
                worker.send(job)
                busy[worker.connection] = worker, taken
            taken += 1
        if due in early:
            result = early.pop(due)
            if isinstance(result, UserError):
                raise result
            yield result
            due += 1
        elif due == taken:
            return
        else:
            for connection in wait(busy):
                worker, number = busy.pop(connection)
                early[number] = worker.receive()
                free.append(worker)


def _with_problem(jobs: Iterable[Job]) -> Iterator[Job | UserError]:
    try:
        yield from jobs
    except UserError as problem:
        yield problem


def _serve(make: Callable[[], Callable[[Job], Result]], connection: "Connection[Any, Any]") -> None:
    """Run a worker: make the function, report that it is ready, and answer jobs until the parent is gone."""
    # Otherwise a block of long lines would run for minutes after the parent was killed.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        function = make()
        answer: Result | None = None
        while True:
            connection.send(answer)
            answer = function(connection.recv())
    except UserError as problem:
        connection.send(problem)
    except (EOFError, ConnectionError):
        pass
    except Exception as fault:
        *_, (frame, line) = traceback.walk_tb(fault.__traceback__)
        place = f"{Path(frame.f_code.co_filename).name}, line {line}"
        connection.send(UserError(f"unexpected {type(fault).__name__}: {fault} ({place}); please report it"))


def _end_with_parent() -> None:
    """End this process, even within a block, when its parent has ended."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    _exit(1)
