"""One experiment: the whole configuration file."""

from typing import Self

from pydantic import Field, model_validator

from nmt.config.data import DataConfig
from nmt.config.decoding import DecodingConfig
from nmt.config.model import AnyModelConfig, LanguageModelConfig, ModelConfig, TaggerConfig
from nmt.config.section import Section, Seed
from nmt.config.tracking import TrackingConfig
from nmt.config.training import (
    DistillationConfig,
    MinimumRiskConfig,
    ScheduledSamplingConfig,
    TrainingConfig,
)

_NEEDS = {"bleu": "translations", "accuracy": "labels"}


class Experiment(Section):
    """Everything that a run depends on."""

    name: str = Field(pattern=r"^\w[\w.-]*$", max_length=200, description="the run folder is runs/NAME")
    seed: Seed = Field(1, description="random seed of weights, batches, dropout and segmentations")
    data: DataConfig = Field(description="the corpus and its tokenizer")
    model: AnyModelConfig = Field(ModelConfig(), description="the network")
    training: TrainingConfig = Field(TrainingConfig(), description="budgets, optimiser and validation")
    decoding: DecodingConfig = Field(DecodingConfig(), description="beam search")
    tracking: TrackingConfig = Field(TrackingConfig(), description="Weights & Biases, TensorBoard, trackio")

    @model_validator(mode="after")
    def _tying_needs_one_vocabulary(self) -> Self:
        model, shared = self.model, self.data.tokenizer.shared
        if isinstance(model, ModelConfig) and model.tie_embeddings == "three_way" and not shared:
            raise ValueError(
                "model.tie_embeddings three_way needs data.tokenizer.shared: true, found false; "
                "share the vocabulary or tie two_way"
            )
        return self

    @model_validator(mode="after")
    def _data_and_model_go_together(self) -> Self:
        data, kind = self.data, self.model.kind
        if isinstance(self.model, ModelConfig):
            if not data.pairs:
                key, kinds = ("text", "language_model") if data.text else ("labelled", "classifier or tagger")
                raise ValueError(
                    f"model.kind seq2seq needs pairs and data.{key} has none; "
                    f"set model.kind: {kinds}, or give data.files, tsv, dataset or builtin"
                )
        elif isinstance(self.model, LanguageModelConfig):
            if data.text is None:
                raise ValueError("model.kind language_model reads one language; give data.text")
        elif data.labelled is None:
            raise ValueError(f"model.kind {kind} learns labels; give data.labelled")
        if isinstance(self.model, TaggerConfig) and data.tokenizer.kind != "word":
            raise ValueError(
                "model.kind tagger has a label for each word between spaces, and data.tokenizer.kind "
                f"{data.tokenizer.kind} cuts a text otherwise; set data.tokenizer.kind: word"
            )
        if data.continuous and self.training.tokens_per_batch < self.training.bptt:
            raise ValueError(
                f"training.tokens_per_batch is {self.training.tokens_per_batch}, less than a single row of "
                f"training.bptt {self.training.bptt}; raise it or lower bptt"
            )
        return self

    @model_validator(mode="after")
    def _objective_and_model_go_together(self) -> Self:
        objective, kind = self.training.objective, self.model.kind
        reads_text = isinstance(self.model, ModelConfig | LanguageModelConfig)
        if isinstance(objective, MinimumRiskConfig) and not isinstance(self.model, ModelConfig):
            raise ValueError(
                f"training.objective minimum_risk samples translations, and model.kind {kind} makes none; "
                "take another objective"
            )
        if isinstance(objective, ScheduledSamplingConfig) and not reads_text:
            raise ValueError(
                "training.objective scheduled_sampling is for models that read what they predict, and "
                f"model.kind {kind} does not; take another objective"
            )
        if isinstance(objective, DistillationConfig) and self.data.continuous:
            raise ValueError(
                "training.objective distillation needs one line at a time, and data.text.lines is false; "
                "set it to true, or take another objective"
            )
        return self

    @model_validator(mode="after")
    def _chosen_by_what_it_has(self) -> Self:
        best_by, own = self.training.best_by, self.model.chosen_by
        if best_by not in ("loss", own):
            raise ValueError(
                f"training.best_by {best_by} needs {_NEEDS[best_by]}, and model.kind {self.model.kind} makes "
                f"none; set training.best_by: {own}"
            )
        return self
