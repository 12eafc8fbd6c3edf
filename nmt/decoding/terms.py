"""Terms that an output must hold, by dynamic beam allocation (Post & Vilar 2018).

B sentences, N rows (K for each), V tokens, t tokens so far, C terms of a sentence, L tokens of a term.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nmt.decoding.candidates import top
from nmt.shapes import Bool, Float, Int


class Progress(NamedTuple):
    """What each hypothesis has of its terms.

    tokens, lengths: its terms, −1 behind the last token and length 0 for none. met: which terms it has.
    current: the term that it is in the middle of, −1 for none, and how many tokens of it (`inside`) it has.
    """

    tokens: Int[Tensor, "N C L"]
    lengths: Int[Tensor, "N C"]
    met: Bool[Tensor, "N C"]
    current: Int[Tensor, "N"]
    inside: Int[Tensor, "N"]
    limits: Int[Tensor, "N"]

    @property
    def held(self) -> Int[Tensor, "N"]:
        """The number of tokens of whole terms."""
        return (self.lengths * self.met).sum(dim=1)

    @property
    def missing(self) -> Int[Tensor, "N"]:
        """The number of tokens still to come."""
        return self.lengths.sum(dim=1) - self.held - self.inside

    @property
    def next(self) -> Int[Tensor, "N C+1"]:
        """The tokens that go on with the current term, or begin one that is missing; −1 for none."""
        row = torch.arange(len(self.met), device=self.met.device)
        going_on = self.tokens[row, self.current.clamp(min=0), self.inside]
        going_on = going_on.masked_fill(self.current < 0, -1)
        first = self.tokens[:, :, 0].masked_fill(self.met, -1)
        return torch.cat([going_on.unsqueeze(1), first], dim=1)

    @property
    def gains(self) -> Int[Tensor, "N C+1"]:
        """How many tokens of terms each of `next` adds to `held`."""
        others = torch.ones_like(self.lengths)
        return torch.cat([self.inside.unsqueeze(1) + 1, others], dim=1)

    def after(self, token: Int[Tensor, "N"]) -> "Progress":
        """Return the progress after one more token; a term that another token interrupts begins again."""
        row = torch.arange(len(token), device=token.device)
        fits = self.next == token.unsqueeze(1)  # (N, C + 1)
        goes_on = fits[:, 0]
        begins = fits[:, 1:].any(dim=1)
        first = fits[:, 1:].to(torch.uint8).argmax(dim=1)
        current = torch.where(goes_on, self.current, torch.where(begins, first, -1))
        inside = torch.where(goes_on, self.inside + 1, begins.long())
        whole = (current >= 0) & (inside == self.lengths[row, current.clamp(min=0)])
        met = self.met.clone()
        met[row, current.clamp(min=0)] |= whole
        return self._replace(
            met=met, current=current.masked_fill(whole, -1), inside=inside.masked_fill(whole, 0)
        )


class Terms:
    """The terms of each sentence, as token sequences; a logits processor whose state is the progress.

    No output ends before it has them all, each for itself: none within another. Where there is only room for
    what is missing, that comes next.
    """

    def __init__(self, terms: Sequence[Sequence[Sequence[int]]], eos: int) -> None:
        count = max(1, *map(len, terms)) if terms else 1
        width = max((len(term) for each in terms for term in each), default=0) + 1  # −1 ends a term
        tokens = torch.full((len(terms), count, width), -1)
        for b, each in enumerate(terms):
            for c, term in enumerate(each):
                tokens[b, c, : len(term)] = torch.tensor(term)
        self._tokens, self._eos = tokens, eos

    def start(self, limits: Int[Tensor, "B"]) -> Progress:
        """Return the progress of hypotheses without tokens."""
        tokens = self._tokens.to(limits.device)
        lengths = (tokens >= 0).sum(dim=2)
        none = torch.zeros_like(limits)
        return Progress(tokens, lengths, lengths == 0, none - 1, none, limits)

    def __call__(
        self, log_probs: Float[Tensor, "N V"], ids: Int[Tensor, "N t"], state: Progress
    ) -> tuple[Float[Tensor, "N V"], Progress]:
        """Return the log-probabilities with −∞ for an end that is too early, and the progress so far."""
        t = ids.shape[1]
        if t:
            state = state.after(ids[:, -1])
        missing = state.missing
        log_probs[:, self._eos].masked_fill_(missing > 0, float("-inf"))
        pressing = (missing > 0) & (t + missing + 1 >= state.limits)
        if pressing.any():
            going_on, first = state.next[:, :1], state.next[:, 1:]
            allowed = torch.where(going_on >= 0, going_on, first)
            token = torch.arange(log_probs.shape[1], device=log_probs.device)
            others = (token != allowed.unsqueeze(2)).all(dim=1)  # (N, V)
            log_probs = log_probs.masked_fill(pressing.unsqueeze(1) & others, float("-inf"))
        return log_probs, state


def deal(
    rank: Float[Tensor, "B KV"], progress: Progress, finished: Bool[Tensor, "B K"]
) -> tuple[Float[Tensor, "B S"], Int[Tensor, "B S"]]:
    """Return the S ≤ K candidates of each sentence that a beam keeps, and their places.

    Candidates are the best K of all, the best of each hypothesis, and the tokens that terms need. They stand
    in banks by the number of tokens of terms that they have. Finished hypotheses keep their slots; the others
    are dealt to the banks in turn, that with the most tokens first.
    """
    size, beam = finished.shape
    width = rank.shape[1] // beam
    rows = torch.arange(beam, device=rank.device).unsqueeze(1) * width  # (K, 1)
    following = progress.next.view(size, beam, -1)
    needed = torch.where(following >= 0, following + rows, -1).flatten(1)
    each = rank.view(size, beam, width).argmax(dim=2) + rows.T
    places = torch.cat([top(rank, beam)[1], each, needed], dim=1).sort(dim=1).values  # (B, W)
    values = rank.gather(1, places.clamp(min=0))
    twice = torch.zeros_like(places, dtype=torch.bool)
    twice[:, 1:] = places[:, 1:] == places[:, :-1]
    values, order = values.masked_fill((places < 0) | twice, float("-inf")).sort(
        dim=1, descending=True, stable=True
    )
    places = places.gather(1, order)
    slots, tokens = places.clamp(min=0) // width, places % width
    bank = _banks(progress, slots, tokens)
    ended = finished.gather(1, slots)
    same = (bank.unsqueeze(2) == bank.unsqueeze(1)) & ~ended.unsqueeze(1)
    turn = same.tril(-1).sum(dim=2)  # better candidates in the same bank
    first = (turn * (int(bank.max()) + 1) - bank).masked_fill(ended, torch.iinfo(torch.int64).min)
    first.masked_fill_(values == float("-inf"), torch.iinfo(torch.int64).max)
    kept = first.argsort(dim=1, stable=True)[:, :beam]
    return values.gather(1, kept), places.gather(1, kept).clamp(min=0)


def _banks(progress: Progress, slots: Int[Tensor, "B W"], tokens: Int[Tensor, "B W"]) -> Int[Tensor, "B W"]:
    """Return how many tokens of terms each candidate, a token behind a slot, has."""
    size = len(slots)

    beam = len(progress.met) // size
    row = slots + beam * torch.arange(size, device=slots.device).unsqueeze(1)  # (B, W)
    gain = progress.gains[row] * (progress.next[row] == tokens.unsqueeze(2))
    return progress.held[row] + gain.amax(dim=2)
