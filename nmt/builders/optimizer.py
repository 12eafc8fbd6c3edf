"""The training section → optimiser, learning rate schedule, averaging, and the pace of a run."""

from collections.abc import Callable
from typing import assert_never

import torch
from torch import nn

from nmt.config import training as config
from nmt.training.averaging import Averaging, CheckpointAveraging, Ema
from nmt.training.checkpoint import Checkpoints
from nmt.training.recipe import Pace, Recipe, Records
from nmt.training.schedules import (
    CosineSchedule,
    InverseSquareRootSchedule,
    LinearSchedule,
    PlateauSchedule,
    Schedule,
)


def build_optimizer(section: config.OptimizerConfig, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return torch's fused Adam or AdamW (decoupled weight decay) over the parameters."""
    kind: type[torch.optim.Adam] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[section.kind]
    return kind(
        parameters,
        lr=section.lr,
        betas=section.betas,
        eps=section.eps,
        weight_decay=section.weight_decay,
        fused=True,
    )


def build_schedule(section: config.ScheduleConfig) -> Schedule:
    """Return the learning rate schedule."""
    match section:
        case config.ConstantSchedule():
            return Schedule(section.warmup)
        case config.InverseSquareRootSchedule():
            return InverseSquareRootSchedule(section.warmup)
        case config.LinearSchedule():
            return LinearSchedule(section.warmup, section.final)
        case config.CosineSchedule():
            return CosineSchedule(section.warmup, section.final)
        case config.PlateauSchedule():
            return PlateauSchedule(section.warmup, section.factor, section.patience, section.minimum)
        case other:
            assert_never(other)


def build_averaging(
    section: config.AveragingConfig,
    parameters: dict[str, nn.Parameter],
    checkpoints: Checkpoints,
    log: Callable[[str], None],
) -> Averaging:
    """Return the averaging that decides which weights are validated and kept; log: prints messages."""
    match section.kind:
        case "none":
            return Averaging()
        case "ema":
            return Ema(parameters, section.decay)
        case "checkpoints":
            return CheckpointAveraging(parameters, checkpoints, section.last, log)
        case other:
            assert_never(other)


def build_recipe(
    section: config.TrainingConfig,
    model: nn.Module,
    precision: torch.dtype,
    device: torch.device,
    records: Records,
) -> Recipe:
    """Return the recipe of an update."""
    parameters = dict(model.named_parameters())
    return Recipe(
        optimizer=build_optimizer(section.optimizer, [p for p in parameters.values() if p.requires_grad]),
        schedule=build_schedule(section.schedule),
        averaging=build_averaging(section.averaging, parameters, records.checkpoints, records.progress.log),
        rate=section.optimizer.lr,
        precision=precision,
        device=device,
        clip_norm=section.clip_norm,
        accumulate=section.accumulate,
        max_bad_updates=section.max_bad_updates,
    )


def build_pace(section: config.TrainingConfig) -> Pace:
    """Return when a run validates, saves, logs and ends."""
    return Pace(
        validate_every=section.validate_every,
        save_every=section.save_every,
        log_every=section.log_every,
        max_updates=section.max_updates,
        max_epochs=section.max_epochs,
        max_minutes=section.max_minutes,
        patience=section.patience,
    )
