"""What a search keeps at a step: the best candidates, and how lengths are weighed against each other."""

from dataclasses import dataclass
from functools import lru_cache

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
    """Return the `count` largest logits (N, count) of each row and their ids, ties to the smaller id."""
    count = min(count, logits.shape[-1])
    values, ids = some_top_pieces(logits, count + 1)
    # torch.topk leaves open which of several equal values it takes, and in what order.
    tied = (values[:, 1:] == values[:, :-1]).any(dim=1) & ~values[:, 0].isnan()
    if tied.any():
        rows = tied.nonzero().squeeze(1)
        values[rows, :count], ids[rows, :count] = _exact_top(logits[rows], values[rows, count - 1], count)
    return values[:, :count], ids[:, :count]


_CHUNKS = 512


def some_top_pieces(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return min(count, V) of the largest logits of each row and their ids, ties as they come.

    In a long row, chunk c is made of the ids c, c + 512, c + 1024 …; the best are in the chunks with the
    largest maxima, or in what is left at the end of the row.
    """
    count = min(count, logits.shape[-1])
    deep = logits.shape[-1] // _CHUNKS
    if deep < 4 or count > _CHUNKS // 8:
        values, ids = logits.topk(count, dim=-1)
        return values, ids
    inside, rest = _places(deep, logits.shape[-1], logits.device)
    chunks = logits[:, : deep * _CHUNKS].unflatten(1, (deep, _CHUNKS)).amax(dim=1).topk(count, dim=-1).indices
    ids = (chunks.unsqueeze(2) + inside).flatten(1)  # (N, count · deep)
    ids = torch.cat([ids, rest.expand(len(ids), -1)], dim=1)
    values, places = logits.gather(1, ids).topk(count, dim=-1)
    return values, ids.gather(1, places)


@lru_cache(8)
def _places(deep: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return where a chunk's ids lie, counted from its first, and the ids that are in no chunk."""
    whole = deep * _CHUNKS
    return torch.arange(0, whole, _CHUNKS, device=device), torch.arange(whole, size, device=device)


def _exact_top(logits: Tensor, last: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the `count` largest of each row, ties to the smaller id, given the last (n,)."""
    last = last.unsqueeze(1)
    above, equal = logits > last, logits == last
    room = count - above.sum(dim=1, keepdim=True)
    ids = (above | (equal & (equal.cumsum(dim=1) <= room))).nonzero()[:, 1].view(-1, count)
    values, order = logits.gather(1, ids).sort(dim=-1, descending=True, stable=True)
    return values, ids.gather(1, order)


def best_candidates(scores: Tensor, ids: Tensor, count: int) -> Tensor:
    """Return where the `count` best of a row are (B, count): by score, ties by piece id, then by place."""
    by_id = ids.argsort(dim=-1, stable=True)
    by_score = scores.gather(-1, by_id).argsort(dim=-1, descending=True, stable=True)
    return by_id.gather(-1, by_score)[:, :count]


def forbid(logits: Tensor, banned: Tensor) -> Tensor:
    """Return the logits with the banned ids at −∞, which is written into them."""
    return logits.index_fill_(-1, banned, float("-inf")) if banned.numel() else logits


def only(logits: Tensor, piece: int, rows: Tensor) -> Tensor:
    """Return the logits with everything but one piece at −∞ in the rows (N,) marked True."""
    others = torch.arange(logits.shape[-1], device=logits.device) != piece
    return logits.masked_fill(rows.unsqueeze(1) & others, float("-inf"))
