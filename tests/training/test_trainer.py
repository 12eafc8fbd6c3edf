"""The loop, on a task of which it knows nothing."""

import io
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.config.training import AveragingConfig, OptimizerConfig, PlateauSchedule
from nmt.data.batches import Batches
from nmt.errors import Diverged, UserError
from nmt.machine import has_bfloat16
from nmt.tasks.task import Validation
from nmt.training.checkpoint import read_tensors
from nmt.training.trainer import Interrupted, Trainer
from regression import SPLIT, Everything, Regression, asked_to_stop, make, metrics, settings


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


def test_the_last_update_is_validated_once_and_its_checkpoint_knows(
    everything: Everything, tmp_path: Path
) -> None:
    make(tmp_path, settings(max_updates=8)).train()
    assert [line["step"] for line in metrics(tmp_path) if "validation/figure" in line] == [5, 8]
    state = everything(tmp_path)["state"]
    assert (state["at"]["update"], state["at"]["validated_update"]) == (8, 8)


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
