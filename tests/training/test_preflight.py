"""What a run will take is measured beforehand, and leaves no trace."""

import io
import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

from nmt.config import Experiment
from nmt.data.batches import Batch
from nmt.errors import UserError
from nmt.objectives.objective import Loss, Objective
from nmt.run import Run
from nmt.training.checkpoint import Checkpoints, rng_state
from nmt.training.memory import peak_memory
from nmt.training.preflight import TYPICAL, Preflight, parameter_table, preflight
from nmt.training.trainer import CLOCKS, Trainer
from nmt.workflows.train import build_trainer

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("prepared"))


def experiment(prepared: str, dropout: float = 0.2, **training: Any) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "tiny",
            "data": {
                "builtin": {"train": 100, "validation": 10, "test": 10},
                "src": "de",
                "trg": "en",
                "tokenizer": {"kind": "bpe", "vocab_size": 400, "shared": True},
                "prepared": prepared,
            },
            "model": {
                "embedding": 8,
                "tie_embeddings": "three_way",
                "dropout": dropout,
                "encoder": {"hidden": 8},
                "decoder": {"hidden": 8},
            },
            "training": {
                "tokens_per_batch": 400,
                "max_updates": 3,
                "validate_every": 10,
                "save_every": 2,
                "log_every": 3,
                "precision": "float32",
                "device": "cpu",
                "averaging": {"kind": "ema", "decay": 0.9},
                **training,
            },
            "decoding": {"max_ratio": 1.0, "max_extra": 2},
        }
    )


def build(folder: Path, config: Experiment) -> Trainer:
    folder.mkdir(exist_ok=True)
    return build_trainer(config, Run(folder), Console(file=io.StringIO(), width=400))[0]


def state(folder: Path) -> dict[str, Any]:
    """The newest checkpoint, times aside."""
    found = Checkpoints(folder / "checkpoints", keep=1, every=1).newest()
    assert found is not None
    _, groups, rest, _ = found
    rest["at"] |= dict.fromkeys(CLOCKS, 0)
    return {"rest": rest, **{f"{g}/{n}": t.tolist() for g, c in groups.items() for n, t in c.items()}}


def test_a_run_is_bit_for_bit_the_one_without_it(tmp_path: Path, prepared: str) -> None:
    for updates in (3, 5):  # the second goes on from the first
        config = experiment(prepared, max_updates=updates)
        build(tmp_path / "without", config).train()
        trainer = build(tmp_path / "with", config)
        assert preflight(trainer) is not None
        trainer.train()
        assert state(tmp_path / "with") == state(tmp_path / "without")


def test_it_leaves_no_trace_behind(tmp_path: Path, prepared: str) -> None:
    trainer = build(tmp_path, experiment(prepared))
    weights = [p.detach().clone() for p in trainer.model.parameters()]
    rng, place, at = rng_state(CPU), trainer.batches.state(), trainer.at.update
    trainer.model.eval()
    assert preflight(trainer) is not None
    assert all(torch.equal(a, b) for a, b in zip(weights, trainer.model.parameters(), strict=True))
    assert all(p.grad is None for p in trainer.model.parameters())
    assert torch.equal(rng["cpu"], rng_state(CPU)["cpu"])
    assert (trainer.batches.state(), trainer.at.update, trainer.at.trg_tokens) == (place, at, 0)
    assert not trainer.optimizer.state
    assert not trainer.model.training


class Watched:
    """An objective that tells of every batch, and has room for so many positions."""

    def __init__(self, objective: Objective[nn.Module], room: float) -> None:
        self.objective, self.room = objective, room
        self.figures = objective.figures
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        self.seen.append((*batch.src.shape, batch.trg_in.shape[1]))
        if batch.src.numel() + batch.trg_in.numel() > self.room:
            raise MemoryError
        return self.objective(model, batch)


def watched(trainer: Trainer, room: float = float("inf")) -> Watched:
    trainer.objective = watching = Watched(trainer.objective, room)
    return watching


def test_the_largest_batch_comes_first(tmp_path: Path, prepared: str) -> None:
    trainer = build(tmp_path, experiment(prepared))
    task = watched(trainer)
    found = preflight(trainer)
    assert found is not None
    largest = {(len(b), b.src.shape[1], b.trg_in.shape[1]) for b in trainer.batches.largest()}
    assert set(task.seen[: len(largest)]) == largest
    assert (found.pairs, found.src_tokens, found.trg_tokens) in largest
    assert 0 < len(task.seen) - len(largest) <= TYPICAL
    assert found.memory > peak_memory(CPU) / 2
    assert found.trg_tokens_per_second > 0


