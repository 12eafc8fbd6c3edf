"""Language modelling: how a language model is trained and validated."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from nmt.data.batches import Batch, ordered_batches
from nmt.data.encoded import EncodedSplit
from nmt.data.stream import Windows
from nmt.layers.losses import LossSum, smoothed_cross_entropy
from nmt.models import LanguageModel
from nmt.tasks.task import Validation, lower_loss
from nmt.tokenization.vocabulary import EOS


@dataclass(frozen=True)
class LanguageModelTask:
    """Language modelling: cross-entropy of each piece and of </s>, which ends every line.

    continuous: the text is one long one, read as `rows` rows side by side; the state of each row is carried
    from window to window and gradients stop between them. Otherwise every line begins anew.
    characters: of the validation text, the end of a line counted as one.
    """

    validation: EncodedSplit
    characters: int
    smoothing: float
    tokens_per_batch: int
    device: torch.device
    continuous: bool = False
    rows: int = 1

    def loss(self, model: torch.nn.Module, batch: Batch) -> LossSum:
        """Return the label-smoothed cross-entropy over the real pieces; what was carried moves on."""
        assert isinstance(model, LanguageModel)
        carried = batch.carried
        before = carried.enter(batch.indices) if carried else None
        features, state = model(batch.trg_in, None if before is None else model.unflat(before))
        if carried:
            carried.leave(batch.indices, model.flat(state))
        return smoothed_cross_entropy(
            features, model.head, batch.trg_out, batch.trg_mask, smoothing=self.smoothing
        )

    @torch.inference_mode()
    def validate(self, model: torch.nn.Module) -> Validation:
        """Return loss (nats a piece, as minimised), nll, ppl = exp(nll), bits_per_char."""
        loss = nll = tokens = 0.0
        for batch in self._batches():
            piece = self.loss(model, batch.to(self.device))
            loss, nll, tokens = loss + piece.loss.item(), nll + piece.nll.item(), tokens + piece.count
        figures = {
            "loss": loss / tokens,
            "nll": nll / tokens,
            "ppl": perplexity(nll / tokens),
            "bits_per_char": nll / math.log(2) / self.characters,
        }
        return Validation(figures, [])

    def _batches(self) -> Iterable[Batch]:
        if not self.continuous:
            return ordered_batches(self.validation, self.tokens_per_batch)
        width = max(1, self.tokens_per_batch // self.rows)
        return Windows(self.validation.targets(EOS), self.rows, width)

    def better(self, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
        """Say whether a has the lower loss."""
        return lower_loss(a, b)


def perplexity(nll: float) -> float:
    """Return exp(nll), infinite where that is too large."""
    return math.exp(nll) if nll < 700 else math.inf
