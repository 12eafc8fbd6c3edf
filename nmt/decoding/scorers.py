"""Step scorers: the interface through which a search asks one model or several together."""

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

# The source, memory and state of a member; the state of the language model in a fusion.
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
        """Score the next token after y_prev."""
        logits, alignment, state = self.model.step(y_prev, memory, state)
        return _step(logits, state, alignment)


class LanguageModelScorer:
    """One language model in evaluation mode. Its source is the number of rows; it has no memory.

    before: the tokens that every row has read when it starts, such as a prompt without its last token.
    """

    def __init__(self, model: LanguageModel, before: Sequence[int] = ()) -> None:
        self.model, self.before = model, tuple(before)

    def start(self, source: int) -> tuple[None, tuple[Tree, ...]]:
        """Return the state of `source` rows after they have read the tokens `before`."""
        state = self.model.start(source)
        device = next(tensors(state)).device
        for token in self.before:
            _, state = self.model.step(torch.full((source,), token, device=device), state)
        return None, state

    def step(self, y_prev: Int[Tensor, "N"], memory: None, state: tuple[Tree, ...]) -> Step[tuple[Tree, ...]]:
        """Score the next token after y_prev."""
        return _step(*self.model.step(y_prev, state), None)


class EnsembleScorer(Generic[Reads, Keeps, Moves]):
    """Several models with one target vocabulary: the mean of their probabilities, all with one weight.

    Source, memory and state are tuples with one element per member. same_source: all members read the same
    tokens. The alignment is then the mean over the members; otherwise it is that of the first member.
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
        """Score the next token after y_prev."""
        asked = zip(self.members, memory, state, strict=True)
        steps = [member.step(y_prev, memory, state) for member, memory, state in asked]
        log_probs = torch.stack([step.log_probs for step in steps])  # (M, N, V)
        # Where all members give −∞, the maximum is −∞ too, and −∞ − (−∞) would be NaN.
        top = log_probs.amax(dim=0).clamp_(min=torch.finfo(log_probs.dtype).min)
        # The log of a mean, not logsumexp − log M: equal members then give exactly their own result.
        combined = top.add_(mean(log_probs.sub_(top).exp_().unbind()).log_())  # (N, V)
        return Step(combined, tuple(step.state for step in steps), self._align(steps))

    def _align(self, steps: Sequence[Step[Moves]]) -> Float[Tensor, "N Tx"] | None:
        found = [step.alignment for step in steps[: None if self.same_source else 1]]
        given = [alignment for alignment in found if alignment is not None]
        return mean(given) if given and len(given) == len(found) else None


class FusionScorer(Generic[Reads, Keeps, Moves, MovesToo]):
    """Shallow fusion (Gülçehre et al. 2015, eq. 5): log p(y | source) + weight · log p_lm(y).

    The result is a score, not a log-probability: the probabilities do not sum to one. weight must be ≥ 0, so
    that a score can only fall from step to step; otherwise UserError. The source is the translation model's.
    Memory and state are pairs: the translation model's and the language model's.
    """

    def __init__(
        self, translation: StepScorer[Reads, Keeps, Moves], lm: StepScorer[int, None, MovesToo], weight: float
    ) -> None:
        if not (isfinite(weight) and weight >= 0):
            raise UserError(f"lm_weight {weight}: expected a number ≥ 0, such as 0.2")
        self.translation, self.lm, self.weight = translation, lm, weight

    def start(self, source: Reads) -> tuple[tuple[Keeps, None], tuple[Moves, MovesToo]]:
        """Start the translation model, and the language model with the same number of rows."""
        memory, state = self.translation.start(source)
        lm_memory, lm_state = self.lm.start(len(next(tensors(state))))
        return (memory, lm_memory), (state, lm_state)

    def step(
        self, y_prev: Int[Tensor, "N"], memory: tuple[Keeps, None], state: tuple[Moves, MovesToo]
    ) -> Step[tuple[Moves, MovesToo]]:
        """Score the next token after y_prev."""
        translation = self.translation.step(y_prev, memory[0], state[0])
        lm = self.lm.step(y_prev, memory[1], state[1])
        scores = translation.log_probs + self.weight * lm.log_probs
        return Step(scores, (translation.state, lm.state), translation.alignment)


def _step(logits: Float[Tensor, "N V"], state: Moves, alignment: Float[Tensor, "N Tx"] | None) -> Step[Moves]:
    wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
    return Step(logits.log_softmax(dim=-1, dtype=wide), state, alignment)
