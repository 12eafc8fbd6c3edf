"""Language modelling: how a language model is validated."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from nmt.data.batches import Batch, ordered_batches
from nmt.data.encoded import EncodedSplit
from nmt.data.stream import Windows
from nmt.models import LanguageModel
from nmt.objectives.teacher_forcing import read_forced
from nmt.tasks.task import Validation, lower_loss, token_losses
from nmt.tokenization.vocabulary import EOS


@dataclass(frozen=True)
class LanguageModelTask:
    """Language modelling: cross-entropy of each token and of </s>, which ends every line.

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

    @torch.inference_mode()
    def validate(self, model: LanguageModel) -> Validation:
        """Return loss (nats per token, label-smoothed), nll, ppl = exp(nll), bits_per_char."""
        losses = token_losses(model, read_forced, self._batches(), self.device, smoothing=self.smoothing)
        figures = {
            **losses.means(),
            "ppl": perplexity(losses.nll / losses.tokens),
            "bits_per_char": losses.nll / math.log(2) / self.characters,
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
