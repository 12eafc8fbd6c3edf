"""How text is sampled, as plain values: no torch is loaded for them."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    pass


class Drawing(NamedTuple):
    """How to draw: see `SamplingSettings`."""

    seed: int
    temperature: float
    top_k: int | None
    top_p: float
