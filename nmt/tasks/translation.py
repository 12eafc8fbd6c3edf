"""Translation: how a translation model is validated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

import torch

from nmt.data.batches import ordered_batches
from nmt.data.corpus import Pair
from nmt.data.encoded import EncodedSplit
from nmt.evaluation.alignment import Detail
from nmt.evaluation.metrics import corpus_bleu
from nmt.models import Seq2Seq
from nmt.objectives.teacher_forcing import translate_forced
from nmt.tasks.language_modeling import perplexity
from nmt.tasks.task import SAMPLES, Translate, Validation, lower_loss, token_losses


class Group(NamedTuple):
    """Lines of the validation text that are translated alike: all, or those with one tag.

    name: that of their figure, "" if they are all lines. translate: what `nmt translate` does with a line.
    tokenize: sacreBLEU's tokenizer for BLEU.
    """

    name: str
    lines: Sequence[int]
    translate: Translate
    tokenize: str = "13a"


def bleu_of(name: str) -> str:
    """Return the name of the figure of a group's BLEU."""
    return f"bleu_{name}" if name else "bleu"


@dataclass(frozen=True)
class TranslationTask:
    """Translation: validation by loss, perplexity and BLEU of real decoding.

    groups: which lines are translated how; each line is in one of them. details: a validation also says where
    the model looked in its samples, each of which it translates once more for that.
    """

    validation: EncodedSplit
    raw: list[Pair]
    groups: tuple[Group, ...]
    smoothing: float
    best_by: str
    tokens_per_batch: int
    device: torch.device
    details: bool = False

    @torch.inference_mode()
    def validate(self, model: Seq2Seq) -> Validation:
        """Return loss (nats a token, label-smoothed), nll, ppl = exp(nll), bleu (cased), length_ratio.

        Of several groups bleu is the mean of theirs, which follow it.
        """
        batches = ordered_batches(self.validation, self.tokens_per_batch)
        losses = token_losses(model, translate_forced, batches, self.device, smoothing=self.smoothing)
        references = [pair.trg for pair in self.raw]
        texts, bleus = [""] * len(references), dict[str, float]()
        for group in self.groups:
            found, _ = group.translate(model, [self.raw[i].src for i in group.lines])
            for i, text in zip(group.lines, found, strict=True):
                texts[i] = text
            wanted = [references[i] for i in group.lines]
            bleus[bleu_of(group.name)] = corpus_bleu(found, wanted, group.tokenize)
        words = sum(len(t.split()) for t in texts) / max(1, sum(len(r.split()) for r in references))
        figures = {
            **losses.means(),
            "ppl": perplexity(losses.nll / losses.tokens),
            "bleu": fmean(bleus.values()),
            **bleus,
            "length_ratio": words,
        }
        step = max(1, len(texts) // SAMPLES)
        shown = range(0, len(texts), step)[:SAMPLES]
        samples = [(self.raw[i].src, references[i], texts[i]) for i in shown]
        if not self.details:
            return Validation(figures, samples)
        return Validation(figures, samples, [each for i in shown for each in self._details(model, i)])

    def _details(self, model: Seq2Seq, line: int) -> list[Detail]:
        (group,) = (group for group in self.groups if line in group.lines)
        return group.translate(model, [self.raw[line].src], details=True)[1]

    def better(self, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
        """Say whether a has the higher BLEU or the lower loss, as the run was asked to choose by.

        Of equal BLEU the lower loss is better: early on BLEU is 0 while the loss falls.
        """
        if self.best_by == "bleu" and a["bleu"] != b["bleu"]:
            return a["bleu"] > b["bleu"]
        return lower_loss(a, b)
