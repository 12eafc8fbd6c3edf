"""Step scorers: what turns models into something a search can ask."""

from typing import Any

import torch
from torch import Tensor

from nmt.decoding.search import Step
from nmt.layers.attention import Memory
from nmt.models import Seq2Seq, Source


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
        # In one pass, which logsumexp is not.
        log_probs = logits.log_softmax(dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
        return Step(log_probs, log_probs.new_zeros(len(log_probs), 1), state, alignment)
