"""Cross-entropy, label-smoothed or not: the objective unless another is asked for."""

import torch
from torch import Tensor

from nmt.objectives.log_probs import chosen, log_probs_of
from nmt.shapes import Float, Int

FIGURES = ("nll",)


def smoothed_nll(
    log_probs: Float[Tensor, "n V"], targets: Int[Tensor, "n"], *, smoothing: float
) -> Float[Tensor, "2"]:
    """Return Σ −(1 − ε) log p(y) − ε/V Σ_v log p(v), and Σ −log p(y), over the n rows, in nats.

    Szegedy et al. 2016: the smoothed target puts 1 − ε on the true token and
    spreads ε evenly over all V tokens.
    """
    nll = -chosen(log_probs, targets).sum()
    uniform = -log_probs.sum() / log_probs.shape[-1]
    return torch.stack([(1 - smoothing) * nll + smoothing * uniform, nll])


def cross_entropy(
    logits: Float[Tensor, "n V"], targets: Int[Tensor, "n"], *, smoothing: float
) -> Float[Tensor, "2"]:
    """Return `smoothed_nll` of logits."""
    return smoothed_nll(log_probs_of(logits), targets, smoothing=smoothing)
