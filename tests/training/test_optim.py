"""The learning rate at exact points, and averages against a loop by hand."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from nmt.builders.optimizer import build_optimizer, build_schedule
from nmt.config.training import (
    ConstantSchedule,
    CosineSchedule,
    InverseSquareRootSchedule,
    LinearSchedule,
    OptimizerConfig,
    PlateauSchedule,
    ScheduleConfig,
)
from nmt.training.averaging import Ema
from nmt.training.optim import (
    fill,
    mean_weights,
    step_if_finite,
    weights_of,
)


@pytest.mark.parametrize(
    ("config", "update", "progress", "expected"),
    [
        (ConstantSchedule(), 1, 0.0, 1.0),
        (ConstantSchedule(warmup=4), 1, 0.0, 0.25),
        (ConstantSchedule(warmup=4), 3, 0.0, 0.75),
        (ConstantSchedule(warmup=4), 4, 0.0, 1.0),
        (InverseSquareRootSchedule(warmup=100), 50, 0.5, 0.5),
        (InverseSquareRootSchedule(warmup=100), 100, 0.5, 1.0),
        (InverseSquareRootSchedule(warmup=100), 400, 0.5, 0.5),
        (LinearSchedule(warmup=10), 5, 4 / 100, 0.5),
        (LinearSchedule(warmup=10), 10, 9 / 100, 1.0),
        (LinearSchedule(warmup=10), 55, 54 / 99, 0.5),
        (LinearSchedule(warmup=10), 100, 99 / 100, 1 / 91),
        (CosineSchedule(warmup=10), 10, 9 / 100, 1.0),
        (CosineSchedule(warmup=10), 55, 54 / 99, 0.5),
        (LinearSchedule(), 1, 0.0, 1.0),
        (LinearSchedule(), 26, 0.25, 0.75),
        (LinearSchedule(), 100, 0.99, 0.01),
        (LinearSchedule(final=0.2), 51, 0.5, 0.6),
        (LinearSchedule(final=0.2), 130, 1.3, 0.2),
        (CosineSchedule(warmup=10), 9, 0.08, 0.9),
        (CosineSchedule(), 1, 0.0, 1.0),
        (CosineSchedule(), 51, 0.5, 0.5),
        (CosineSchedule(), 26, 0.25, 0.5 + 0.5 * math.cos(math.pi / 4)),
        (CosineSchedule(), 100, 0.99, 0.5 + 0.5 * math.cos(math.pi * 0.99)),
        (CosineSchedule(final=0.1), 131, 1.3, 0.1),
        (PlateauSchedule(warmup=2), 1, 0.0, 0.5),
        (PlateauSchedule(warmup=2), 70, 0.9, 1.0),
    ],
)
def test_the_learning_rate_at_exact_points(
    config: ScheduleConfig, update: int, progress: float, expected: float
) -> None:
    assert build_schedule(config).factor(update, progress) == pytest.approx(expected, abs=1e-15)


def test_a_plateau_lowers_the_rate_after_patience_and_no_further_than_the_minimum() -> None:
    schedule = build_schedule(PlateauSchedule(factor=0.5, patience=2, minimum=0.2))
    seen = []
    for improved in (False, True, False, False, False, False, False, False):
        schedule.validated(improved=improved)
        seen.append(schedule.factor(10, 0.0))
    assert seen == [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.2]


def test_a_plateau_goes_on_from_a_saved_state() -> None:
    config = PlateauSchedule(factor=0.5, patience=2)
    schedule, other = build_schedule(config), build_schedule(config)
    for _ in range(3):
        schedule.validated(improved=False)
    other.load_state(schedule.state())
    for each in (schedule, other):
        each.validated(improved=False)
    assert schedule.factor(1, 0.0) == other.factor(1, 0.0) == 0.25


def weights(seed: int) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [
        nn.Parameter(torch.randn(4, 3, dtype=torch.float64, generator=generator)),
        nn.Parameter(torch.randn(3, dtype=torch.float64, generator=generator)),
    ]


@pytest.mark.parametrize(
    ("config", "plain"),
    [
        (OptimizerConfig(kind="adam", lr=0.1, betas=(0.8, 0.99), eps=1e-6), torch.optim.Adam),
        (OptimizerConfig(kind="adam", lr=0.1, weight_decay=0.1), torch.optim.Adam),
        (OptimizerConfig(kind="adamw", lr=0.1, weight_decay=0.1), torch.optim.AdamW),
    ],
)
def test_the_optimizer_is_the_textbook_one(config: OptimizerConfig, plain: type[torch.optim.Adam]) -> None:
    ours, theirs = weights(1), weights(1)
    textbook = plain(
        theirs, 0.1, betas=config.betas, eps=config.eps, weight_decay=config.weight_decay, foreach=False
    )
    pair = ((ours, build_optimizer(config, ours)), (theirs, textbook))
    for step in range(5):
        for parameters, optimizer in pair:
            for parameter in parameters:
                parameter.grad = torch.sin(parameter.detach() + step)
            optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_an_ema_is_what_a_loop_by_hand_gives() -> None:
    parameters = dict(zip("ab", weights(2), strict=True))
    ema = Ema(parameters, decay=0.3)
    expected = {name: p.detach().clone() for name, p in parameters.items()}
    for n in range(1, 8):
        with torch.no_grad():
            for p in parameters.values():
                p.add_(n)
        ema.update()
        d = min(0.3, (1 + n) / (10 + n))
        expected = {name: d * expected[name] + (1 - d) * p.detach() for name, p in parameters.items()}
    for name, average in ema.average.items():
        torch.testing.assert_close(average, expected[name], rtol=1e-14, atol=1e-14)


def test_the_mean_of_sets_is_what_a_hand_computes() -> None:
    sets = [{"w": torch.tensor([n, 2.0 * n]), "b": torch.tensor([float(n % 2)])} for n in (1.0, 2.0, 6.0)]
    before = sets[0]["w"].clone()
    mean = mean_weights(iter(sets))
    assert mean["w"].tolist() == [3.0, 6.0]
    assert mean["b"].item() == pytest.approx(1 / 3)
    assert torch.equal(sets[0]["w"], before)


def test_other_weights_stand_in_for_a_while_and_go() -> None:
    parameters = {"w": nn.Parameter(torch.tensor([1.0, 2.0]))}
    identity = id(parameters["w"])
    with weights_of(parameters, {"w": torch.tensor([8.0, 9.0])}):
        assert parameters["w"].tolist() == [8.0, 9.0]
    assert parameters["w"].tolist() == [1.0, 2.0]
    with weights_of(parameters, None):
        assert parameters["w"].tolist() == [1.0, 2.0]

    def fail() -> None:
        with weights_of(parameters, {"w": torch.zeros(2)}):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert parameters["w"].tolist() == [1.0, 2.0]
    fill(parameters, {"w": torch.tensor([3.0, 4.0])})
    assert parameters["w"].tolist() == [3.0, 4.0]
    assert id(parameters["w"]) == identity


OPTIMIZERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "fused": lambda parameters: build_optimizer(OptimizerConfig(), parameters),
    "adam": lambda parameters: torch.optim.Adam(parameters, fused=False),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adafactor": torch.optim.Adafactor,
}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_any_optimiser_is_left_alone_by_a_gradient_that_is_not_finite(kind: str) -> None:
    (parameter,) = parameters = [nn.Parameter(torch.ones(3, 2))]
    optimizer = OPTIMIZERS[kind](parameters)
    seen = []
    for gradient in (1.0, math.nan, 1.0):
        parameter.grad = torch.full_like(parameter, gradient)
        step_if_finite(optimizer, parameter.grad.isfinite().all())
        slots = [t.clone() for t in optimizer.state[parameter].values() if isinstance(t, torch.Tensor)]
        seen.append([parameter.detach().clone(), *slots])
    first, skipped, later = seen
    assert all(torch.equal(a, b) for a, b in zip(first, skipped, strict=True))
    assert not torch.equal(later[0], first[0])
    assert later[0].isfinite().all()
