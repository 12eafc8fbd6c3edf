"""The best candidates of a search step, and the length penalty.

N rows, W candidates in each, C of them kept.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from nmt.shapes import Float, Int


@dataclass(frozen=True)
class LengthPenalty:
    """score = log-probability / ((offset + Ty) / (offset + 1))^alpha, Ty counting </s>.

    offset 5 is GNMT's (Wu et al. 2016, eq. 14), offset 0 averages over tokens, alpha 0 ranks by
    log-probability alone. alpha ≥ 0, so the divisor never falls with the length.
    """

    alpha: float
    offset: float

    def __call__(
        self, log_prob: Float[Tensor, "*rows"], length: Int[Tensor, "*rows"]
    ) -> Float[Tensor, "*rows"]:
        """Return the scores of hypotheses of the given log-probabilities and lengths."""
        # log and exp instead of pow: the last bit of torch's pow depends on an element's position.
        ratio = (self.offset + length.double()) / (self.offset + 1)
        return log_prob / (self.alpha * ratio.log()).exp().to(log_prob.dtype)


def top(scores: Float[Tensor, "N W"], count: int) -> tuple[Float[Tensor, "N C"], Int[Tensor, "N C"]]:
    """Return the `count` largest scores of each row and their places; a tie goes to the smaller place."""
    count = min(count, scores.shape[-1])
    values, places = some_top(scores, count + 1)
    # torch.topk does not define which of several equal values it returns, nor their order.
    tied = (values[:, 1:] == values[:, :-1]).any(dim=1) & ~values[:, 0].isnan()
    if tied.any():
        rows = tied.nonzero().squeeze(1)
        values[rows, :count], places[rows, :count] = _exact_top(scores[rows], values[rows, count - 1], count)
    return values[:, :count], places[:, :count]


_CHUNKS = 512


def some_top(scores: Float[Tensor, "N W"], count: int) -> tuple[Float[Tensor, "N C"], Int[Tensor, "N C"]]:
    """Return the C = min(count, W) largest scores of each row and their places; ties in any order.

    In a long row, chunk c has the places c, c + 512, c + 1024 …. The best scores are in the chunks with the
    largest maxima, or in the rest at the end of the row.
    """
    count = min(count, scores.shape[-1])
    deep = scores.shape[-1] // _CHUNKS
    if deep < 4 or count > _CHUNKS // 8:
        values, places = scores.topk(count, dim=-1)
        return values, places
    inside, rest = _places(deep, scores.shape[-1], scores.device)
    chunks = scores[:, : deep * _CHUNKS].unflatten(1, (deep, _CHUNKS)).amax(dim=1).topk(count, dim=-1).indices
    places = (chunks.unsqueeze(2) + inside).flatten(1)  # (N, count · deep)
    places = torch.cat([places, rest.expand(len(places), -1)], dim=1)
    values, best = scores.gather(1, places).topk(count, dim=-1)
    return values, places.gather(1, best)


@lru_cache(8)
def _places(deep: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the places of a chunk relative to its first, and the places that are in no chunk."""
    whole = deep * _CHUNKS
    return torch.arange(0, whole, _CHUNKS, device=device), torch.arange(whole, size, device=device)


def _exact_top(
    scores: Float[Tensor, "N W"], last: Float[Tensor, "N"], count: int
) -> tuple[Float[Tensor, "N C"], Int[Tensor, "N C"]]:
    """Return the `count` largest of each row, given the smallest of them; ties as in `top`."""
    last = last.unsqueeze(1)
    above, equal = scores > last, scores == last
    room = count - above.sum(dim=1, keepdim=True)
    places = (above | (equal & (equal.cumsum(dim=1) <= room))).nonzero()[:, 1].view(-1, count)
    values, order = scores.gather(1, places).sort(dim=-1, descending=True, stable=True)
    return values, places.gather(1, order)
