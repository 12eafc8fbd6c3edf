"""How the weights are found."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nmt.config.section import Beam, Count, Name, Section, Updates
from nmt.machine import TrainingPrecision

_Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Section):
    """Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019)."""

    kind: Literal["adam", "adamw"] = "adam"
    lr: float = Field(1e-3, gt=0, le=1_000)
    betas: tuple[_Beta, _Beta] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0, le=1)
    weight_decay: float = Field(0.0, ge=0, le=1_000)


class ConstantSchedule(Section):
    """Warm-up, then the learning rate as given."""

    kind: Literal["constant"] = "constant"
    warmup: int = Field(0, ge=0, le=10**12, description="updates")


class InverseSquareRootSchedule(Section):
    """Warm-up, then lr · sqrt(warmup / update)."""

    kind: Literal["inverse_sqrt"] = "inverse_sqrt"
    warmup: Updates = Field(400, description="updates")


class LinearSchedule(Section):
    """Warm-up, then a straight line down to lr · final at the end of the budget, whichever it is."""

    kind: Literal["linear"] = "linear"
    warmup: int = Field(0, ge=0, le=10**12, description="updates")
    final: float = Field(0.0, ge=0, le=1, description="share of lr at the end")


class CosineSchedule(Section):
    """Warm-up, then half a cosine down to lr · final at the end of the budget, whichever it is."""

    kind: Literal["cosine"] = "cosine"
    warmup: int = Field(0, ge=0, le=10**12, description="updates")
    final: float = Field(0.0, ge=0, le=1, description="share of lr at the end")


class PlateauSchedule(Section):
    """Warm-up, then lr is multiplied by factor whenever validation has not improved `patience` times."""

    kind: Literal["plateau"] = "plateau"
    warmup: int = Field(0, ge=0, le=10**12, description="updates")
    factor: float = Field(0.5, gt=0, lt=1)
    patience: Count = Field(2, description="validations without improvement")
    minimum: float = Field(1e-6, ge=0, le=1, description="share of lr below which it does not fall")


ScheduleConfig = Annotated[
    ConstantSchedule | InverseSquareRootSchedule | LinearSchedule | CosineSchedule | PlateauSchedule,
    Field(discriminator="kind"),
]


class CrossEntropyConfig(Section):
    """Cross-entropy of the true tokens, smoothed by training.label_smoothing (Szegedy et al. 2016)."""

    kind: Literal["cross_entropy"] = "cross_entropy"


ObjectiveConfig = CrossEntropyConfig


class AveragingConfig(Section):
    """Which weights are validated and kept as the model: the raw ones, an EMA, or a mean of checkpoints."""

    kind: Literal["none", "ema", "checkpoints"] = "none"
    decay: float = Field(0.999, gt=0, lt=1, description="ema: weight of the past per update")
    last: int = Field(5, ge=2, le=10_000, description="checkpoints: how many of the newest are averaged")


class TrainingConfig(Section):
    """Budgets, optimiser, validation and checkpoints."""

    tokens_per_batch: Count = Field(
        2048, description="padded tokens of the longer side, all processes together"
    )
    bptt: Count = Field(
        128,
        description="of one long text (data.text.lines: false): positions that gradients reach back",
    )
    accumulate: Count = Field(1, description="pieces a batch is computed in, one after the other")
    max_updates: Updates | None = 10000
    max_epochs: Count | None = None
    max_minutes: float | None = Field(
        None, gt=0, le=10_000_000, description="wall time of this run, resumes included"
    )
    validate_every: Updates = Field(500, description="updates")
    save_every: Updates = Field(500, description="updates")
    keep_checkpoints: Count = 3
    log_every: Updates = Field(20, description="updates")
    patience: Count | None = Field(None, description="validations without improvement before stopping")
    validation_beam: Beam = Field(1, description="of the decoding at validations; 1 = greedy")
    best_by: Literal["bleu", "loss", "accuracy"] = Field(
        "bleu", description="bleu of translations, accuracy of labels, loss of anything"
    )
    precision: TrainingPrecision = "auto"
    device: Name = Field("auto", description="auto, cpu, cuda, cuda:1 …")
    threads: int | None = Field(None, ge=1, le=1_024, description="CPU threads; null = all cores")
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    clip_norm: float | None = Field(1.0, gt=0, le=1e12, description="global norm; null = no clipping")
    max_bad_updates: Count = Field(20, description="non-finite updates in a row before stopping")
    objective: ObjectiveConfig = Field(CrossEntropyConfig(), description="what is minimised")
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = InverseSquareRootSchedule()
    averaging: AveragingConfig = AveragingConfig()

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.max_updates is None and self.max_epochs is None and self.max_minutes is None:
            raise ValueError("nothing ends this run; give max_updates, max_epochs or max_minutes")
        needed = self.averaging.last - 1
        if self.averaging.kind == "checkpoints" and self.keep_checkpoints < needed:
            raise ValueError(
                f"averaging.last is {self.averaging.last}, which needs keep_checkpoints of {needed} or more, "
                f"found {self.keep_checkpoints}"
            )
        return self
