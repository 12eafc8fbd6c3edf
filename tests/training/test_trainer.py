"""The loop, on a task of which it knows nothing: a regression, so small that a run takes milliseconds."""

import io
import json
import math
import resource
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from nmt.builders.optimizer import build_pace, build_recipe
from nmt.config import Experiment
from nmt.config.training import (
    AveragingConfig,
    ConstantSchedule,
    OptimizerConfig,
    PlateauSchedule,
    TrainingConfig,
)
from nmt.data.batches import Batch, Batches
from nmt.data.encoded import EncodedSplit
from nmt.errors import Diverged, UserError
from nmt.machine import has_bfloat16
from nmt.objectives.objective import Loss
from nmt.tasks.task import Validation
from nmt.training.averaging import Ema
from nmt.training.checkpoint import Checkpoints, read_tensors, write_tensors
from nmt.training.progress import Progress
from nmt.training.recipe import Records
from nmt.training.signals import Signals
from nmt.training.tracking import Tracker
from nmt.training.trainer import TIMES, Interrupted, Trainer

Everything: TypeAlias = Callable[[Path], dict[str, Any]]

SPLIT = EncodedSplit.of([[4] * (i % 7 + 1) for i in range(60)], [[4] * (i % 5 + 1) for i in range(60)])
CPU = torch.device("cpu")


