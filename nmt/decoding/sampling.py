"""The sampling loop: new sequences from a step scorer. It knows no model.

N sequences, V tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nmt.decoding.processors import AnyProcessor, Processors
from nmt.decoding.search import Memory, Source, State, StepScorer
from nmt.decoding.trees import select_rows
from nmt.errors import Diverged
from nmt.shapes import Float, Int


@dataclass(frozen=True, kw_only=True)
class SamplingSettings:
    """The distribution to sample from: divide by the temperature, keep top_k tokens, then the top_p nucleus.

    Temperature 0 and top_k 1 are both greedy; of equal tokens the smaller id comes first. top_p keeps the
    smallest set of most probable tokens that has at least this probability (Holtzman et al. 2020). A sequence
    ends with its `ends`-th </s>; the earlier ones are tokens of the sequence.
    """

    bos: int
    eos: int
    processors: tuple[AnyProcessor, ...] = ()
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    ends: int = 1


class Sampled(NamedTuple):
    """A sampled sequence. ids: without the last </s>. ended: it ended with </s>, not at the limit."""

    ids: list[int]
    ended: bool


def distribution(
    log_probs: Float[Tensor, "N V"], settings: SamplingSettings
) -> tuple[Float[Tensor, "N V"], Int[Tensor, "N V"]]:
    """Return the probabilities to sample from (float64) and their ids; sorted only if top_k or top_p ask."""
    if settings.top_k is None and settings.top_p == 1 and settings.temperature > 0:
        ids = torch.arange(log_probs.shape[-1], device=log_probs.device).expand_as(log_probs)
        return (log_probs.double() / settings.temperature).softmax(dim=-1), ids
    values, ids = log_probs.double().sort(dim=-1, descending=True, stable=True)
    top_k = 1 if settings.temperature == 0 else settings.top_k
    values = (values - values[:, :1]) / (settings.temperature or 1.0)
    if top_k is not None:
        values[:, top_k:] = float("-inf")
    probabilities = values.softmax(dim=-1)
    if settings.top_p < 1:
        before = probabilities.cumsum(dim=-1).roll(1, dims=-1)  # the sum of all that come first
        before[:, 0] = 0.0
        probabilities = probabilities.masked_fill(before >= settings.top_p, 0.0)
    return probabilities / probabilities.sum(dim=-1, keepdim=True), ids


def choose(probabilities: Float[Tensor, "N V"], uniform: Float[Tensor, "N"]) -> Int[Tensor, "N"]:
    """Return the index in each row that a uniform number on [0, 1) selects."""
    reached = probabilities.cumsum(dim=-1)
    places = (reached <= (uniform * reached[:, -1]).unsqueeze(1)).sum(dim=-1)
    # Rounding may move a number past the last token with a probability above 0.
    return places.minimum((reached < reached[:, -1:]).sum(dim=-1))


@torch.inference_mode()
def sample(
    scorer: StepScorer[Source, Memory, State],
    source: Source,
    limits: Int[Tensor, "N"],
    settings: SamplingSettings,
    *,
    keys: Sequence[tuple[int, ...]],
) -> list[Sampled]:
    """Return a sequence for each row of the source (N).

    limits: the most tokens of each, at least 1, without the last </s>; a longer sequence is cut there.
    keys (N): the seed of each sequence, such as (seed, n). Every token uses one random number, so the other
    sequences of the batch do not change it. Scores that do not sum to one (fusion) are normalised. A
    sequence leaves the batch when it ends. Raises Diverged if no token has a probability above 0.
    """
    device = limits.device
    chances = [np.random.default_rng(key) for key in keys]
    process = Processors(settings.processors)
    memory, state = scorer.start(source)
    rules = process.start(limits)
    tokens = torch.empty((len(keys), 0), dtype=torch.long, device=device)  # (N, t)
    y_prev = torch.full((len(keys),), settings.bos, device=device)
    found: list[list[int]] = [[] for _ in keys]
    live = list(range(len(keys)))
    ends = torch.full_like(limits, settings.ends)  # still to come
    ended = [False] * len(keys)
    while live:
        step = scorer.step(y_prev, memory, state)
        log_probs, rules = process(step.log_probs, tokens, rules)
        probabilities, ids = distribution(log_probs, settings)
        if probabilities.isnan().any():
            raise Diverged.giving_no("token")
        uniform = torch.tensor([chances[n].random() for n in live], dtype=torch.float64, device=device)
        y_prev = ids.gather(1, choose(probabilities, uniform).unsqueeze(1)).squeeze(1)
        tokens = torch.cat([tokens, y_prev.unsqueeze(1)], dim=1)
        ends = ends - (y_prev == settings.eos).long()
        for n, token, more in zip(live, y_prev.tolist(), ends.tolist(), strict=True):
            ended[n] = not more
            found[n] += [token] if more else []
        limits, state = limits - 1, step.state
        stay = ((ends > 0) & (limits > 0)).nonzero().squeeze(1)
        if len(stay) < len(live):
            live = [live[i] for i in stay.tolist()]
            memory, (state, rules) = select_rows(memory, stay), select_rows((state, rules), stay)
            y_prev, limits, ends, tokens = y_prev[stay], limits[stay], ends[stay], tokens[stay]
    return [Sampled(ids, end) for ids, end in zip(found, ended, strict=True)]
