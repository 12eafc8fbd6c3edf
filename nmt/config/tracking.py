"""Who is told about a run; metrics.jsonl is always written."""

from typing import Literal

from nmt.config.section import Section


class TrackingConfig(Section):
    """Weights & Biases, where asked for."""

    wandb: Literal["off", "offline", "online"] = "off"
    project: str = "nmt"
    group: str | None = None
    tags: tuple[str, ...] = ()
    notes: str | None = None
