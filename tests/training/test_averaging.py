"""The average is what is validated and kept."""

import io
from pathlib import Path

import pytest
import torch

from nmt.config.training import AveragingConfig
from nmt.training.averaging import Ema
from nmt.training.checkpoint import read_tensors
from nmt.training.trainer import Interrupted
from regression import Regression, asked_to_stop, make, settings


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
