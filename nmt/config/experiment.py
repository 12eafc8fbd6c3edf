"""One experiment: a file that is complete in itself."""

from typing import Self

from pydantic import Field, model_validator

from nmt.config.data import DataConfig
from nmt.config.decoding import DecodingConfig
from nmt.config.model import ModelConfig
from nmt.config.section import Section
from nmt.config.tracking import TrackingConfig
from nmt.config.training import TrainingConfig


class Experiment(Section):
    """Everything that a run depends on."""

    name: str = Field(pattern=r"^\w[\w.-]*$", description="the run folder is runs/NAME")
    seed: int = Field(1, ge=0)
    data: DataConfig
    model: ModelConfig = ModelConfig()
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
