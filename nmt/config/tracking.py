"""Who is told about a run; metrics.jsonl is always written."""

from typing import Literal

from nmt.config.section import Name, Section

Wandb = Literal["off", "offline", "online"]


class TrackingConfig(Section):
    """Weights & Biases, where asked for.

    artifact: a run that is done hands its model folder over too, as a version of the artifact that has the
    name of the run. The version is `latest`; it is also `best` unless the one that was best before, of
    whichever run of that name, has better validation figures. Offline that one cannot be asked, and the
    version is best.
    """

    wandb: Wandb = "off"
    project: Name = "nmt"
    group: Name | None = None
    tags: tuple[Name, ...] = ()
    notes: str | None = None
    artifact: bool = True
