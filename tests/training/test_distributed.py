"""Two processes are one run: the same gradients, the same updates, one that writes.

Run as a module it is one of the two: RANK is set, and it writes what it saw to a file RANK.json.
"""

import json
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from torch import nn

from nmt.config import Experiment
from nmt.data.batches import Batch
from nmt.errors import UserError
from nmt.objectives.objective import Loss
from nmt.training import distributed
from nmt.training.distributed import Processes, joined
from nmt.training.trainer import TIMES, Interrupted, Trainer
from tests.support.training import build
from tests.support.training import experiment as tiny

pytestmark = pytest.mark.slow

Seen: TypeAlias = dict[str, Any]
Everything: TypeAlias = Callable[[Path], dict[str, Any]]


def experiment(folder: Path, dropout: float = 0.0, **training: Any) -> Experiment:
    settings: dict[str, Any] = {
        "tokens_per_batch": 4096,
        "max_updates": 8,
        "validate_every": 5,
        "save_every": 4,
        "log_every": 3,
        "precision": "float64",
        "threads": 1,
        "clip_norm": None,
        "optimizer": {"lr": 1e-2},
        "averaging": {"kind": "ema", "decay": 0.9},
    }
    return tiny(folder, dropout=dropout, **settings | training)


class AtUpdate:
    """An objective to which something happens in one of the updates."""

    def __init__(self, trainer: Trainer, update: int, event: Callable[[], float]) -> None:
        self.trainer, self.objective, self.update, self.event = trainer, trainer.objective, update, event
        self.figures = self.objective.figures

    def __call__(self, model: nn.Module, batch: Batch) -> Loss:
        part = self.objective(model, batch)
        factor = self.event() if self.trainer.at.update + 1 == self.update else 1.0
        return replace(part, sum=part.sum * factor)


def asked_to_stop() -> float:
    signal.raise_signal(signal.SIGTERM)
    return 1.0


def numbers(tensors: list[torch.Tensor]) -> list[float]:
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).tolist()


def gradient(trainer: Trainer) -> list[float]:
    """The gradient of the first update: Adam's first moment is then (1 − β₁) times it."""
    trainer.update()
    return [
        m / 0.1 for m in numbers([trainer.optimizer.state[p]["exp_avg"] for p in trainer.parameters.values()])
    ]


def weights(trainer: Trainer) -> list[float]:
    return numbers(list(trainer.parameters.values()))


def figures(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


# What each of the two does, in this order.


def sums(processes: Processes, folder: Path) -> Seen:
    """Gradients of several sizes and kinds, more of them than are summed at a time; one has none."""
    distributed.BUCKET = 100
    own = processes.own(torch.tensor([1.0, 10.0]))
    shapes = [((3, 4), torch.float64), ((7,), torch.float32), ((20,), torch.float64), ((), torch.float32)]
    parameters = [nn.Parameter(torch.zeros(shape, dtype=dtype)) for shape, dtype in shapes]
    for number, parameter in enumerate(parameters[:-1], start=1):
        parameter.grad = torch.full_like(parameter, number * own.item())
    if processes.is_main:
        parameters[-1].grad = torch.tensor(0.5)
    counts = torch.tensor([own.item(), 2.0], dtype=torch.float64)
    processes.add_up(counts, parameters)
    distributed.BUCKET = 25 << 20
    return {
        "counts": counts.tolist(),
        "gradients": [p.grad.tolist() for p in parameters if p.grad is not None],
    }


def words(processes: Processes, folder: Path) -> Seen:
    """What is gathered, what the first alone does, and what goes wrong there."""
    own = torch.tensor([len(str(processes.rows)), int(processes.is_main)])
    gathered = processes.gather(own)
    calls: list[str] = []

    def wrong() -> None:
        calls.append("wrong")
        raise UserError("no such thing")

    outcome = processes.on_main(lambda: calls.append("once") or f"first: {processes.is_main}")
    try:
        processes.on_main(wrong)
        error = ""
    except UserError as raised:
        error = str(raised)
    after = processes.after_main(lambda: f"first: {processes.is_main}")
    return {
        "gathered": gathered.tolist(),
        "own": torch.equal(processes.own(gathered), own),
        "calls": calls,
        "outcome": outcome,
        "error": error,
        "after": after,
    }


def gradients(processes: Processes, folder: Path) -> Seen:
    """The gradient of one batch: of 4,096 tokens, and of a single pair, of which the second has no row."""
    return {
        str(tokens): gradient(
            build(folder / f"{tokens}", experiment(folder, tokens_per_batch=tokens), processes)
        )
        for tokens in (4096, 2)
    }


def training(processes: Processes, folder: Path) -> Seen:
    """A run with dropout; and again, stopped by a signal to the second process alone, and gone on with."""
    config = experiment(folder, dropout=0.3, tokens_per_batch=400)
    whole = build(folder / "whole", config, processes)
    whole.train()
    parts = build(folder / "parts", config, processes)
    if not processes.is_main:
        parts.objective = AtUpdate(parts, 6, asked_to_stop)
    try:
        parts.train()
        stopped = None
    except Interrupted:
        stopped = parts.at.update
    parts = build(folder / "parts", config, processes)
    begun = parts.at.update
    parts.train()
    return {
        "stopped": stopped,
        "begun": begun,
        "whole": weights(whole),
        "parts": weights(parts),
        "seconds": [whole.at.seconds, whole.at.cpu_seconds],
        "drawn": torch.rand(4).tolist(),
    }


def without_dropout(processes: Processes, folder: Path) -> Seen:
    """A run of which the second process has a bad batch."""
    trainer = build(folder / "plain", experiment(folder, tokens_per_batch=400), processes)
    if not processes.is_main:
        trainer.objective = AtUpdate(trainer, 3, lambda: math.nan)
    trainer.train()
    return {"weights": weights(trainer), "skipped": trainer.at.skipped}


def refused(processes: Processes, folder: Path) -> Seen:
    """What the two of them cannot do."""
    said = {}
    for name, tokens in (("fewer", 1), ("other", 300)):
        with pytest.raises(UserError) as caught:
            build(
                folder / ("whole" if name == "other" else name),
                experiment(folder, 0.3, tokens_per_batch=tokens),
                processes,
            )
        said[name] = str(caught.value)
    return said


def left(processes: Processes, folder: Path) -> Seen:
    """The second ends, with a reason; the first waits for it."""
    if not processes.is_main:
        raise UserError("a reason of its own")
    processes.gather(torch.zeros(1))
    return {}


STEPS = (sums, words, gradients, training, without_dropout, refused)


def one_of_two(folder: Path) -> None:
    seen = {}
    try:
        with joined() as processes:
            for step in STEPS:
                seen[step.__name__] = step(processes, folder)
            left(processes, folder)
    except UserError as error:
        seen["told"] = {"last": str(error)}
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps(seen))