def test_a_batch_that_does_not_fit_is_found_and_the_run_goes_on_in_pieces(
    tmp_path: Path, prepared: str
) -> None:
    config = experiment(prepared, dropout=0.0, precision="float64")
    whole, trainer = (build(tmp_path / name, config) for name in ("whole", "pieces"))
    whole.train()
    told: list[str] = []
    trainer.splitting.log = told.append
    watched(trainer, room=300)
    preflight(trainer)
    assert told[0].startswith("out of memory with ")
    trainer.train()
    for ours, expected in zip(trainer.parameters.values(), whole.parameters.values(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


def test_a_pair_that_does_not_fit_ends_it_before_any_work_is_lost(tmp_path: Path, prepared: str) -> None:
    trainer = build(tmp_path, experiment(prepared))
    watched(trainer, room=10)
    with pytest.raises(UserError, match=r"a single pair of .* does not fit"):
        preflight(trainer)
    assert not (tmp_path / "checkpoints").exists()


def test_a_run_that_is_over_has_none(tmp_path: Path, prepared: str) -> None:
    build(tmp_path, experiment(prepared)).train()
    trainer = build(tmp_path, experiment(prepared))
    seconds = trainer.at.seconds
    assert preflight(trainer) is None
    assert trainer.at.seconds == seconds


@pytest.mark.parametrize(
    ("budget", "wanted"),
    [
        ({"max_updates": 70}, lambda update, epoch: 70 * update),
        ({"max_updates": None, "max_epochs": 3}, lambda update, epoch: 3 * epoch * update),
        ({"max_updates": 10_000, "max_epochs": 3}, lambda update, epoch: 3 * epoch * update),
        ({"max_updates": 10_000_000, "max_minutes": 1.0}, lambda update, epoch: 50.0),
    ],
)
def test_the_end_is_that_of_the_first_budget(
    tmp_path: Path,
    prepared: str,
    budget: dict[str, Any],
    wanted: Callable[[float, int], float],
) -> None:
    trainer = build(tmp_path, experiment(prepared, **budget))
    trainer.at.seconds = 10.0
    found = preflight(trainer)
    assert found is not None
    typical = trainer.batches.typical(TYPICAL)
    tokens = sum(int(batch.trg_mask.sum()) for batch in typical) / len(typical)
    expected = wanted(tokens / found.trg_tokens_per_second, trainer.batches.per_epoch)
    assert found.seconds_left == pytest.approx(expected, rel=0.01, abs=5)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (40, "40 s left without validations, until 22:00"),
        (3000, "50 min left without validations, until 22:50"),
        (9000, "2.5 h left without validations, until 00:30 on 2026-03-02"),
        (1e30, "more than a year left without validations"),
        (math.inf, "more than a year left without validations"),
    ],
)
def test_the_line_tells_the_end_as_a_person_would(seconds: float, said: str) -> None:
    found = Preflight(12, 30, 28, 1_234_500_000, 3210.9, seconds)
    line = found.line(datetime(2026, 3, 1, 22, 0, 0))
    assert line.endswith(said)
    assert "largest batch 12 pairs of up to 30 source and 28 target tokens" in line
    assert "1,234 MB" in line
    assert "; about 3,211 target tokens/s" in line


@pytest.mark.parametrize(("threads", "said"), [(1, "with 1 thread about"), (8, "with 8 threads about")])
def test_the_line_tells_the_threads_on_a_cpu(threads: int, said: str) -> None:
    found = Preflight(12, 30, 28, 1_234_500_000, 3210.9, 40, threads=threads)
    assert f"; {said} 3,211 target tokens/s, " in found.line(datetime(2026, 3, 1))


def test_a_tied_parameter_counts_once() -> None:
    model = nn.ModuleDict({"embedding": nn.Embedding(50, 4), "head": nn.Linear(4, 50)})
    model["head"].weight = model["embedding"].weight
    lines = parameter_table(model)
    assert [line.split() for line in lines] == [
        ["embedding.weight", "50", "×", "4", "200"],
        ["head.weight", "50", "×", "4", "=", "embedding.weight"],
        ["head.bias", "50", "50"],
        ["total", "250"],
    ]
    assert len(set(map(len, lines))) == 1
