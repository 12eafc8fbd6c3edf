"""Minimum risk training: the expected error of what a model itself would translate.

B sentences, C candidates of all sentences together, Ty target positions.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from nmt.data.batches import Batch, pad
from nmt.models import Seq2Seq
from nmt.objectives.log_probs import at_each_position, chosen, forget_casts, log_probs_of
from nmt.objectives.objective import Loss
from nmt.objectives.teacher_forcing import translate_forced
from nmt.objectives.token_loss import loss_over_tokens
from nmt.shapes import Float, Int
from nmt.tokenization.vocabulary import BOS, EOS

Ids: TypeAlias = list[int]
Sampler: TypeAlias = Callable[[Seq2Seq, Batch], list[list[Ids]]]
Risk: TypeAlias = Callable[[Ids, Ids], float]


class MinimumRisk:
    """Minimum risk training (Shen et al. 2016, eqs. 7 and 8): Σ_y Q(y) Δ(y) over candidates of a sentence.

    The candidates are sampled translations and the true one, each once; Q(y) ∝ P(y)^α among them. The loss is
    the mean risk of a sentence, whatever its length.

    sampler: gives sampled translations of each sentence of a batch, ids without </s>. risk: Δ of such ids and
    the true ones, from 0 to 1. sharpness: α.
    """

    figures: tuple[str, ...] = ("nll",)  # of the true translations

    def __init__(self, sampler: Sampler, risk: Risk, *, sharpness: float) -> None:
        self.sampler, self.risk, self.sharpness = sampler, risk, sharpness

    def __call__(self, model: Seq2Seq, batch: Batch) -> Loss:
        """Return the loss of a model on a batch."""
        lengths = batch.trg_len.tolist()
        true = [row[: length - 1] for row, length in zip(batch.trg_out.tolist(), lengths, strict=True)]
        candidates = [
            [reference, *(ids for ids in _once(sampled) if ids != reference)]
            for reference, sampled in zip(true, self.sampler(model, batch), strict=True)
        ]
        forget_casts()
        risks = [
            [self.risk(ids, reference) for ids in each]
            for each, reference in zip(candidates, true, strict=True)
        ]
        counts = [len(each) for each in candidates]
        forced = translate_forced(model, _of_candidates(batch, candidates))
        (each,) = at_each_position(forced, lambda *rows: (chosen(*rows),))
        log_probs = (each * forced.mask).sum(dim=1)
        weights, expected = self._gradient(log_probs, risks, counts)
        each_token = weights.unsqueeze(1).expand_as(forced.targets)
        found = loss_over_tokens(forced, _weighted, (), each_token)
        tokens, sentences = sum(lengths), len(batch)
        # The value is the risk; the gradient is that of Σ w log P, which is the risk's.
        surrogate = found.sum - found.sum.detach()
        first = torch.tensor([0, *counts[:-1]], device=log_probs.device).cumsum(dim=0)
        nll = -log_probs[first].sum()
        return Loss((surrogate + expected) * (tokens / sentences), tokens, {"nll": nll})

    def _gradient(
        self, log_probs: Float[Tensor, "C"], risks: Sequence[Sequence[float]], counts: list[int]
    ) -> tuple[Float[Tensor, "C"], Float[Tensor, ""]]:
        """Return the derivative of the summed risk by each log-probability, and that risk."""
        weights, total = [], log_probs.new_zeros(())
        for scores, each in zip(log_probs.split(counts), risks, strict=True):
            q, risk = (self.sharpness * scores).softmax(dim=0), scores.new_tensor(each)
            mean = (q * risk).sum()
            weights.append(self.sharpness * q * (risk - mean))
            total = total + mean
        return torch.cat(weights), total


def _weighted(
    logits: Float[Tensor, "n V"], targets: Int[Tensor, "n"], weights: Float[Tensor, "n"]
) -> Float[Tensor, "1"]:
    return (weights * chosen(log_probs_of(logits), targets)).sum().unsqueeze(0)


def _once(sequences: list[Ids]) -> list[Ids]:
    """Return each sequence once, in order."""
    return [list(ids) for ids in dict.fromkeys(map(tuple, sequences))]


def _of_candidates(batch: Batch, candidates: list[list[Ids]]) -> Batch:
    """Return a batch in which each source stands beside each of its candidates."""
    device = batch.src.device
    counts = torch.tensor([len(each) for each in candidates], device=device)
    targets = [ids for each in candidates for ids in each]
    return Batch(
        src=batch.src.repeat_interleave(counts, dim=0),
        src_len=batch.src_len.repeat_interleave(counts),
        trg_in=pad(targets, first=BOS).to(device),
        trg_out=pad(targets, last=EOS).to(device),
        trg_len=torch.tensor([len(ids) + 1 for ids in targets], device=device),
        indices=batch.indices.repeat_interleave(counts),
    )
