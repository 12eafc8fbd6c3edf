"""A signal ends the update, or cuts off the validation, and the run is saved."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import nn

from nmt.config.training import AveragingConfig
from nmt.tasks.task import Validation
from nmt.training.signals import Signals
from nmt.training.trainer import Interrupted
from regression import AVERAGES, Everything, Regression, asked_to_stop, make, metrics, settings


@pytest.fixture
def heard() -> Iterator[None]:
    """SIGHUP as a shell leaves it; where the tests run under nohup it is ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_ends_the_update_saves_and_is_given_back(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    trainer = make(tmp_path, settings(), Regression(events={5: lambda: asked_to_stop(number)}))
    with pytest.raises(Interrupted):
        trainer.train()
    assert trainer.at.update == 5
    assert trainer.checkpoints.steps() == [4, 5]
    # What is due at this update is validated by the run that goes on.
    assert not [line for line in metrics(tmp_path) if "validation/figure" in line]
    assert not (tmp_path / "model.safetensors").exists()
    assert signal.getsignal(number) is before
    trainer = make(tmp_path, settings())
    assert trainer.resume()
    trainer.train()
    assert [line["step"] for line in metrics(tmp_path) if "validation/figure" in line] == [5, 10, 15, 20]


def test_under_nohup_a_terminal_that_goes_stops_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            asked_to_stop(signal.SIGHUP)
            assert not signals.asked
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("averaging", AVERAGES, ids=lambda a: a.kind)
def test_a_signal_in_a_validation_cuts_it_off_and_the_run_that_goes_on_makes_it(
    everything: Everything, tmp_path: Path, averaging: AveragingConfig
) -> None:
    class Interrupting(Regression):
        def validate(self, model: nn.Module) -> Validation:
            if self.validated:  # in this life
                asked_to_stop()
            return super().validate(model)

    # Each validation meets a save, and no more checkpoints are kept than an average needs.
    config = settings(averaging=averaging, save_every=5, keep_checkpoints=2, max_updates=30)
    make(tmp_path / "whole", config).train()
    parts, reached = tmp_path / "parts", []
    for _ in range(5):
        trainer = make(parts, config, Interrupting())
        trainer.resume()
        with pytest.raises(Interrupted):
            trainer.train()
        reached.append((trainer.at.update, trainer.at.validated_update))
    trainer = make(parts, config)
    assert trainer.resume()
    trainer.train()
    assert reached == [(10, 5), (15, 10), (20, 15), (25, 20), (30, 25)]
    assert everything(parts) == everything(tmp_path / "whole")


def test_a_notice_and_then_the_limit_are_one_stop(tmp_path: Path) -> None:
    def limit() -> float:
        asked_to_stop(signal.SIGUSR1)
        asked_to_stop(signal.SIGTERM)
        return asked_to_stop(signal.SIGTERM)

    trainer = make(tmp_path, settings(), Regression(events={6: limit}))
    with pytest.raises(Interrupted):
        trainer.train()
    assert trainer.checkpoints.steps() == [4, 6]


def test_a_second_interrupt_acts_as_before(tmp_path: Path) -> None:
    def twice() -> float:
        asked_to_stop(signal.SIGINT)
        return asked_to_stop(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, settings(), Regression(events={5: twice})).train()
