"""How a model is trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nmt.config.section import Beam, Count, Name, PathName, Section, Updates
from nmt.machine import TrainingPrecision

_Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Section):
    """Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019)."""

    kind: Literal["adam", "adamw"] = Field("adam", description="the optimiser")
    lr: float = Field(1e-3, gt=0, le=1_000, description="learning rate after the warm-up")
    betas: tuple[_Beta, _Beta] = Field((0.9, 0.999), description="decay rates of the two moments")
    eps: float = Field(1e-8, gt=0, le=1, description="added to the denominator")
    weight_decay: float = Field(0.0, ge=0, le=1_000, description="weight decay")


class ConstantSchedule(Section):
    """Warm-up, then lr."""

    kind: Literal["constant"] = "constant"
    warmup: int = Field(0, ge=0, le=10**12, description="length of the warm-up, in updates")


class InverseSquareRootSchedule(Section):
    """Warm-up, then lr · sqrt(warmup / update)."""

    kind: Literal["inverse_sqrt"] = "inverse_sqrt"
    warmup: Updates = Field(400, description="length of the warm-up, in updates")


class LinearSchedule(Section):
    """Warm-up, then a linear decay to lr · final at the end of the first budget to be used up."""

    kind: Literal["linear"] = "linear"
    warmup: int = Field(0, ge=0, le=10**12, description="length of the warm-up, in updates")
    final: float = Field(0.0, ge=0, le=1, description="fraction of lr at the end")


class CosineSchedule(Section):
    """Warm-up, then a cosine decay to lr · final at the end of the first budget to be used up."""

    kind: Literal["cosine"] = "cosine"
    warmup: int = Field(0, ge=0, le=10**12, description="length of the warm-up, in updates")
    final: float = Field(0.0, ge=0, le=1, description="fraction of lr at the end")


class PlateauSchedule(Section):
    """Warm-up, then lr is multiplied by factor after every `patience` validations without improvement."""

    kind: Literal["plateau"] = "plateau"
    warmup: int = Field(0, ge=0, le=10**12, description="length of the warm-up, in updates")
    factor: float = Field(0.5, gt=0, lt=1, description="factor of a reduction")
    patience: Count = Field(2, description="validations without improvement")
    minimum: float = Field(1e-6, ge=0, le=1, description="smallest fraction of lr")


ScheduleConfig = Annotated[
    ConstantSchedule | InverseSquareRootSchedule | LinearSchedule | CosineSchedule | PlateauSchedule,
    Field(discriminator="kind"),
]


class CrossEntropyConfig(Section):
    """Cross-entropy of the true tokens, smoothed by training.label_smoothing (Szegedy et al. 2016)."""

    kind: Literal["cross_entropy"] = "cross_entropy"


class RDropConfig(Section):
    """Two passes with other dropout must agree (R-Drop, Wu et al. 2021). An update costs twice as much."""

    kind: Literal["r_drop"] = "r_drop"
    weight: float = Field(5.0, ge=0, le=1_000, description="weight of the divergence, the paper's α")


class SimCutConfig(Section):
    """A pass over cut text must agree with one over the whole (SimCut, Gao et al. 2022); costs as much."""

    kind: Literal["simcut"] = "simcut"
    weight: float = Field(3.0, ge=0, le=1_000, description="weight of the divergence, the paper's α")
    rate: float = Field(0.05, ge=0, lt=1, description="fraction of embedded tokens set to 0, on both sides")


class DistillationConfig(Section):
    """Learn the distributions of trained runs, word by word (Kim & Rush 2016)."""

    kind: Literal["distillation"] = "distillation"
    teachers: tuple[PathName, ...] = Field(
        min_length=1,
        max_length=100,
        description="run folders with the tokens of this run; several are an ensemble",
    )
    weight: float = Field(0.5, ge=0, le=1, description="weight of the teachers; the rest is cross-entropy's")


class ScheduledSamplingConfig(Section):
    """Read some of the model's own predictions in training, in two passes (Mihaylova & Martins 2019)."""

    kind: Literal["scheduled_sampling"] = "scheduled_sampling"
    rate: float = Field(0.25, ge=0, le=1, description="probability that a token read is the model's own")


