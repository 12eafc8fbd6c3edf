"""Step scorers: what turns models into something a search can ask."""

from typing import Any

import torch
from torch import Tensor

from nmt.decoding.search import Step
from nmt.layers.attention import Memory
from nmt.models import LanguageModel, Seq2Seq, Source


class ModelScorer:
    """One sequence-to-sequence model in evaluation mode."""

    def __init__(self, model: Seq2Seq) -> None:
        self.model = model

    def start(self, source: Source) -> tuple[Memory, Any]:
        """Encode the sources."""
        return self.model.start(source)

    def step(self, y_prev: Tensor, memory: Memory, state: Any) -> Step:
        """Score the next piece after y_prev (N,)."""
        logits, alignment, state = self.model.step(y_prev, memory, state)
        return _step(logits, state, alignment)


class LanguageModelScorer:
    """One language model in evaluation mode; its source is a number of rows, its memory nothing."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model

    def start(self, source: int) -> tuple[None, Any]:
        """Return the state of so many rows that have read nothing."""
        return None, self.model.start(source)

    def step(self, y_prev: Tensor, memory: None, state: Any) -> Step:
        """Score the next piece after y_prev (N,)."""
        return _step(*self.model.step(y_prev, state), None)


def _step(logits: Tensor, state: Any, alignment: Tensor | None) -> Step:
    # In one pass, which logsumexp is not.
    log_probs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=-1)
    return Step(log_probs, log_probs.new_zeros(len(log_probs), 1), state, alignment)
