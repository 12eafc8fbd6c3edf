"""Step scorers: what turns models, alone or together, into something a search can ask."""

from collections.abc import Sequence
from math import isfinite
from typing import Generic, TypeVar

import torch
from torch import Tensor

from nmt.decoding.search import Step, StepScorer
from nmt.decoding.trees import Tree, tensors
from nmt.errors import UserError
from nmt.layers.activations import mean
from nmt.layers.attention import Memory
from nmt.models import LanguageModel, Seq2Seq, Source
from nmt.shapes import Float, Int

# What a member reads, its memory and its state; the state of a language model beside it.
Reads = TypeVar("Reads")
Keeps = TypeVar("Keeps", bound=Tree)
Moves = TypeVar("Moves", bound=Tree)
MovesToo = TypeVar("MovesToo", bound=Tree)


class ModelScorer:
    """One sequence-to-sequence model in evaluation mode."""

    def __init__(self, model: Seq2Seq) -> None:
        self.model = model

    def start(self, source: Source) -> tuple[Memory, Tree]:
        """Encode the sources."""
        return self.model.start(source)

    def step(self, y_prev: Int[Tensor, "N"], memory: Memory, state: Tree) -> Step[Tree]:
        """Score the next piece after y_prev."""
        logits, alignment, state = self.model.step(y_prev, memory, state)
        return _step(logits, state, alignment)


class LanguageModelScorer:
    """One language model in evaluation mode; its source is a number of rows, its memory nothing.

    before: the pieces that every row has read when it starts, such as all of a prompt but its last one.
    """

    def __init__(self, model: LanguageModel, before: Sequence[int] = ()) -> None:
        self.model, self.before = model, tuple(before)

    def start(self, source: int) -> tuple[None, tuple[Tree, ...]]:
        """Return the state of so many rows that have read no more than the pieces before."""
        state = self.model.start(source)
        device = next(tensors(state)).device
        for piece in self.before:
            _, state = self.model.step(torch.full((source,), piece, device=device), state)
        return None, state

    def step(self, y_prev: Int[Tensor, "N"], memory: None, state: tuple[Tree, ...]) -> Step[tuple[Tree, ...]]:
        """Score the next piece after y_prev."""
        return _step(*self.model.step(y_prev, state), None)


class EnsembleScorer(Generic[Reads, Keeps, Moves]):
    """Several models with one target vocabulary: the mean of their probabilities, all with one weight.

    Source, memory and state are tuples of the members', in their order. same_source: they read the same
    pieces; the alignment is then the mean of theirs, else the first one's.
    """

    def __init__(self, members: Sequence[StepScorer[Reads, Keeps, Moves]], *, same_source: bool) -> None:
        self.members, self.same_source = tuple(members), same_source

    def start(self, source: tuple[Reads, ...]) -> tuple[tuple[Keeps, ...], tuple[Moves, ...]]:
        """Start every member with its own source."""
        started = [member.start(each) for member, each in zip(self.members, source, strict=True)]
        return tuple(memory for memory, _ in started), tuple(state for _, state in started)

    def step(
        self, y_prev: Int[Tensor, "N"], memory: tuple[Keeps, ...], state: tuple[Moves, ...]
    ) -> Step[tuple[Moves, ...]]:
        """Score the next piece after y_prev."""
        asked = zip(self.members, memory, state, strict=True)
        steps = [member.step(y_prev, memory, state) for member, memory, state in asked]
        log_probs = torch.stack([step.log_probs for step in steps])  # (M, N, V)
        # A piece that no member gives a probability has −∞, from which nothing finite may be subtracted.
        top = log_probs.amax(dim=0).clamp_(min=torch.finfo(log_probs.dtype).min)
        # log of a mean, not logsumexp less log M: of equal members the result is theirs to the last bit.
        combined = top.add_(mean(log_probs.sub_(top).exp_().unbind()).log_())  # (N, V)
        return Step(combined, tuple(step.state for step in steps), self._align(steps))

    def _align(self, steps: Sequence[Step[Moves]]) -> Float[Tensor, "N Tx"] | None:
        found = [step.alignment for step in steps[: None if self.same_source else 1]]
        given = [alignment for alignment in found if alignment is not None]
        return mean(given) if given and len(given) == len(found) else None


class FusionScorer(Generic[Reads, Keeps, Moves, MovesToo]):
    """Shallow fusion (Gülçehre et al. 2015, eq. 5): log p(y | source) + weight · log p_lm(y).

    The sum is a score and no log-probability: it does not add up to one. weight ≥ 0, so that it can only
    fall from step to step; another is a UserError. Source is the translation's; memory and state are pairs,
    its and the language model's.
    """

    def __init__(
        self, translation: StepScorer[Reads, Keeps, Moves], lm: StepScorer[int, None, MovesToo], weight: float
    ) -> None:
        if not (isfinite(weight) and weight >= 0):
            raise UserError(f"lm_weight {weight}: expected a number from 0 on, such as 0.2")
        self.translation, self.lm, self.weight = translation, lm, weight

    def start(self, source: Reads) -> tuple[tuple[Keeps, None], tuple[Moves, MovesToo]]:
        """Start the translation, and as many rows of the language model as its state has."""
        memory, state = self.translation.start(source)
        lm_memory, lm_state = self.lm.start(len(next(tensors(state))))
        return (memory, lm_memory), (state, lm_state)

    def step(
        self, y_prev: Int[Tensor, "N"], memory: tuple[Keeps, None], state: tuple[Moves, MovesToo]
    ) -> Step[tuple[Moves, MovesToo]]:
        """Score the next piece after y_prev."""
        translation = self.translation.step(y_prev, memory[0], state[0])
        lm = self.lm.step(y_prev, memory[1], state[1])
        scores = translation.log_probs + self.weight * lm.log_probs
        return Step(scores, (translation.state, lm.state), translation.alignment)


def _step(logits: Float[Tensor, "N V"], state: Moves, alignment: Float[Tensor, "N Tx"] | None) -> Step[Moves]:
    wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
    return Step(logits.log_softmax(dim=-1, dtype=wide), state, alignment)
