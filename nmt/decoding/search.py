"""The search loop: beam search over a step scorer. It knows no model.

B sentences, K hypotheses a sentence, N = B · K rows, V tokens, Tx source positions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar, cast

import torch
from torch import Tensor

from nmt.decoding.candidates import LengthPenalty, some_top, top
from nmt.decoding.coverage import CoveragePenalty
from nmt.decoding.diversity import Groups
from nmt.decoding.engine import Hypothesis
from nmt.decoding.processors import AnyProcessor, LengthLimit, Processors
from nmt.decoding.terms import Progress, Terms, deal
from nmt.decoding.trees import Tree, select_rows
from nmt.shapes import Bool, Float, Int

Source = TypeVar("Source", contravariant=True)
Memory = TypeVar("Memory", bound=Tree)
State = TypeVar("State", bound=Tree)


class Step(NamedTuple, Generic[State]):
    """Log-probabilities of the next token, the next state, and the alignment.

    log_probs have at least float32 precision. The search may overwrite them.
    """

    log_probs: Float[Tensor, "N V"]
    state: State
    alignment: Float[Tensor, "N Tx"] | None


class StepScorer(Protocol[Source, Memory, State]):
    """The interface of a model, an ensemble or a fusion to a search."""

    def start(self, source: Source) -> tuple[Memory, State]:
        """Return the fixed memory of the sentences (B rows) and the first state (B rows)."""

    def step(self, y_prev: Int[Tensor, "N"], memory: Memory, state: State) -> Step[State]:
        """Score the next token after y_prev."""


AnyScorer: TypeAlias = StepScorer[Any, Any, Any]  # any source, memory and state


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """The size and limits of a search, and the ids of the special tokens it needs.

    processors: rules about the next token, applied in order; the terms and the length limit come last.
    terms: what each output must hold; the beam is then shared by hypotheses with more and fewer of them.
    coverage: what a score loses for source tokens left out; of the sentences of one batch, as terms are.
    groups: of a diverse beam.
    """

    beam: int
    penalty: LengthPenalty
    bos: int
    eos: int
    processors: tuple[AnyProcessor, ...] = ()
    terms: Terms | None = None
    coverage: CoveragePenalty | None = None
    groups: Groups | None = None
    n_best: int = 1
    max_ratio: float = 2.0
    max_extra: int = 10
    early_stop: bool = True

    def limits(self, lengths: Int[Tensor, "B"]) -> Int[Tensor, "B"]:
        """Return the longest output for sources of these lengths, </s> counted on both sides."""
        return ((lengths * self.max_ratio).long() + self.max_extra).clamp(min=1)


# Called at each decision with its sentences and the gap. At a step: the log-probability gap between the last
# candidate kept and the first dropped. At the end: the score gap between the best two hypotheses.
Observer = Callable[[Int[Tensor, "B"], Float[Tensor, "B"]], None]


class _Beam:
    """The hypotheses of the unfinished sentences: B rows of K slots.

    A slot is live, finished or empty (log-probability −∞). At first all slots but one (of each group) are
    empty. Some stay empty if there are fewer continuations than slots.
    """

    def __init__(self, limits: Int[Tensor, "B"], settings: SearchSettings, dtype: torch.dtype) -> None:
        device, shape, size = limits.device, (len(limits), settings.beam), int(limits.max())
        self.settings, self.limits = settings, limits
        self.rows = torch.arange(len(limits), device=device)
        self.log_probs = torch.full(shape, float("-inf"), dtype=dtype, device=device)
        self.log_probs[:, settings.groups.firsts(settings.beam) if settings.groups else 0] = 0.0
        self.finished, self.some_finished = torch.zeros(shape, dtype=torch.bool, device=device), False
        self.lengths = torch.zeros(shape, dtype=torch.long, device=device)
        self.ids = torch.full((*shape, size), settings.eos, device=device)
        self.alignments: Tensor | None = None
        self.totals: Tensor | None = None
        self.first_row = settings.beam * torch.arange(len(limits), device=device).unsqueeze(1)
        # A finished hypothesis ranks before all candidates, in the order of slots.
        slots = torch.arange(1, settings.beam + 1, dtype=dtype, device=device)
        self.itself = torch.finfo(dtype).max / slots  # (K,)

    def tokens(self, position: int) -> Int[Tensor, "N t"]:
        """Return the tokens of every hypothesis before a position."""
        return self.ids.flatten(0, 1)[:, :position]

    def advance(
        self,
        log_probs: Float[Tensor, "N V"],
        alignment: Float[Tensor, "N Tx"] | None,
        position: int,
        progress: Progress | None,
    ) -> tuple[Int[Tensor, "N"], Float[Tensor, "B"]]:
        """Extend every live hypothesis by its best tokens and keep K per sentence.

        A finished hypothesis keeps its slot: its only candidate is itself, and it ranks before all others.
        So with one slot this is greedy search. Returns the rows kept, and the gap between the last
        candidate kept and the first dropped (∞ or NaN if one of them does not exist).
        """
        settings, (size, beam) = self.settings, self.log_probs.shape
        rank = self._rank(log_probs)  # (B, K · V)
        if progress is not None:
            best, chosen = deal(rank, progress, self.finished)
        elif settings.groups is not None:
            best, chosen = settings.groups.deal(rank, self.finished)
        else:
            best, chosen = self._best(rank, beam + 1)
        gap = best[:, beam - 1] - best[:, beam] if best.shape[1] > beam else best.new_full((size,), inf)
        ranks, chosen = best[:, :beam], chosen[:, :beam]  # (B, K)

        slots, tokens = chosen // log_probs.shape[1], chosen % log_probs.shape[1]
        if self.some_finished:
            was_finished = self.finished.gather(1, slots) & (ranks != float("-inf"))
            self.log_probs = torch.where(was_finished, self.log_probs.gather(1, slots), ranks)
            self.lengths = self.lengths.gather(1, slots) + ~was_finished
            tokens.masked_fill_(was_finished, settings.eos)
        else:
            self.log_probs, self.lengths = ranks, self.lengths + 1
        self.finished = tokens == settings.eos
        self.some_finished = bool(self.finished.any())
        if self.some_finished:
            # An empty or NaN slot is never finished: it would take the place of a real hypothesis.
            self.finished &= self.log_probs > float("-inf")
        origin = (self.first_row[:size] + slots).flatten()
        self.ids = self.ids.flatten(0, 1).index_select(0, origin).view_as(self.ids)
        self.ids[:, :, position] = tokens
        if alignment is not None:
            self._note(alignment, origin, position)
        return origin, gap

    def _best(
        self, rank: Float[Tensor, "B KV"], count: int
    ) -> tuple[Float[Tensor, "B C"], Int[Tensor, "B C"]]:
        """Return the best candidates of each sentence and their places."""
        # If they all differ, the choice is unique; otherwise ties must be broken.
        best, chosen = some_top(rank, count)
        if (best.diff(dim=1) == 0).any():  # −∞ − (−∞) is NaN
            # Of equal candidates the smaller token comes first, then the smaller slot.
            (size, beam), width = self.log_probs.shape, rank.shape[1] // self.log_probs.shape[1]
            best, places = top(rank.view(size, beam, -1).mT.reshape(size, -1), count)
            chosen = places % beam * width + places // beam
        return best, chosen

    def _rank(self, log_probs: Float[Tensor, "N V"]) -> Float[Tensor, "B KV"]:
        """Return the log-probabilities of all K · V candidates; overwrites those of the step."""
        before = self.log_probs
        if self.some_finished:
            before = before.masked_fill(self.finished, float("-inf"))
        rank = log_probs.view(*before.shape, -1).add_(before.unsqueeze(-1))  # (B, K, V)
        if self.some_finished:
            ends = rank[:, :, self.settings.eos]
            ends.copy_(torch.where(self.finished, self.itself, ends))
        return rank.flatten(1)

    def _note(self, alignment: Float[Tensor, "N Tx"], origin: Int[Tensor, "N"], position: int) -> None:
        """Keep where each hypothesis looked for its last token, and its log-probability with that token."""
        if self.alignments is None or self.totals is None:
            self.alignments = alignment.new_zeros(*self.ids.shape, alignment.shape[-1])  # (B, K, T, Tx)
            self.totals = self.log_probs.new_zeros(self.ids.shape)
        self.alignments = self.alignments.flatten(0, 1)[origin].view_as(self.alignments)
        self.alignments[:, :, position] = alignment[origin].view(*self.log_probs.shape, -1)
        self.totals = self.totals.flatten(0, 1)[origin].view_as(self.totals)
        self.totals[:, :, position] = self.log_probs

    def done(self) -> Bool[Tensor, "B"]:
        """Return which sentences need no further step: no hypothesis is live, or no better one can come.

        Call it only after some hypothesis is finished.
        """
        live = self.log_probs.masked_fill(self.finished, float("-inf")).amax(dim=1)
        none_live = live == float("-inf")
        if not self.settings.early_stop:
            return none_live
        count = min(self.settings.n_best, self.settings.beam)
        worst_kept = self._scores().topk(count).values[:, -1]
        return none_live | (worst_kept > self.settings.penalty(live, self.limits))

    def _scores(self) -> Float[Tensor, "B K"]:
        """Return the scores, −∞ for unfinished slots."""
        scores = self.settings.penalty(self.log_probs, self.lengths)
        if self.settings.coverage is not None and self.alignments is not None:
            scores = scores + self.settings.coverage(self.alignments, self.lengths, self.rows)
        return scores.masked_fill(~self.finished, float("-inf"))

    def final_gaps(self) -> Float[Tensor, "B"]:
        """Return the gap between the two best finished scores; NaN or ∞ if there are fewer than two."""
        scores = self._scores()
        if scores.shape[1] < 2:
            return scores.new_full((len(scores),), inf)
        best, second = scores.topk(2).values.unbind(dim=1)
        return best - second

    def leave(self, done: Bool[Tensor, "B"], results: list[list[Hypothesis]]) -> Int[Tensor, "staying"]:
        """Write the sentences that are done into results; return the sentences that stay."""
        scores = self._scores()
        best = scores.argsort(dim=1, descending=True, stable=True)[:, : self.settings.n_best]
        for b in done.nonzero().squeeze(1).tolist():
            ranked = [(k, float(scores[b, k])) for k in best[b].tolist() if self.finished[b, k]]
            results[int(self.rows[b])] = [self._hypothesis(b, k, score) for k, score in ranked]
        stay = (~done).nonzero().squeeze(1)
        for name in ("rows", "limits", "log_probs", "finished", "lengths", "ids"):
            setattr(self, name, getattr(self, name)[stay])
        if self.alignments is not None and self.totals is not None:
            self.alignments, self.totals = self.alignments[stay], self.totals[stay]
        return stay

    def _hypothesis(self, b: int, k: int, score: float) -> Hypothesis:
        length = int(self.lengths[b, k])
        ids, log_prob = self.ids[b, k, : length - 1].tolist(), float(self.log_probs[b, k])
        if self.alignments is None or self.totals is None:
            return Hypothesis(ids, score, log_prob)
        looked, totals = self.alignments[b, k, :length], self.totals[b, k, :length]  # (Ty, Tx), (Ty,)
        # NumPy has no bfloat16.
        looked = looked.to(torch.promote_types(looked.dtype, torch.float32))
        log_probs: list[float] = totals.diff(prepend=totals.new_zeros(1)).tolist()
        return Hypothesis(ids, score, log_prob, looked.cpu().numpy(), log_probs)


@torch.inference_mode()
def beam_search(
    scorer: StepScorer[Source, Memory, State],
    source: Source,
    limits: Int[Tensor, "B"],
    settings: SearchSettings,
    *,
    details: bool = False,
    observer: Observer | None = None,
) -> list[list[Hypothesis]]:
    """Return up to n_best different finished hypotheses for each sentence, best first.

    limits: the longest output of each sentence, at least 1, </s> included; at the limit </s> is the only
    candidate. A sentence has at least one hypothesis unless every candidate found has probability 0.
    A sentence leaves the batch as soon as no live hypothesis can beat its finished ones. This is exact: a
    live log-probability can only fall, the penalty at the limit is the largest divisor, and no coverage is
    above 0. Batch size and neighbours do not change a result. details: the hypotheses hold their alignments
    and the log-probabilities of their tokens. observer: called at every decision.
    """
    size, beam, looks = len(limits), settings.beam, details or settings.coverage is not None
    if not size:
        return []
    memory, first = scorer.start(source)
    rows = torch.arange(size, device=limits.device).repeat_interleave(beam)
    last = [] if settings.terms is None else [settings.terms]
    process = Processors((*settings.processors, *last, LengthLimit(settings.eos)))
    state: tuple[State, tuple[Tree, ...]] = select_rows(first, rows), process.start(limits, rows)
    y_prev = torch.full((size * beam,), settings.bos, device=limits.device)
    results: list[list[Hypothesis]] = [[] for _ in range(size)]
    search: _Beam | None = None
    for position in range(int(limits.max())):
        step = scorer.step(y_prev, memory, state[0])
        if search is None:
            search = _Beam(limits, settings, step.log_probs.dtype)
        log_probs, rules = process(step.log_probs, search.tokens(position), state[1])
        progress = None if settings.terms is None else cast(Progress, rules[-2])
        origin, gaps = search.advance(log_probs, step.alignment if looks else None, position, progress)
        if observer is not None:
            observer(search.rows, gaps)
        state = step.state, rules
        state = state if beam == 1 else select_rows(state, origin)
        if search.some_finished and (done := search.done()).any():
            if observer is not None:
                observer(search.rows[done], search.final_gaps()[done])
            stay = search.leave(done, results)
            if not len(stay):
                break
            memory = select_rows(memory, stay)
            kept = (stay.unsqueeze(1) * beam + torch.arange(beam, device=stay.device)).flatten()
            state = select_rows(state, kept)
        y_prev = search.ids[:, :, position].flatten()
    return results