def free_port() -> str:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def seen(folder: Path) -> list[dict[str, Seen]]:
    """What the first and the second process saw."""
    common = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    command = [sys.executable, "-m", __name__, str(folder)]
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=Path(__file__).parents[2],
                    env=common | {"RANK": rank, "LOCAL_RANK": rank},
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for rank in "01"
        ]
        for process in running:
            stack.callback(process.kill)
        said = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in "01"]


def test_sums_are_those_of_all_processes(seen: list[dict[str, Seen]]) -> None:
    expected = {"counts": [11.0, 4.0], "gradients": [[[11.0] * 4] * 3, [22.0] * 7, [33.0] * 20, 0.5]}
    assert [each["sums"] for each in seen] == [expected, expected]


def test_the_first_speaks_for_all(seen: list[dict[str, Seen]]) -> None:
    first, second = (each["words"] for each in seen)
    assert (
        first["gathered"] == second["gathered"] == [len("slice(0, None, 2)"), 1, len("slice(1, None, 2)"), 0]
    )
    assert first["own"] is second["own"] is True
    assert (first["calls"], second["calls"]) == (["once", "wrong"], [])
    assert first["outcome"] == second["outcome"] == "first: True"
    assert first["error"] == second["error"] == "no such thing"
    assert (first["after"], second["after"]) == ("first: True", "first: False")


@pytest.mark.parametrize("tokens", [4096, 2])
def test_gradients_are_those_of_one_process_with_the_whole_batch(
    seen: list[dict[str, Seen]], folder: Path, tokens: int
) -> None:
    alone = gradient(build(folder / f"alone-{tokens}", experiment(folder, tokens_per_batch=tokens)))
    assert max(map(abs, alone)) > 1e-3
    for each in seen:
        assert each["gradients"][str(tokens)] == pytest.approx(alone, rel=1e-10, abs=1e-10)


def test_weights_are_the_same_bit_for_bit_and_dropout_is_not(
    seen: list[dict[str, Seen]], folder: Path
) -> None:
    first, second = (each["training"] for each in seen)
    assert first["whole"] == second["whole"]
    assert first["seconds"] == second["seconds"]
    assert first["drawn"] != second["drawn"]


def test_a_signal_to_one_stops_all_and_they_go_on_bit_for_bit(
    everything: Everything, seen: list[dict[str, Seen]], folder: Path
) -> None:
    for each in seen:
        assert (each["training"]["stopped"], each["training"]["begun"]) == (6, 6)
        assert each["training"]["parts"] == each["training"]["whole"]
    assert everything(folder / "parts") == everything(folder / "whole")


def test_a_batch_that_is_bad_for_one_is_skipped_by_all(seen: list[dict[str, Seen]], folder: Path) -> None:
    trainer = build(folder / "plain-alone", experiment(folder, tokens_per_batch=400))
    trainer.objective = AtUpdate(trainer, 3, lambda: math.nan)
    trainer.train()
    for each in seen:
        assert each["without_dropout"]["skipped"] == 1
        assert each["without_dropout"]["weights"] == pytest.approx(weights(trainer), rel=1e-8, abs=1e-10)
    two, one = figures(folder / "plain"), figures(folder / "plain-alone")
    assert [line["step"] for line in two] == [3, 5, 6, 8]
    for ours, theirs in zip(two, one, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-8)


def test_what_two_cannot_do_is_refused_in_both(seen: list[dict[str, Seen]]) -> None:
    first, second = (each["refused"] for each in seen)
    assert first == second
    assert "wrong number of processes: 2, and training.tokens_per_batch is 1" in first["fewer"]
    assert "training.tokens_per_batch (was 400, now 300)" in first["other"]


def test_the_end_of_one_is_told_once(seen: list[dict[str, Seen]]) -> None:
    assert [each["told"]["last"] for each in seen] == ["", "a reason of its own"]


def test_a_run_goes_on_with_as_many_processes_as_it_was_begun_with(
    seen: list[dict[str, Seen]], folder: Path
) -> None:
    with pytest.raises(UserError) as caught:
        build(folder / "whole", experiment(folder, dropout=0.3, tokens_per_batch=400))
    (line,) = str(caught.value).splitlines()
    assert line.startswith("wrong number of processes: ")
    assert f"{folder / 'whole' / 'checkpoints' / 'step-8'} was trained by 2, found 1" in line


if __name__ == "__main__":
    one_of_two(Path(sys.argv[1]))
