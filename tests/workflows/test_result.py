"""result.json says what was trained, on what, and what it cost."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from nmt.config import Experiment
from nmt.results import read_result, write_result
from nmt.run import Run
from nmt.workflows.result import training_result
from nmt.workflows.train import build_trainer


def test_the_result_of_a_training(tmp_path: Path) -> None:
    experiment = Experiment.model_validate(
        {
            "name": "tiny",
            "seed": 3,
            "data": {
                "builtin": {"train": 100, "validation": 10, "test": 10},
                "src": "de",
                "trg": "en",
                "tokenizer": {"kind": "word", "shared": False},
                "prepared": str(tmp_path / "prepared"),
            },
            "model": {"embedding": 4, "encoder": {"hidden": 4}, "decoder": {"hidden": 4}},
            "training": {"max_updates": 4, "precision": "float32", "device": "cpu", "validation_beam": 2},
            "decoding": {"beam": 7, "max_ratio": 1.0},
        }
    )
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    trainer, prepared, _ = build_trainer(experiment, run, Console(file=io.StringIO()))
    trainer.train()
    result = training_result(experiment, prepared, trainer)

    assert (result.name, result.seed, result.split, result.sentences) == ("tiny", 3, "validation", 10)
    (score,) = result.scores
    assert score.score == trainer.at.best["bleu"]
    assert "BLEU|" in score.signature or "nrefs:1" in score.signature
    assert result.decoding is not None
    assert result.decoding.settings["beam"] == 2  # of the decoding at validations, not of the run's own
    cost = result.training
    assert cost is not None
    assert cost.updates == 4
    assert cost.epochs == pytest.approx(
        trainer.batches.epoch + trainer.batches.position / trainer.batches.per_epoch
    )
    assert cost.wall_minutes > 0
    assert cost.precision == "float32"
    assert result.parameters == sum(p.numel() for p in trainer.model.parameters())
    assert set(result.data_hashes) == {"train", "validation", "test"}
    assert result.tokenizers == {
        "src": prepared.src_tokenizer.fingerprint,
        "trg": prepared.trg_tokenizer.fingerprint,
    }
    assert result.machine is not None
    assert result.machine.device == "cpu"
    write_result(run.result, result)
    assert read_result(run.result) == result
