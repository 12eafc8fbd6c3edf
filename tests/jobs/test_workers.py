"""nmt.jobs.workers: the results in the order of the jobs, whatever the processes do."""

import ctypes
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from nmt.errors import UserError
from nmt.jobs.workers import in_order, in_subprocess
from nmt.workflows import translate as windows
from nmt.workflows.translate import choose_workers

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _found_by_the_workers(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The processes import this file for what it gives them; when a test ends, none is left."""
    monkeypatch.syspath_prepend(pytestconfig.rootpath)
    yield
    assert multiprocessing.active_children() == []


def slow_at_first() -> Callable[[int], int]:
    return lambda job: (time.sleep(0.3 if job in (0, 5) else 0), job * job)[1]


def refuses_seven() -> Callable[[int], int]:
    def function(job: int) -> int:
        if job == 7:
            raise UserError("not seven")
        return job

    return function


def killed_by_seven() -> Callable[[int], int]:
    return lambda job: os.kill(os.getpid(), signal.SIGKILL) if job == 7 else job


def refuses_all() -> Callable[[int], int]:
    raise UserError("no model")


def doubles() -> Callable[[str], str]:
    return lambda job: job + job


def test_the_results_come_in_order_and_few_jobs_are_taken_ahead() -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for job in range(40):
            taken.append(job)
            yield job

    with in_order(slow_at_first, 3) as mapped:
        for number, result in enumerate(mapped(jobs())):
            assert result == number * number
            assert len(taken) <= number + 1 + 2 * 3
    assert number == 39


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_jobs_than_processes(count: int) -> None:
    with in_order(doubles, 2) as mapped:
        assert list(mapped(["a"] * count)) == ["aa"] * count


def test_jobs_and_results_larger_than_a_pipe() -> None:
    jobs = [letter * 1_000_000 for letter in "abcdefgh"]
    with in_order(doubles, 2) as mapped:
        assert list(mapped(jobs)) == [job + job for job in jobs]


@pytest.mark.parametrize("count", [1, 3])
def test_a_problem_comes_behind_the_results_before_it(count: int) -> None:
    def jobs() -> Iterator[int]:
        yield from range(100, 104)
        raise UserError("line 104")

    for given, message, expected in (
        (iter(range(20)), "not seven", list(range(7))),
        (jobs(), "line 104", [100, 101, 102, 103]),
    ):
        results = []
        with pytest.raises(UserError, match=message), in_order(refuses_seven, count) as mapped:
            results.extend(mapped(given))
        assert results == expected


def test_a_process_that_dies_is_named_behind_the_results_before_its_job() -> None:
    results: list[int] = []
    message = r"a worker process ended by SIGKILL .* --resume"
    with pytest.raises(UserError, match=message), in_order(killed_by_seven, 2) as mapped:
        results.extend(mapped(range(20)))
    assert results == list(range(7))


@pytest.mark.parametrize("count", [1, 2])
def test_what_cannot_be_made_is_told_on_entry(count: int) -> None:
    with pytest.raises(UserError, match="no model"), in_order(refuses_all, count):
        pytest.fail("entered")


@pytest.fixture
def no_more_files() -> Iterator[None]:
    """Lets this process open no further file, and so start no process that it could talk to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("no_more_files")
def test_processes_that_cannot_be_started() -> None:
    message = r"--workers 2: the system starts only 0 \(Too many open files\); use fewer"
    with pytest.raises(UserError, match=message), in_order(doubles, 2):
        pytest.fail("entered")


def no_library(name: str) -> None:
    raise OSError(f"{name}: cannot open shared object file")


def test_one_worker_a_core_but_one_alone_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(windows, "cores", lambda: 5)
    for driver, torch_has_cuda, device, expected in (
        (False, False, "auto", 5),
        (True, False, "auto", 5),
        (True, True, "auto", 1),
        (True, True, "cuda:0", 1),
        (True, True, "cpu", 5),
    ):
        monkeypatch.setattr(ctypes, "CDLL", (lambda name: name) if driver else no_library)
        monkeypatch.setattr(torch.cuda, "is_available", lambda has=torch_has_cuda: has)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        assert choose_workers(device) == expected


def test_the_process_that_deals_loads_no_torch() -> None:
    code = (
        "import sys\n"
        "from nmt.workflows.translate import choose_workers\n"
        "from nmt.jobs.workers import in_order\n"
        "choose_workers('cpu')\n"
        "with in_order(list, 2): assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


class Waits:
    """Makes a folder that is to be gone when it ends, and takes its time."""

    def __init__(self, parent: Path) -> None:
        self.parent = parent

    def __call__(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.parent):
            time.sleep(60)


def leave() -> None:
    sys.exit(3)


def test_what_is_made_apart() -> None:
    assert in_subprocess(os.getpid, what="it") != os.getpid()
    with pytest.raises(UserError, match="no model"):
        in_subprocess(refuses_all, what="it")
    with pytest.raises(UserError, match=r"^the maker ended by SIGKILL before it was finished; .*memory"):
        in_subprocess(partial(signal.raise_signal, signal.SIGKILL), what="the maker")
    with pytest.raises(
        UserError, match=r"^the maker ended with exit code 3 before it was finished; (?!.*memory)"
    ):
        in_subprocess(leave, what="the maker")


def fail(job: int) -> int:
    nothing: dict[int, int] = {}
    return nothing[job]


def fails() -> Callable[[int], int]:
    return fail


def test_any_exception_of_a_process_is_one_line() -> None:
    message = r"^unexpected KeyError: 7 \(test_workers\.py, line \d+\)"
    with pytest.raises(UserError, match=message):
        in_subprocess(partial(fail, 7), what="it")
    with pytest.raises(UserError, match=message), in_order(fails, 2) as mapped:
        list(mapped([7]))


def test_what_is_interrupted_apart_leaves_nothing(tmp_path: Path) -> None:
    def interrupt_once_it_is_there(*_: object) -> None:
        if any(tmp_path.iterdir()):
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt_once_it_is_there)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            in_subprocess(Waits(tmp_path), what="it")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not any(tmp_path.iterdir())


@pytest.mark.usefixtures("no_more_files")
def test_what_cannot_be_started_apart() -> None:
    with pytest.raises(UserError, match=r"^the maker cannot be started \(Too many open files"):
        in_subprocess(os.getpid, what="the maker")
