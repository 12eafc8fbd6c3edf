"""A resumed run goes on from its newest checkpoint as if it had never stopped, or says what is wrong."""

import io
import json
import math
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.config.training import AveragingConfig
from nmt.errors import UserError
from nmt.training.checkpoint import Checkpoints
from nmt.training.trainer import Interrupted
from regression import AVERAGES, Everything, Regression, asked_to_stop, make, metrics, settings


class Killed(BaseException):
    """The process is gone, in the middle of an update."""


def killed() -> float:
    raise Killed


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


def test_a_run_that_is_done_can_be_extended(everything: Everything, tmp_path: Path) -> None:
    make(tmp_path / "whole", settings(max_updates=20)).train()
    make(tmp_path / "longer", settings(max_updates=10)).train()
    trainer = make(tmp_path / "longer", settings(max_updates=20))
    assert trainer.resume()
    trainer.train()
    assert everything(tmp_path / "longer") == everything(tmp_path / "whole")


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
