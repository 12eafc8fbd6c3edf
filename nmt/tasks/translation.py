"""Translation: how a translation model is trained and validated."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from nmt.data.batches import Batch, ordered_batches
from nmt.data.corpus import Pair
from nmt.data.encoded import EncodedSplit
from nmt.evaluation.metrics import corpus_bleu
from nmt.layers.losses import LossSum, smoothed_cross_entropy
from nmt.models import Seq2Seq, Source
from nmt.tasks.language_modeling import perplexity
from nmt.tasks.task import SAMPLES, Translate, Validation, lower_loss


@dataclass(frozen=True)
class TranslationTask:
    """Translation: label-smoothed cross-entropy; validation by loss, perplexity and BLEU of real decoding.

    translate: what `nmt translate` does with a line. attention: a validation also says where the model looked
    in its samples, each of which it translates once more for that.
    """

    validation: EncodedSplit
    raw: list[Pair]
    translate: Translate
    smoothing: float
    best_by: str
    tokens_per_batch: int
    device: torch.device
    attention: bool = False
    tokenize: str = "13a"  # sacreBLEU's, for BLEU

    def loss(self, model: torch.nn.Module, batch: Batch) -> LossSum:
        """Return the label-smoothed cross-entropy over real target tokens, and what the attention owes."""
        assert isinstance(model, Seq2Seq)
        output = model(Source(batch.src, batch.src_len), batch.trg_in)
        found = smoothed_cross_entropy(
            output.features, model.head, batch.trg_out, batch.trg_mask, smoothing=self.smoothing
        )
        owed = model.decoder.attention.penalty(output.alignment, batch.trg_mask)
        return replace(found, loss=found.loss + owed)

    @torch.inference_mode()
    def validate(self, model: torch.nn.Module) -> Validation:
        """Return loss (nats a token, as minimised), nll, ppl = exp(nll), bleu (cased), length_ratio."""
        assert isinstance(model, Seq2Seq)
        loss = nll = tokens = 0.0
        for batch in ordered_batches(self.validation, self.tokens_per_batch):
            piece = self.loss(model, batch.to(self.device))
            loss, nll, tokens = loss + piece.loss.item(), nll + piece.nll.item(), tokens + piece.count
        texts, _ = self.translate(model, [pair.src for pair in self.raw])
        references = [pair.trg for pair in self.raw]
        words = sum(len(t.split()) for t in texts) / max(1, sum(len(r.split()) for r in references))
        figures = {
            "loss": loss / tokens,
            "nll": nll / tokens,
            "ppl": perplexity(nll / tokens),
            "bleu": corpus_bleu(texts, references, self.tokenize),
            "length_ratio": words,
        }
        step = max(1, len(texts) // SAMPLES)
        shown = range(0, len(texts), step)[:SAMPLES]
        samples = [(self.raw[i].src, references[i], texts[i]) for i in shown]
        if not self.attention:
            return Validation(figures, samples)
        _, attended = self.translate(model, [self.raw[i].src for i in shown], attention=True)
        return Validation(figures, samples, attended)

    def better(self, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
        """Say whether a has the higher BLEU or the lower loss, as the run was asked to choose by.

        Of equal BLEU the lower loss is better: early on BLEU is 0 while the loss falls.
        """
        if self.best_by == "bleu" and a["bleu"] != b["bleu"]:
            return a["bleu"] > b["bleu"]
        return lower_loss(a, b)
