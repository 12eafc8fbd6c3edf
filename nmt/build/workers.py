"""Windows of lines → their translations as text, computed in this process or dealt to several."""

import ctypes
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import Pipe, get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from os import _exit
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from nmt.errors import UserError
from nmt.results import cores

# The process that deals the windows loads no torch.
if TYPE_CHECKING:
    from nmt.decoding.translator import Translation

Job = TypeVar("Job")
Result = TypeVar("Result")
Window = tuple[int, list[str]]  # the number of its first line, and the lines


class Drawing(NamedTuple):
    """How to draw: see `SamplingSettings`."""

    seed: int
    temperature: float
    top_k: int | None
    top_p: float


AHEAD = 2  # windows a process that are dealt or wait for their turn


def choose_workers(device: str) -> int:
    """Return how many processes translate a large job best: one a core on a CPU, one on CUDA."""
    if device != "cpu" and _has_cuda_driver():
        from nmt.build.hardware import choose_device

        if choose_device(device).type == "cuda":
            return 1
    return cores()


def load_window_translator(
    folder: Path,
    *others: Path,
    lm: Path | None,
    lm_weight: float | None,
    beam: int | None,
    n_best: int,
    alignments: bool,
    device: str,
    precision: str,
    threads: int,
    drawing: Drawing | None = None,
) -> Callable[[Window], str]:
    """Return what gives the text for a window of lines, with the models of runs in this process.

    A line's text is its translation; with n_best > 1 NUMBER ||| TEXT ||| SCORE, n_best times. alignments:
    ||| and the word links follow, on the best one's line. threads: CPU threads of this process. drawing:
    the translations are drawn, not searched; in float64 unless told otherwise, since a random number can
    fall next to the edge between two pieces.
    Raises UserError like `load_translator`.
    """
    import torch

    from nmt.build.translator import load_translator
    from nmt.evaluation.alignment import pharaoh

    torch.set_num_threads(threads)
    translator = load_translator(
        folder,
        *others,
        lm=lm,
        lm_weight=lm_weight,
        beam=beam,
        n_best=n_best,
        device=device,
        precision="float64" if drawing and precision == "auto" else precision,
    )

    def lines(number: int, translation: "Translation") -> Iterator[str]:
        links = f" ||| {pharaoh(translation.links())}" if alignments else ""
        if n_best == 1:
            yield translation.text + links
            return
        for rank, (text, score) in enumerate(translation.ranked):
            yield f"{number} ||| {text} ||| {score:.6f}{links if rank == 0 else ''}"

    def text(window: Window) -> str:
        if drawing:
            drawn = translator.draw(window[1], first=window[0], **drawing._asdict())
            return "".join(f"{each}\n" for each in drawn)
        found = enumerate(translator.translations(window[1], attention=alignments), window[0])
        return "".join(f"{line}\n" for number, each in found for line in lines(number, each))

    return text


@contextmanager
def in_order(
    make: Callable[[], Callable[[Job], Result]], workers: int
) -> Iterator[Callable[[Iterable[Job]], Iterator[Result]]]:
    """Give a `map` of the function that `make` makes, computed in so many processes; 1 is this one.

    The results come in the order of the jobs, whichever is ready first; at most 2 jobs a process are taken
    before their turn. A UserError, of the jobs' iterator or of the function, is raised when those before it
    have given their results; so is the death of a process. Where `make` itself raises one, it is raised on
    entry. On exit no process is left. `make`, jobs and results must be picklable.
    """
    if workers == 1:
        yield partial(map, make())
        return
    pool: list[_Worker[Job, Result]] = []
    try:
        _start(pool, make, workers)
        for worker in pool:
            if isinstance(made := worker.receive(), UserError):
                raise made
        yield partial(_deal, pool)
    finally:
        for worker in pool:
            worker.process.kill()
        for worker in pool:
            worker.process.join()


class _Worker(Generic[Job, Result]):
    """A process that answers each job with its result, or with the UserError that kept it from one."""

    def __init__(self, make: Callable[[], Callable[[Job], Result]]) -> None:
        self.connection, theirs = Pipe()
        with theirs:
            # A copy of a process with threads (torch's) may hang: a fresh one.
            self.process: BaseProcess = get_context("spawn").Process(
                target=_serve, args=(make, theirs), daemon=True
            )
            self.process.start()

    def send(self, job: Job) -> None:
        """Give it a job; it must have answered the one before. If it is dead, `receive` tells."""
        with suppress(OSError):
            self.connection.send(job)

    def receive(self) -> Result | UserError:
        """Wait for the answer; the first, None, says that it is ready."""
        try:
            answer: Result | UserError = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode or 0
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
            return UserError(
                f"a worker process ended {how} before its work was done; an --output goes on with --resume; "
                "where memory is short take fewer --workers"
            )
        return answer


def _start(
    pool: list[_Worker[Job, Result]], make: Callable[[], Callable[[Job], Result]], workers: int
) -> None:
    """Fill the pool; Ctrl-C, which a terminal sends to every process, is left to this one."""
    # Started along with the first worker it would unblock the signal.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a new process inherits it
    try:
        while len(pool) < workers:
            pool.append(_Worker(make))
    except OSError as error:
        raise UserError(
            f"--workers {workers}: the system starts no more than {len(pool)} ({error.strerror}); take fewer"
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _deal(pool: list[_Worker[Job, Result]], jobs: Iterable[Job]) -> Iterator[Result]:
    stream = _with_problem(jobs)
    free = list(pool)
    busy: dict[Any, tuple[_Worker[Job, Result], int]] = {}
    early: dict[int, Result | UserError] = {}  # by number: what is there before its turn
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
    """Be a worker: make the function, say so, and answer jobs until the other side is gone."""
    # Else a window of long lines goes on for minutes when the parent is killed.
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


def _end_with_parent() -> None:
    """End this process, be it in the midst of a window, when its parent has ended."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    _exit(1)


def _has_cuda_driver() -> bool:
    """Say whether torch could find CUDA, without the seconds that loading torch takes."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True
