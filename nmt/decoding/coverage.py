"""A penalty for source tokens that a translation leaves out.

B sentences, K hypotheses each, T target and Tx source positions.
"""

from dataclasses import dataclass

from torch import Tensor

from nmt.shapes import Float, Int

NEVER = 1e-6  # the attention that a token counts with to which none was given; its logarithm is finite


@dataclass(frozen=True)
class CoveragePenalty:
    """β Σx log min(Σt attention at (t, x), 1), at most 0 (Wu et al. 2016, eq. 14).

    lengths: source tokens of each sentence, </s> not counted, of which a translation needs nothing.
    """

    beta: float
    lengths: Int[Tensor, "S"]

    def __call__(
        self, attention: Float[Tensor, "B K T Tx"], written: Int[Tensor, "B K"], sentences: Int[Tensor, "B"]
    ) -> Float[Tensor, "B K"]:
        """Return what is added to the scores of hypotheses; written: their lengths, </s> counted."""
        target, source = (attention.new_ones(size).cumsum(0) for size in attention.shape[2:])
        inside = (target <= written.unsqueeze(2)).unsqueeze(3)
        total = (attention * inside).sum(dim=2).clamp(min=NEVER, max=1.0)  # (B, K, Tx)
        words = (source <= self.lengths[sentences].unsqueeze(1)).unsqueeze(1)
        return self.beta * (total.log() * words).sum(dim=2)
