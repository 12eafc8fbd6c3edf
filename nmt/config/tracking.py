"""Where a run is logged besides metrics.jsonl, which is always written."""

from typing import Literal

from pydantic import Field

from nmt.config.section import Name, Section

Wandb = Literal["off", "offline", "online"]


class TrackingConfig(Section):
    """Weights & Biases, TensorBoard, trackio.

    artifact: a finished run uploads its model as a version of the artifact with the run's name. The version
    gets the alias `latest`, and `best` if no earlier version has better validation scores. Offline, earlier
    versions cannot be queried, so it is always `best`.
    """

    wandb: Wandb = Field("off", description="offline: log into the run folder, for `wandb sync`")
    project: Name = Field("nmt", description="project in wandb and trackio")
    group: Name | None = Field(None, description="group of runs in wandb and trackio")
    tags: tuple[Name, ...] = Field((), description="tags in wandb")
    notes: str | None = Field(None, description="a note in wandb")
    artifact: bool = Field(True, description="upload the model to wandb when the run is finished")
    tensorboard: bool = Field(
        False, description="log into tensorboard/ in the run folder (extra: tensorboard)"
    )
    trackio: bool = Field(False, description="log into trackio's database on this machine (extra: trackio)")
