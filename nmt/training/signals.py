"""Signals that ask a run to stop: current work is finished or interrupted, so that the run can save."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Self, TypeVar

Outcome = TypeVar("Outcome")

# SIGHUP: the terminal has gone. SIGUSR1 and SIGUSR2: Slurm and others send them before a job's time limit.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def caught() -> list[signal.Signals]:
    """Return the signals that ask to stop, without the SIGHUP that nohup ignores."""
    hung_up = signal.getsignal(signal.SIGHUP)
    return [each for each in STOPPING if each != signal.SIGHUP or hung_up != signal.SIG_IGN]


class _CutOff(BaseException):
    """Raised by a signal in work that may be interrupted; `except Exception` does not catch it."""


class Signals:
    """Within this context, remembers that a signal asked to stop.

    A second SIGINT (Ctrl-C) acts as it did before. The others may arrive more than once, from a scheduler
    and from torchrun.
    """

    def __init__(self) -> None:
        self.asked = False
        self._cutting = False
        self._kept: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        self.asked = False
        self._kept = {each: signal.signal(each, self._note) for each in caught()}
        return self

    def __exit__(self, *raised: object) -> None:
        for each, handler in self._kept.items():
            signal.signal(each, handler)

    def unless_stopped(self, work: Callable[[], Outcome]) -> Outcome | None:
        """Return what the work returns, or None if a signal came before it or interrupted it."""
        try:
            self._cutting = True
            return None if self.asked else work()
        except _CutOff:
            return None
        finally:
            self._cutting = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if number == signal.SIGINT:
            signal.signal(number, self._kept[signal.SIGINT])
        if self._cutting:
            self._cutting = False
            raise _CutOff
