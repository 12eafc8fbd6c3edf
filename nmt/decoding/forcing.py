"""Forced decoding: the probability of given targets under a step scorer. It knows no model.

B sentences, Ty target positions.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from nmt.decoding.search import Memory, Source, State, Step, StepScorer
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
    steps = zip(_steps(scorer, source, targets, bos), targets.unbind(dim=1), strict=True)
    log_probs = torch.cat([step.log_probs.gather(1, y.unsqueeze(1)) for step, y in steps], dim=1)
    if log_probs.isnan().any():
        raise Diverged.giving_no("text")
    return log_probs


@torch.inference_mode()
def attend(
    scorer: StepScorer[Source, Memory, State], source: Source, targets: Int[Tensor, "B Ty"], *, bos: int
) -> Float[Tensor, "B Ty Tx"]:
    """Return where a model looks for each target token, given the tokens before it."""
    looked = [step.alignment for step in _steps(scorer, source, targets, bos)]
    return torch.stack([each for each in looked if each is not None], dim=1)


def _steps(
    scorer: StepScorer[Source, Memory, State], source: Source, targets: Int[Tensor, "B Ty"], bos: int
) -> Iterator[Step[State]]:
    """Yield the step before each target token."""
    memory, state = scorer.start(source)
    for y_prev in (torch.full_like(targets[:, 0], bos), *targets.unbind(dim=1)[:-1]):
        step = scorer.step(y_prev, memory, state)
        yield step
        state = step.state
