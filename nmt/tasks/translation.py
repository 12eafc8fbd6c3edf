"""Translation: how a translation model is validated."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from nmt.data.batches import ordered_batches
from nmt.data.corpus import Pair
from nmt.data.encoded import EncodedSplit
from nmt.evaluation.metrics import corpus_bleu
from nmt.models import Seq2Seq
from nmt.objectives.teacher_forcing import translate_forced
from nmt.tasks.language_modeling import perplexity
from nmt.tasks.task import SAMPLES, Translate, Validation, lower_loss, token_losses


@dataclass(frozen=True)
class TranslationTask:
    """Translation: validation by loss, perplexity and BLEU of real decoding.

    translate: what `nmt translate` does with a line. details: a validation also says where the model looked
    in its samples, each of which it translates once more for that.
    """

    validation: EncodedSplit
    raw: list[Pair]
    translate: Translate
    smoothing: float
    best_by: str
    tokens_per_batch: int
    device: torch.device
    details: bool = False
    tokenize: str = "13a"  # sacreBLEU's, for BLEU

    @torch.inference_mode()
    def validate(self, model: Seq2Seq) -> Validation:
        """Return loss (nats a token, label-smoothed), nll, ppl = exp(nll), bleu (cased), length_ratio."""
        batches = ordered_batches(self.validation, self.tokens_per_batch)
        losses = token_losses(model, translate_forced, batches, self.device, smoothing=self.smoothing)
        texts, _ = self.translate(model, [pair.src for pair in self.raw])
        references = [pair.trg for pair in self.raw]
        words = sum(len(t.split()) for t in texts) / max(1, sum(len(r.split()) for r in references))
        figures = {
            **losses.means(),
            "ppl": perplexity(losses.nll / losses.tokens),
            "bleu": corpus_bleu(texts, references, self.tokenize),
            "length_ratio": words,
        }
        step = max(1, len(texts) // SAMPLES)
        shown = range(0, len(texts), step)[:SAMPLES]
        samples = [(self.raw[i].src, references[i], texts[i]) for i in shown]
        if not self.details:
            return Validation(figures, samples)
        _, details = self.translate(model, [self.raw[i].src for i in shown], details=True)
        return Validation(figures, samples, details)

    def better(self, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
        """Say whether a has the higher BLEU or the lower loss, as the run was asked to choose by.

        Of equal BLEU the lower loss is better: early on BLEU is 0 while the loss falls.
        """
        if self.best_by == "bleu" and a["bleu"] != b["bleu"]:
            return a["bleu"] > b["bleu"]
        return lower_loss(a, b)