class MinimumRiskConfig(Section):
    """Minimise 1 − sentence BLEU over sampled translations (Shen et al. 2016), best from a trained run."""

    kind: Literal["minimum_risk"] = "minimum_risk"
    samples: int = Field(10, ge=1, le=1_000, description="translations sampled of each sentence")
    sharpness: float = Field(0.005, gt=0, le=1_000, description="exponent of the probabilities, the α")


ObjectiveConfig = Annotated[
    CrossEntropyConfig
    | RDropConfig
    | SimCutConfig
    | DistillationConfig
    | ScheduledSamplingConfig
    | MinimumRiskConfig,
    Field(discriminator="kind"),
]


class AveragingConfig(Section):
    """Which weights are validated and kept as the model: current, an EMA, or a mean of checkpoints."""

    kind: Literal["none", "ema", "checkpoints"] = Field("none", description="kind of average")
    decay: float = Field(0.999, gt=0, lt=1, description="ema: decay per update")
    last: int = Field(5, ge=2, le=10_000, description="checkpoints: number of the newest to average")


class TrainingConfig(Section):
    """Budgets, optimiser, validation and checkpoints."""

    tokens_per_batch: Count = Field(
        2048, description="size of a batch: padded tokens of the longer side, all processes together"
    )
    bptt: Count = Field(
        128,
        description="for one long text (data.text.lines: false): length of a window of truncated "
        "backpropagation through time, in tokens",
    )
    accumulate: Count = Field(1, description="number of micro-batches of a batch")
    max_updates: Updates | None = Field(10000, description="end of training, in updates")
    max_epochs: Count | None = Field(None, description="end of training, in epochs")
    max_minutes: float | None = Field(
        None,
        gt=0,
        le=10_000_000,
        description="end of training, in minutes of wall time, resumes included",
    )
    validate_every: Updates = Field(500, description="updates between validations")
    save_every: Updates = Field(500, description="updates between checkpoints")
    keep_checkpoints: Count = Field(3, description="number of checkpoints to keep")
    log_every: Updates = Field(20, description="updates between logged metrics")
    patience: Count | None = Field(None, description="validations without improvement before stopping")
    validation_beam: Beam = Field(1, description="beam width at validations; 1 = greedy")
    best_by: Literal["bleu", "loss", "accuracy"] = Field(
        "bleu",
        description="which score chooses the best weights: bleu for translations, accuracy for "
        "labels, loss for any model",
    )
    precision: TrainingPrecision = Field(
        "auto",
        description="format of matrix products; auto = bfloat16 on a device with units for it, else float32",
    )
    device: Name = Field("auto", description="auto, cpu, cuda, cuda:1 …; auto = a GPU if there is one")
    threads: int | None = Field(None, ge=1, le=1_024, description="CPU threads; null = all cores")
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="fraction of probability spread over all tokens (Szegedy et al. 2016)"
    )
    clip_norm: float | None = Field(
        1.0, gt=0, le=1e12, description="largest norm of the whole gradient; null = no clipping"
    )
    max_bad_updates: Count = Field(20, description="non-finite updates in a row before stopping")
    objective: ObjectiveConfig = Field(CrossEntropyConfig(), description="the loss to minimise")
    init_from: PathName | None = Field(
        None,
        description="run folder whose weights this run starts with, of the same tokens and shapes",
    )
    freeze: tuple[Name, ...] = Field(
        (),
        max_length=1_000,
        description="parameters to keep as they are: names, or parts of the model such as encoder",
    )
    optimizer: OptimizerConfig = Field(OptimizerConfig(), description="the optimiser")
    schedule: ScheduleConfig = Field(InverseSquareRootSchedule(), description="the learning rate schedule")
    averaging: AveragingConfig = Field(AveragingConfig(), description="averaged weights")

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
