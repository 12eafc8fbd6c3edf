"""What a search keeps at a step: the best candidates, and how lengths are weighed against each other."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LengthPenalty:
    """score = log-probability / ((offset + Ty) / (offset + 1))^alpha, Ty counting </s>.

    offset 5 is GNMT's (Wu et al. 2016, eq. 14), offset 0 averages over tokens, alpha 0 ranks by
    log-probability alone. alpha ≥ 0, so that a longer hypothesis divides by no less.
    """

    alpha: float
    offset: float

    def __call__(self, log_prob: Tensor, length: Tensor) -> Tensor:
        """Return the scores of hypotheses of the given log-probabilities and lengths."""
        return log_prob / ((self.offset + length.to(log_prob.dtype)) / (self.offset + 1)) ** self.alpha


def top_pieces(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the `count` largest logits (N, count) of each row and their ids, ties to the smaller id.

    torch.topk leaves open which of several equal values it takes; where that matters, in rows whose
    last place is tied, a stable sort decides.
    """
    count = min(count, logits.shape[-1])
    reach = min(count + 1, logits.shape[-1])
    values, ids = logits.topk(reach, dim=-1)
    if reach > count:
        tied = values[:, count - 1] == values[:, count]
        if tied.any():
            rows = tied.nonzero().squeeze(1)
            exact, order = logits[rows].sort(dim=-1, descending=True, stable=True)
            values[rows], ids[rows] = exact[:, :reach], order[:, :reach]
        values, ids = values[:, :count], ids[:, :count]
    ids, order = ids.sort(dim=-1)
    values, best = values.gather(-1, order).sort(dim=-1, descending=True, stable=True)
    return values, ids.gather(-1, best)


def best_candidates(scores: Tensor, ids: Tensor, count: int) -> Tensor:
    """Return where the `count` best of a row are (B, count): by score, ties by piece id, then by place."""
    by_id = ids.argsort(dim=-1, stable=True)
    by_score = scores.gather(-1, by_id).argsort(dim=-1, descending=True, stable=True)
    return by_id.gather(-1, by_score)[:, :count]


def forbid(logits: Tensor, banned: Tensor) -> Tensor:
    """Return the logits with the banned ids at −∞."""
    return logits.index_fill(-1, banned, float("-inf")) if banned.numel() else logits


def only(logits: Tensor, piece: int, rows: Tensor) -> Tensor:
    """Return the logits with everything but one piece at −∞ in the rows (N,) marked True."""
    others = torch.arange(logits.shape[-1], device=logits.device) != piece
    return logits.masked_fill(rows.unsqueeze(1) & others, float("-inf"))
