"""nmt.training.sessions: no tracker stops a run, and nobody waits for one but at the end."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from nmt.evaluation.alignment import Detail
from nmt.results import Figure
from nmt.training.sessions import Better, Sample, Session, close, pictures


class Kept:
    """A run in a tracker that keeps what it is told."""

    def __init__(self, name: str = "kept", start: Callable[[], object] = lambda: None) -> None:
        self.name, self._start = name, start
        self.told: list[object] = []

    def start(self) -> None:
        self._start()

    def figures(self, step: int, figures: Mapping[str, Figure]) -> None:
        if "bad" in figures:
            raise OSError("no room\nand a second line")
        self.told.append(step)

    def samples(self, step: int, rows: Sequence[Sample], details: Sequence[Detail]) -> None: ...

    def model(self, parts: Sequence[Path], figures: Mapping[str, float], better: Better) -> None: ...

    def finish(self, result: Mapping[str, object] | None) -> None:
        self.told.append(result)


def tell(session: Session, step: int, key: str = "loss") -> None:
    session.tell(lambda run: run.figures(step, {key: 1.0}))


def test_what_was_told_before_the_start_comes_in_order() -> None:
    ready = Event()
    run = Kept(start=ready.wait)
    session = Session(run, "a file")
    for step in (1, 2, 3):
        tell(session, step)
    session.tell(lambda run: run.finish({"bleu": 1.0}))
    assert run.told == []
    ready.set()
    close([session], 60)
    assert run.told == [1, 2, 3, {"bleu": 1.0}]


def test_a_tracker_that_fails_is_left_with_one_warning_and_another_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [Kept("one"), Kept("other")]
    sessions = [Session(run, "a file") for run in runs]
    for step, key in ((1, "loss"), (2, "bad"), (3, "loss")):
        tell(sessions[0], step, key)
        tell(sessions[1], step)
    close(sessions, 60)
    assert [run.told for run in runs] == [[1], [1, 2, 3]]
    assert capsys.readouterr().err.splitlines() == [
        "warning: one: stopped: no room; metrics go to a file only"
    ]
    assert not sessions[0].alive


def test_a_tracker_that_cannot_start_is_left_with_one_warning(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise ImportError

    session = Session(Kept(start=refuse), "a file")
    close([session], 60)
    line = "warning: kept: not recording: ImportError; metrics go to a file only"
    assert capsys.readouterr().err.splitlines() == [line]


def test_all_together_are_waited_for_no_longer_than_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    never = Event()
    sessions = [Session(Kept(name, never.wait), "a file") for name in ("one", "other")]
    began = time.monotonic()
    close(sessions, 0.2)
    assert time.monotonic() - began < 60  # not for ever
    never.set()
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {name}: not finished in time, not waiting longer; a file has all metrics"
        for name in ("one", "other")
    ]


def test_only_samples_with_words_on_both_sides_have_pictures() -> None:
    details = [
        Detail(src, trg, weights, True, True, [], [], [])
        for src, trg, weights in (
            (["ein", "Hund"], ["a", "dog"], np.eye(2)),
            (["nein"], [], np.ones((0, 1))),
            (["ja"], ["oh", "yes"], np.ones((2, 1))),
        )
    ]
    assert [(number, caption) for number, caption, _ in pictures(details)] == [(1, "a dog"), (3, "oh yes")]
