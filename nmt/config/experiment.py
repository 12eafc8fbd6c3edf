"""One experiment: a file that is complete in itself."""

from typing import Self

from pydantic import Field, model_validator

from nmt.config.data import DataConfig
from nmt.config.decoding import DecodingConfig
from nmt.config.model import AnyModelConfig, LanguageModelConfig, ModelConfig
from nmt.config.section import Section
from nmt.config.tracking import TrackingConfig
from nmt.config.training import TrainingConfig


class Experiment(Section):
    """Everything that a run depends on."""

    name: str = Field(pattern=r"^\w[\w.-]*$", description="the run folder is runs/NAME")
    seed: int = Field(1, ge=0)
    data: DataConfig
    model: AnyModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    decoding: DecodingConfig = DecodingConfig()
    tracking: TrackingConfig = TrackingConfig()

    @model_validator(mode="after")
    def _tying_needs_one_vocabulary(self) -> Self:
        if self.model.tie_embeddings == "three_way" and not self.data.tokenizer.shared:
            raise ValueError(
                "model.tie_embeddings three_way needs data.tokenizer.shared: true, found false; "
                "share the vocabulary or tie two_way"
            )
        return self

    @model_validator(mode="after")
    def _data_and_model_go_together(self) -> Self:
        translates = not isinstance(self.model, LanguageModelConfig)
        if translates and self.data.text is not None:
            raise ValueError(
                "model.kind seq2seq needs pairs and data.text has none; "
                "set model.kind: language_model, or give data.files, tsv, dataset or builtin"
            )
        if translates:
            return self
        if self.data.text is None:
            raise ValueError("model.kind language_model reads one language; give data.text")
        if self.training.best_by == "bleu":
            raise ValueError(
                "training.best_by bleu needs translations, and model.kind language_model makes none; "
                "set training.best_by: loss"
            )
        if self.data.continuous and self.training.tokens_per_batch < self.training.bptt:
            raise ValueError(
                f"training.tokens_per_batch is {self.training.tokens_per_batch}, less than a single row of "
                f"training.bptt {self.training.bptt}; raise it or lower bptt"
            )
        return self