@dataclass
class Regression:
    """Learns 2·Tx − Ty + 0.5 from (Tx, Ty); events happen at losses counted from 1."""

    validations: list[float] = field(default_factory=list)  # figures to report in the place of real ones
    events: dict[int, Callable[[], float]] = field(default_factory=dict)  # gives a factor for the loss
    losses: int = 0
    validated: list[Tensor] = field(default_factory=list)

    figures: tuple[str, ...] = ("nll",)

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        self.losses += 1
        event = self.events.get(self.losses)
        factor = event() if event else 1.0
        dtype = next(model.parameters()).dtype
        x = torch.stack([batch.src_len, batch.trg_len], dim=1).to(dtype)  # (B, 2)
        wanted = 2 * x[:, 0] - x[:, 1] + 0.5
        loss = ((model(x).squeeze(1) - wanted) ** 2).sum() * factor
        return Loss(loss, len(batch), {"nll": loss.detach()})

    @torch.inference_mode()
    def validate(self, model: nn.Module) -> Validation:
        assert not model.training
        first = next(model.parameters())
        self.validated.append(first.clone())
        figure = self.validations.pop(0) if self.validations else model(first.new_ones(1, 2)).sum().item()
        return Validation({"figure": figure}, [("a", "b", "c")])

    def better(self, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
        return a["figure"] > b["figure"]


def settings(**changes: Any) -> TrainingConfig:
    base = TrainingConfig(
        tokens_per_batch=40,
        max_updates=20,
        validate_every=5,
        save_every=4,
        log_every=3,
        optimizer=OptimizerConfig(lr=0.05),
        schedule=ConstantSchedule(),
    )
    return TrainingConfig.model_validate({**base.model_dump(), **changes})


def make(
    folder: Path,
    config: TrainingConfig,
    task: Regression | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    dropout: float = 0.2,
    seed: int = 1,
    identity: dict[str, str] | None = None,
    out: io.StringIO | None = None,
) -> Trainer[Any]:
    """A trainer as a new process would build it."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(dropout), nn.Linear(8, 1)).to(dtype)
    experiment = Experiment.model_validate({"name": "x", "data": {"builtin": {}, "src": "de", "trg": "en"}})
    task = task or Regression()
    records = Records(
        checkpoints=Checkpoints(
            folder / "checkpoints", keep=config.keep_checkpoints, every=config.save_every
        ),
        tracker=Tracker(folder, experiment),
        progress=Progress(Console(file=out or io.StringIO())),
        keep_best=lambda: write_tensors(folder / "model.safetensors", dict(model.named_parameters())),
        identity=identity or {"data": "abc"},
    )
    return Trainer(
        model=model,
        objective=task,
        task=task,
        batches=Batches(SPLIT, config.tokens_per_batch, seed=seed),
        recipe=build_recipe(config, model, dtype, CPU, records),
        pace=build_pace(config),
        records=records,
    )


def metrics(folder: Path) -> list[dict[str, Any]]:
    """Every logged figure but the times."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


class Killed(BaseException):
    """The process is gone, in the middle of an update."""


def killed() -> float:
    raise Killed


def asked_to_stop(number: int = signal.SIGTERM) -> float:
    signal.raise_signal(number)
    return 1.0


def weights(trainer: Trainer[Any]) -> list[Tensor]:
    return [p.detach().clone() for p in trainer.model.parameters()]


def test_it_trains_what_it_does_not_know(tmp_path: Path) -> None:
    trainer = make(
        tmp_path, settings(max_updates=120, log_every=40, save_every=60, validate_every=60), dropout=0.0
    )
    reached = trainer.train()
    losses = [line["train/loss"] for line in metrics(tmp_path) if "train/loss" in line]
    assert reached.update == 120
    assert losses[-1] < 0.1 * losses[0]


AVERAGES = [
    AveragingConfig(kind="none"),
    AveragingConfig(kind="ema", decay=0.9),
    AveragingConfig(kind="checkpoints", last=3),
]


@pytest.mark.slow
@pytest.mark.parametrize("averaging", AVERAGES, ids=lambda a: a.kind)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("stop", [killed, asked_to_stop], ids=["killed", "asked"])
def test_a_resumed_run_is_bit_for_bit_the_one_that_never_stopped(
    everything: Everything,
    tmp_path: Path,
    stop: Callable[[], float],
    dtype: torch.dtype,
    averaging: AveragingConfig,
) -> None:
    # Saved every 4, logged every 3, validated every 5, an epoch of 11: no two of them meet.
    config = settings(averaging=averaging, max_updates=30, keep_checkpoints=2)
    make(tmp_path / "whole", config, dtype=dtype).train()

    parts = tmp_path / "parts"
    seen = [0]
    for at in (3, 7, 11, 9):  # the first is killed before there is a checkpoint
        trainer = make(parts, config, Regression(events={at: stop}), dtype=dtype)
        torch.rand(seen[-1])  # whatever a new process does before it goes on
        assert trainer.resume() is (seen[-1] > 0)
        with pytest.raises((Killed, Interrupted)):
            trainer.train()
        seen.append(max(trainer.checkpoints.steps(), default=0))
    trainer = make(parts, config, dtype=dtype)
    assert trainer.resume()
    trainer.train()

    assert seen == ([0, 0, 4, 12, 20] if stop is killed else [0, 3, 10, 21, 30])
    assert everything(parts) == everything(tmp_path / "whole")


def test_a_run_that_is_done_is_left_as_it_is(everything: Everything, tmp_path: Path) -> None:
    config = settings(max_updates=8)
    make(tmp_path, config).train()
    before = everything(tmp_path)
    trainer = make(tmp_path, config)
    assert trainer.resume()
    assert trainer.train().update == 8
    assert everything(tmp_path) == before


def test_the_last_update_is_validated_once_and_its_checkpoint_knows(
    everything: Everything, tmp_path: Path
) -> None:
    make(tmp_path, settings(max_updates=8)).train()
    assert [line["step"] for line in metrics(tmp_path) if "validation/figure" in line] == [5, 8]
    state = everything(tmp_path)["state"]
    assert (state["at"]["update"], state["at"]["validated_update"]) == (8, 8)


def test_a_run_that_is_done_can_be_extended(everything: Everything, tmp_path: Path) -> None:
    make(tmp_path / "whole", settings(max_updates=20)).train()
    make(tmp_path / "longer", settings(max_updates=10)).train()
    trainer = make(tmp_path / "longer", settings(max_updates=20))
    assert trainer.resume()
    trainer.train()
    assert everything(tmp_path / "longer") == everything(tmp_path / "whole")


def test_a_lower_budget_than_was_used_still_leaves_a_validated_model(
    everything: Everything, tmp_path: Path
) -> None:
    trainer = make(tmp_path, settings(), Regression(events={7: asked_to_stop}))
    with pytest.raises(Interrupted):
        trainer.train()
    trainer = make(tmp_path, settings(max_updates=6))
    assert trainer.resume()
    reached = trainer.train()
    assert (reached.update, reached.validated_update) == (7, 7)
    assert everything(tmp_path)["state"]["at"]["validated_update"] == 7


def test_epochs_end_a_run(tmp_path: Path) -> None:
    trainer = make(tmp_path, settings(max_epochs=2, max_updates=None))
    per_epoch = trainer.batches.per_epoch
    assert trainer.train().update == 2 * per_epoch
    assert (trainer.batches.epoch, trainer.batches.position) == (2, 0)


def test_only_the_time_of_updates_is_that_of_updates(tmp_path: Path) -> None:
    class Slow(Regression):
        def validate(self, model: nn.Module) -> Validation:
            time.sleep(0.2)
            return super().validate(model)

    trainer = make(tmp_path, settings(max_updates=10), Slow())
    first = trainer.train()
    assert 0 < first.updating_seconds <= first.seconds - 0.4
    before = first.updating_seconds
    trainer = make(tmp_path, settings(max_updates=20), Slow())
    assert trainer.resume()
    second = trainer.train()
    assert before < second.updating_seconds <= second.seconds - 0.8


def test_minutes_end_a_run_and_count_over_resumes(tmp_path: Path) -> None:
    trainer = make(tmp_path, settings(max_updates=None, max_minutes=1e-4))
    reached = trainer.train()
    assert reached.seconds >= 0.006
    assert reached.validated_update == reached.update
    trainer = make(tmp_path, settings(max_updates=None, max_minutes=1e-4))
    assert trainer.resume()
    assert trainer.train().update == reached.update


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


def test_pieces_of_a_batch_add_up_to_the_whole(tmp_path: Path) -> None:
    trainers = []
    for pieces in (1, 3):
        folder = tmp_path / str(pieces)
        trainer = make(folder, settings(accumulate=pieces, max_updates=12), dropout=0.0)
        trainer.train()
        trainers.append(trainer)
    for a, b in zip(*map(weights, trainers), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)
    for one, three in zip(metrics(tmp_path / "1"), metrics(tmp_path / "3"), strict=True):
        assert one == pytest.approx(three, rel=1e-10)


def test_the_logged_norm_is_the_one_before_clipping(tmp_path: Path) -> None:
    # SGD-like: with lr so small the weights stand still, so that every norm can be computed by hand.
    config = settings(clip_norm=2.0, max_updates=6, log_every=6, optimizer=OptimizerConfig(lr=1e-300))
    trainer = make(tmp_path, config, dropout=0.0)
    norms, losses, tokens = [], 0.0, 0
    batches = Batches(SPLIT, config.tokens_per_batch, seed=1)
    for _ in range(6):
        batch = next(batches)
        count = len(batch)
        loss = Regression()(trainer.model, batch).sum
        gradients = torch.autograd.grad(loss / count, list(trainer.model.parameters()))
        norms.append(math.sqrt(sum(float((g**2).sum()) for g in gradients)))
        losses, tokens = losses + loss.item(), tokens + count
    limit = sorted(norms)[3]
    trainer.recipe = replace(trainer.recipe, clip_norm=limit)
    trainer.train()
    line = next(line for line in metrics(tmp_path) if "train/loss" in line)
    assert line["train/gradient_norm"] == pytest.approx(sum(norms) / 6, rel=1e-10)
    assert line["train/clipped_share"] == pytest.approx(2 / 6)
    assert line["train/loss"] == pytest.approx(losses / tokens, rel=1e-10)
    assert line["train/epoch"] == pytest.approx(6 / batches.per_epoch)


def test_the_gradient_is_clipped_to_the_limit(tmp_path: Path) -> None:
    seen = []
    for clip in (None, 0.25):
        trainer = make(tmp_path / str(clip), settings(clip_norm=clip, max_updates=1), dropout=0.0)
        trainer.train()
        # Adam's first moment after one update is (1 − β₁) times the gradient.
        moments = [trainer.optimizer.state[p]["exp_avg"] for p in trainer.model.parameters()]
        seen.append(math.sqrt(sum(float((m**2).sum()) for m in moments)) / 0.1)
    assert seen[0] > 1.0
    assert seen[1] == pytest.approx(0.25, rel=1e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_update_that_is_not_finite_is_skipped_and_counted(tmp_path: Path, bad: float) -> None:
    out = io.StringIO()
    task = Regression()
    trainer = make(tmp_path, settings(max_updates=9, validate_every=100), task, out=out)
    seen: list[list[Tensor]] = []

    def look(factor: float) -> float:
        seen.append(weights(trainer))
        return factor

    task.events = {4: lambda: look(bad), 5: lambda: look(1.0), 6: lambda: look(1.0)}
    reached = trainer.train()
    before, after, later = seen
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(after, later, strict=True))
    assert (reached.update, reached.skipped, reached.skipped_in_row) == (9, 1, 0)
    lines = [line for line in metrics(tmp_path) if "train/skipped" in line]
    assert [line["train/skipped"] for line in lines] == [0, 1, 1]
    assert all(math.isfinite(line["train/loss"]) for line in lines)
    assert all(torch.isfinite(p).all() for p in trainer.model.parameters())
    assert "update 4 skipped" in out.getvalue()


def test_what_came_of_updates_is_known_when_they_are_settled(tmp_path: Path) -> None:
    config = settings(averaging=AveragingConfig(kind="ema"), accumulate=2, log_every=100)
    trainer = make(tmp_path, config, Regression(events={3: lambda: math.nan}))
    for _ in range(6):
        trainer.update()
    assert (trainer.at.update, trainer.at.skipped, trainer.at.trg_tokens) == (6, 0, 0)
    trainer.flush()
    assert (trainer.at.update, trainer.at.skipped) == (6, 1)
    assert trainer.at.trg_tokens > 0


def test_a_window_of_skipped_updates_has_no_loss(tmp_path: Path) -> None:
    task = Regression(events={n: lambda: math.nan for n in (1, 2, 3)})
    trainer = make(tmp_path, settings(max_updates=4, save_every=2), task)
    trainer.train()
    first = metrics(tmp_path)[0]
    assert first["step"] == 3
    assert first["train/skipped"] == 3
    assert "train/loss" not in first


def test_many_in_a_row_stop_the_run_with_advice(tmp_path: Path) -> None:
    task = Regression(events={n: lambda: math.nan for n in (3, 4, 6, 7, 8)})
    trainer = make(tmp_path, settings(max_bad_updates=3), task)
    with pytest.raises(UserError) as caught:
        trainer.train()
    (line,) = str(caught.value).splitlines()
    assert trainer.at.update == 8
    for part in ("diverged: 3 updates in a row were not finite", "training.optimizer.lr", "another --run"):
        assert part in line
    assert trainer.checkpoints.steps() == [4]


@pytest.mark.parametrize("figure", [math.nan, Diverged("no translation")])
def test_a_validation_of_a_diverged_model_stops_the_run_with_the_same_advice(
    tmp_path: Path, figure: float | Diverged
) -> None:
    class Diverging(Regression):
        def validate(self, model: nn.Module) -> Validation:
            found = super().validate(model)
            if len(self.validated) < 3:
                return found
            if isinstance(figure, Diverged):
                raise figure
            return Validation({"figure": figure}, [])

    make(tmp_path / "good", settings(max_updates=10)).train()
    trainer = make(tmp_path / "bad", settings(), Diverging())
    with pytest.raises(UserError) as caught:
        trainer.train()
    (line,) = str(caught.value).splitlines()
    for part in ("the model diverged: at the validation after update 15", "training.optimizer.lr"):
        assert part in line
    assert trainer.checkpoints.steps() == [4, 8, 12]
    good, bad = (read_tensors(tmp_path / name / "model.safetensors") for name in ("good", "bad"))
    assert all(torch.equal(good[name], bad[name]) for name in good)


def test_skipped_before_the_first_step_can_be_resumed(everything: Everything, tmp_path: Path) -> None:
    events: dict[int, Callable[[], float]] = {n: lambda: math.nan for n in (1, 2, 3)}
    config = settings(save_every=2)
    make(tmp_path / "whole", config, Regression(events=dict(events))).train()
    stopped = {1: events[1], 2: lambda: asked_to_stop() * math.nan}
    with pytest.raises(Interrupted):
        make(tmp_path / "parts", config, Regression(events=stopped)).train()
    trainer = make(tmp_path / "parts", config, Regression(events={1: events[3]}))
    assert trainer.resume()
    trainer.train()
    assert everything(tmp_path / "parts") == everything(tmp_path / "whole")


def test_patience_ends_a_run_and_the_best_is_kept(tmp_path: Path) -> None:
    task = Regression(validations=[1.0, 3.0, 2.0, 3.0, 2.0, 9.0])
    trainer = make(tmp_path, settings(max_updates=100, patience=3), task)
    reached = trainer.train()
    assert (reached.update, reached.best_update, reached.best) == (25, 10, {"figure": 3.0})
    kept = read_tensors(tmp_path / "model.safetensors")
    assert torch.equal(kept["0.weight"], task.validated[1])
    best = [line["validation/best"] for line in metrics(tmp_path) if "validation/best" in line]
    assert best == [1, 1, 0, 0, 0]


def test_more_patience_goes_on(tmp_path: Path) -> None:
    make(tmp_path, settings(max_updates=100, patience=1), Regression(validations=[2.0, 1.0])).train()
    trainer = make(tmp_path, settings(max_updates=100, patience=2), Regression(validations=[0.0]))
    assert trainer.resume()
    assert trainer.at.update == 10
    reached = trainer.train()
    assert (reached.update, reached.best_update) == (15, 5)


def test_a_plateau_lowers_the_rate(tmp_path: Path) -> None:
    schedule = PlateauSchedule(factor=0.5, patience=1)
    config = settings(schedule=schedule, log_every=1, max_updates=15)
    make(tmp_path, config, Regression(validations=[2.0, 1.0, 1.0])).train()
    rates = [line["train/lr"] for line in metrics(tmp_path) if "train/lr" in line]
    assert rates == [0.05] * 10 + [0.025] * 5


def test_the_rate_is_that_of_the_schedule(tmp_path: Path) -> None:
    config = settings(schedule={"kind": "linear", "warmup": 4}, log_every=1, max_updates=10)
    make(tmp_path, config).train()
    rates = [line["train/lr"] for line in metrics(tmp_path) if "train/lr" in line]
    expected = [0.25, 0.5, 0.75, *(step / 7 for step in (7, 6, 5, 4, 3, 2, 1))]
    assert rates == pytest.approx([0.05 * share for share in expected])


def test_the_ema_is_what_is_validated_and_kept(tmp_path: Path) -> None:
    task = Regression(validations=[1.0])
    config = settings(averaging=AveragingConfig(kind="ema", decay=0.5), max_updates=5)
    trainer = make(tmp_path, config, task)
    trainer.train()
    assert isinstance(trainer.averaging, Ema)
    kept = read_tensors(tmp_path / "model.safetensors")
    for name, average in trainer.averaging.average.items():
        assert torch.equal(kept[name], average)
        assert not torch.equal(kept[name], trainer.parameters[name])
    assert torch.equal(task.validated[0], kept["0.weight"])


def test_the_mean_of_checkpoints_is_what_is_validated_and_kept(tmp_path: Path) -> None:
    # Saved at 2, 4, 6 and, by a signal, at 5, which is not part of the mean.
    config = settings(
        averaging=AveragingConfig(kind="checkpoints", last=3), max_updates=7, save_every=2, validate_every=100
    )
    with pytest.raises(Interrupted):
        make(tmp_path, config, Regression(events={5: asked_to_stop})).train()
    trainer = make(tmp_path, config)
    assert trainer.resume()
    trainer.train()
    assert trainer.checkpoints.steps() == [2, 4, 5, 6, 7]
    saved = [trainer.checkpoints.load(step)[0]["model"] for step in (4, 6)]
    kept = read_tensors(tmp_path / "model.safetensors")
    for name, parameter in trainer.parameters.items():
        mean = (saved[0][name] + saved[1][name] + parameter.detach()) / 3
        torch.testing.assert_close(kept[name], mean, rtol=1e-14, atol=1e-14)


def test_damage_outside_the_weights_does_not_keep_a_checkpoint_out_of_the_mean(tmp_path: Path) -> None:
    config = settings(
        averaging=AveragingConfig(kind="checkpoints", last=2), max_updates=4, save_every=2, validate_every=100
    )
    trainer = make(tmp_path, config, Regression(events={3: lambda: spoil(tmp_path)}))
    trainer.train()
    saved, kept = (
        trainer.checkpoints.load(2, only="model")[0]["model"],
        read_tensors(tmp_path / "model.safetensors"),
    )
    for name, parameter in trainer.parameters.items():
        torch.testing.assert_close(kept[name], (saved[name] + parameter.detach()) / 2, rtol=1e-14, atol=1e-14)


def spoil(folder: Path) -> float:
    (folder / "checkpoints" / "step-2" / "optimizer.safetensors").write_bytes(b"")
    return 1.0


def test_a_damaged_checkpoint_is_left_out_of_the_mean(tmp_path: Path) -> None:
    config = settings(
        averaging=AveragingConfig(kind="checkpoints", last=3), max_updates=8, validate_every=100
    )
    with pytest.raises(Interrupted):
        make(tmp_path, config, Regression(events={6: asked_to_stop})).train()
    (tmp_path / "checkpoints" / "step-4" / "model.safetensors").write_bytes(b"")
    out = io.StringIO()
    trainer = make(tmp_path, config, out=out)
    assert trainer.resume()
    trainer.train()
    assert "damaged, not averaged" in out.getvalue()
    kept = read_tensors(tmp_path / "model.safetensors")
    assert all(torch.equal(kept[name], p) for name, p in trainer.parameters.items())


def test_a_damaged_checkpoint_is_named_and_the_run_ends_as_if_it_had_not_been(
    everything: Everything, tmp_path: Path
) -> None:
    make(tmp_path / "whole", settings()).train()
    parts = tmp_path / "parts"
    with pytest.raises(Killed):
        make(parts, settings(), Regression(events={15: killed})).train()
    (parts / "checkpoints" / "step-12" / "optimizer.safetensors").write_bytes(b"short")
    out = io.StringIO()
    trainer = make(parts, settings(), out=out)
    assert trainer.resume()
    assert trainer.at.update == 8
    assert max(line["step"] for line in metrics(parts)) <= 8
    assert "step-12" in out.getvalue()
    assert "continuing from step 8" in out.getvalue()
    trainer.train()
    assert everything(parts) == everything(tmp_path / "whole")


def test_figures_of_a_run_without_a_checkpoint_are_cut_off(tmp_path: Path) -> None:
    config = settings(save_every=100)
    with pytest.raises(Killed):
        make(tmp_path, config, Regression(events={9: killed})).train()
    assert metrics(tmp_path)
    assert not make(tmp_path, config).resume()
    assert metrics(tmp_path) == []


def test_a_disk_that_fills_up_with_figures_is_one_line_and_the_run_goes_on_when_there_is_room(
    everything: Everything,
    tmp_path: Path,
) -> None:
    make(tmp_path / "whole", settings()).train()
    parts = tmp_path / "parts"
    with pytest.raises(Killed):
        make(parts, settings(), Regression(events={20: killed})).train()
    trainer = make(parts, settings())
    assert trainer.resume()
    # With this line the figures are the largest file, and so the one that reaches the limit.
    with (parts / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 16, "padding": "x" * 20_000}) + "\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len((parts / "metrics.jsonl").read_bytes()) + 9, hard))
    try:
        with pytest.raises(UserError) as caught:
            trainer.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (line,) = str(caught.value).splitlines()
    assert "metrics.jsonl: cannot write: File too large" in line
    assert not (parts / "metrics.jsonl").read_bytes().endswith(b"\n")
    trainer = make(parts, settings())
    assert trainer.resume()
    trainer.train()
    found = everything(parts)
    found["metrics"] = [each for each in found["metrics"] if "padding" not in each]
    assert found == everything(tmp_path / "whole")


