"""Step scorers: what turns models into something a search can ask."""

from typing import Any

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
        return Step(logits, logits.logsumexp(dim=-1, keepdim=True), state, alignment)
