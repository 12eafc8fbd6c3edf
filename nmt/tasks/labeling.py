"""Labels of texts or of their words: how a classifier or tagger is validated and what it predicts."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from nmt.data.batches import ordered_batches
from nmt.data.corpus import Pair
from nmt.data.encoded import EncodedSplit
from nmt.errors import Diverged
from nmt.evaluation.metrics import label_scores
from nmt.models import Source, Tagger
from nmt.objectives.teacher_forcing import label_forced
from nmt.tasks.task import SAMPLES, Validation, lower_loss, token_losses
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.vocabulary import EOS


@dataclass(frozen=True)
class LabellingTask:
    """Labels of texts or of their words: validation by accuracy and macro F1.

    labels: the tokenizer whose words they are.
    """

    validation: EncodedSplit
    raw: list[Pair]
    labels: Tokenizer
    smoothing: float
    best_by: str
    tokens_per_batch: int
    device: torch.device

    @torch.inference_mode()
    def validate(self, model: Tagger) -> Validation:
        """Return loss (nats a label, label-smoothed), nll, accuracy, macro_f1 (0 to 100)."""
        batches = ordered_batches(self.validation, self.tokens_per_batch)
        losses = token_losses(model, label_forced, batches, self.device, smoothing=self.smoothing)
        ids = predicted(model, self.validation, self.tokens_per_batch, self.device)
        found = [self.labels.decode(row) for row in ids]
        accuracy, macro_f1, *_ = label_scores(found, [pair.trg for pair in self.raw])
        figures = {**losses.means(), "accuracy": accuracy.score, "macro_f1": macro_f1.score}
        samples = [(*pair, text) for pair, text in zip(self.raw, found, strict=True)]
        return Validation(figures, samples[:: max(1, len(samples) // SAMPLES)][:SAMPLES])

    def better(self, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
        """Say whether a has the higher accuracy or the lower loss, as the run was asked to choose by."""
        if self.best_by == "accuracy" and a["accuracy"] != b["accuracy"]:
            return a["accuracy"] > b["accuracy"]
        return lower_loss(a, b)


@torch.inference_mode()
def predicted(
    model: Tagger, texts: EncodedSplit, tokens_per_batch: int, device: torch.device
) -> list[list[int]]:
    """Return the most probable labels of each text, as ids: one, or one for each token.

    Raises Diverged if a score is not a number.
    """
    found: list[list[int]] = [[]] * len(texts)
    for cpu_batch in ordered_batches(texts, tokens_per_batch):
        batch = cpu_batch.to(device)
        logits = model.head(model(Source(batch.src, batch.src_len)))  # (B, Ty, V)
        if logits.isnan().any():
            raise Diverged.giving_no("label")
        best = logits[..., EOS + 1 :].argmax(-1) + EOS + 1  # no special token is a label
        for row, ids, length in zip(*(x.tolist() for x in (batch.indices, best, batch.src_len)), strict=True):
            found[row] = ids[: length - 1]
    return found
