"""Forced decoding: the probability of given targets under a step scorer. It knows no model.

B sentences, Ty target positions.
"""

import torch
from torch import Tensor

from nmt.decoding.search import Memory, Source, State, StepScorer
from nmt.errors import Diverged
from nmt.shapes import Float, Int


@torch.inference_mode()
def force(
    scorer: StepScorer[Source, Memory, State], source: Source, targets: Int[Tensor, "B Ty"], *, bos: int
) -> Float[Tensor, "B Ty"]:
    """Return the log-probability of each target token given the tokens before it.

    The targets end in </s>; padding follows, and its log-probabilities have no meaning. For a hypothesis
    of a search the values add up to its log_prob. Raises Diverged if a value is NaN.
    """
    memory, state = scorer.start(source)
    y_prev = torch.full_like(targets[:, 0], bos)
    found = []
    for y in targets.unbind(dim=1):
        step = scorer.step(y_prev, memory, state)
        found.append(step.log_probs.gather(1, y.unsqueeze(1)).squeeze(1))  # (B,)
        state, y_prev = step.state, y
    log_probs = torch.stack(found, dim=1)
    if log_probs.isnan().any():
        raise Diverged.giving_no("text")
    return log_probs
