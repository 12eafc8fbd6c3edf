"""Diverse beam search (Vijayakumar et al. 2018): groups of hypotheses that avoid each other's tokens.

B sentences, K hypotheses each, in groups of K / groups neighbours; V tokens.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.decoding.candidates import top
from nmt.shapes import Bool, Float, Int


@dataclass(frozen=True)
class Groups:
    """How many groups a beam has, and what a candidate loses for each earlier group's same token."""

    count: int
    strength: float

    def firsts(self, beam: int) -> slice:
        """Return the slots that begin a group."""
        return slice(None, None, beam // self.count)

    def deal(
        self, rank: Float[Tensor, "B KV"], finished: Bool[Tensor, "B K"]
    ) -> tuple[Float[Tensor, "B K"], Int[Tensor, "B K"]]:
        """Return the candidates that a beam keeps, without what they lose, and their places.

        A group chooses among its own candidates, after the groups before it. What it loses counts for this
        choice alone: the log-probabilities of hypotheses stay what the model gives.
        """
        (size, beam), own = finished.shape, finished.shape[1] // self.count
        of_slot = rank.view(size, beam, -1)  # (B, K, V)
        lost = torch.zeros_like(of_slot[:, 0])  # (B, V)
        places = []
        for first in range(0, beam, own):
            group = of_slot[:, first : first + own] - lost.unsqueeze(1)
            # Of equal candidates the smaller token comes first, then the smaller slot.
            values, chosen = top(group.mT.flatten(1), own)
            slots, tokens = first + chosen % own, chosen // own
            places.append(slots * of_slot.shape[2] + tokens)
            new = ~finished.gather(1, slots) & (values != float("-inf"))
            lost.scatter_add_(1, tokens, self.strength * new.to(lost.dtype))
        kept = torch.cat(places, dim=1)
        return rank.gather(1, kept), kept