def test_other_data_is_refused(tmp_path: Path) -> None:
    make(tmp_path, settings()).train()
    before = metrics(tmp_path)
    with pytest.raises(UserError, match=r"step-20 was trained with other data \(abc, now xyz\)"):
        make(tmp_path, settings(), identity={"data": "xyz"}).resume()
    assert metrics(tmp_path) == before


def rewritten(folder: Path, change: Callable[[dict[str, Any], dict[str, dict[str, Tensor]]], object]) -> None:
    """The newest checkpoint with another content and checksums that are right."""
    checkpoints = Checkpoints(folder / "checkpoints", keep=3, every=1)
    found = checkpoints.newest()
    assert found is not None
    step, groups, state, _ = found
    change(state, groups)
    checkpoints.save(step, groups, state)


def change_all(groups: dict[str, dict[str, Tensor]], group: str, change: Callable[[Tensor], Tensor]) -> None:
    groups[group] = {name: change(tensor) for name, tensor in groups[group].items()}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state, groups: state.pop("at"), "state.json: at: Field required"),
        (lambda state, groups: state.update(at=[]), "state.json: at: "),
        (lambda state, groups: state["at"].update(update="x"), "state.json: at.update: "),
        (lambda state, groups: state["at"].update(update=19), "state.json: at.update: "),
        (lambda state, groups: state["at"].update(update=-20), "state.json: at.update: "),
        (lambda state, groups: state["at"].pop("update"), "state.json: at.update: "),
        (lambda state, groups: state["at"].update(skipped=True), "state.json: at.skipped: "),
        (lambda state, groups: state["at"].update(trg_tokens=10**30), "state.json: at.trg_tokens: "),
        (lambda state, groups: state["at"].update(seconds=math.nan), "state.json: at.seconds: "),
        (lambda state, groups: state["at"].update(seconds=-1e9), "state.json: at.seconds: "),
        (lambda state, groups: state["at"].update(cpu_seconds=1e308), "state.json: at.cpu_seconds: "),
        (lambda state, groups: state["at"].update(best={"bleu": math.nan}), "state.json: at.best.bleu: "),
        (lambda state, groups: state["window"].update(norms=math.inf), "state.json: window.norms: "),
        (lambda state, groups: state.update(schedule={"waited": -1}), "state.json: schedule.waited: "),
        (lambda state, groups: state.update(ema_updates=-1), "state.json: ema_updates: "),
        (lambda state, groups: state.update(identity=None), "state.json: identity: "),
        (lambda state, groups: state.update(window={"loss": None}), "state.json: window.loss: "),
        (lambda state, groups: state.update(batches={}), "does not fit this run ('epoch')"),
        (
            lambda state, groups: state["batches"].update(position=10**9),
            "does not fit this run (position 1000000000",
        ),
        (lambda state, groups: state.update(batches={}), "does not fit this run ("),
        (lambda state, groups: groups.pop("rng"), "does not fit this run ('rng')"),
        (
            lambda state, groups: groups["rng"].update(cpu=torch.zeros(3, dtype=torch.uint8)),
            "does not fit this run",
        ),
        (lambda state, groups: groups.pop("model"), "does not fit this run ('model')"),
        (lambda state, groups: groups.update(rng={"cpu": torch.zeros(5056)}), "does not fit this run"),
        (lambda state, groups: groups.update(optimizer={}), "(optimizer: expected its moments, found none"),
        *(
            (lambda state, groups, change=change, group=group: change_all(groups, group, change), problem)
            for group, change, problem in (
                ("model", Tensor.half, "(model: "),
                ("model", lambda tensor: tensor * math.nan, "not finite"),
                ("optimizer", lambda tensor: tensor * math.nan, "not finite"),
                ("optimizer", lambda tensor: -1 - tensor.abs(), "should be 0 or more"),
                ("optimizer", lambda tensor: tensor + 1e6, "should be 20 or less"),
            )
        ),
        (
            lambda state, groups: groups["model"].update(more=torch.zeros(2)),
            "(model: more should not be there",
        ),
        (
            lambda state, groups: groups.update(
                optimizer={k: t for k, t in groups["optimizer"].items() if not k.endswith("/step")}
            ),
            "should have step, exp_avg and exp_avg_sq",
        ),
        (
            lambda state, groups: groups["model"].update({n: t[:1] for n, t in groups["model"].items()}),
            "does not fit this run (model: ",
        ),
        (
            lambda state, groups: groups["optimizer"].update(
                {n: torch.zeros(1) for n in groups["optimizer"]}
            ),
            "does not fit this run (optimizer: ",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any], dict[str, dict[str, Tensor]]], object], reason: str
) -> None:
    make(tmp_path, settings()).train()
    rewritten(tmp_path, change)
    with pytest.raises(UserError) as caught:
        make(tmp_path, settings()).resume()
    (line,) = str(caught.value).splitlines()
    assert reason in line
    assert "step-20" in line


@pytest.mark.parametrize("seed", [1, 2])
def test_the_seed_decides(tmp_path: Path, seed: int) -> None:
    found = []
    for number, each in enumerate((1, seed)):
        trainer = make(tmp_path / str(number), settings(), seed=each)
        trainer.train()
        found.append(weights(trainer))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True)) is (seed == 1)


# Elsewhere training in bfloat16 is refused: tests/builders/test_hardware.py.
@pytest.mark.skipif(not has_bfloat16(), reason="needs products in bfloat16")
def test_bfloat16_is_for_products_and_the_weights_stay_wide(tmp_path: Path) -> None:
    trainer = make(tmp_path, settings(max_updates=2), dtype=torch.float32)
    trainer.precision = torch.bfloat16
    seen: list[torch.dtype] = []
    trainer.model.register_forward_hook(lambda m, i, o: seen.append(o.dtype))
    trainer.train()
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
