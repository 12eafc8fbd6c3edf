"""Tasks: what a kind of model minimises, how it is validated, what counts as better."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import torch

from nmt.data.batches import Batch, ordered_batches
from nmt.data.corpus import Pair
from nmt.data.encoded import EncodedSplit
from nmt.data.stream import Windows
from nmt.data.tokenizer import Tokenizer
from nmt.data.vocabulary import EOS
from nmt.errors import Diverged
from nmt.evaluation.alignment import Attended
from nmt.evaluation.metrics import corpus_bleu, label_scores
from nmt.layers.losses import LossSum, smoothed_cross_entropy
from nmt.models import LanguageModel, Seq2Seq, Source, Tagger


class Validation(NamedTuple):
    """figures by name, some (source, reference, output) to look at, and where the model looked in each."""

    figures: dict[str, float]
    samples: list[tuple[str, str, str]]
    attended: Sequence[Attended] = ()  # none unless asked for


class Task(Protocol):
    """All that the trainer knows of what it trains."""

    def loss(self, model: torch.nn.Module, batch: Batch) -> LossSum:
        """Return what is minimised, as a sum over the batch, and its count."""

    def validate(self, model: torch.nn.Module) -> Validation:
        """Measure a model in evaluation mode."""

    def better(self, a: Mapping[str, float], b: Mapping[str, float]) -> bool:
        """Say whether figures a are better than figures b."""


SAMPLES = 5


class Translate(Protocol):
    """Gives a model's translations of raw lines; with `attention` also where it looked, part by part."""

    def __call__(
        self, model: Seq2Seq, lines: Sequence[str], *, attention: bool = False
    ) -> tuple[list[str], list[Attended]]: ...


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


@dataclass(frozen=True)
class LabellingTask:
    """Labels of texts or of their words: cross-entropy of each; validation by accuracy and macro F1.

    labels: the tokenizer whose words they are.
    """

    validation: EncodedSplit
    raw: list[Pair]
    labels: Tokenizer
    smoothing: float
    best_by: str
    tokens_per_batch: int
    device: torch.device

    def loss(self, model: torch.nn.Module, batch: Batch) -> LossSum:
        """Return the label-smoothed cross-entropy over the labels; that a text ends is none."""
        assert isinstance(model, Tagger)
        features = model(Source(batch.src, batch.src_len))  # (B, Ty, H)
        labels = batch.trg_out[:, : features.shape[1]]
        return smoothed_cross_entropy(features, model.head, labels, labels > EOS, smoothing=self.smoothing)

    @torch.inference_mode()
    def validate(self, model: torch.nn.Module) -> Validation:
        """Return loss (nats a label, as minimised), nll, accuracy, macro_f1 (0 to 100)."""
        assert isinstance(model, Tagger)
        loss = nll = labels = 0.0
        for batch in ordered_batches(self.validation, self.tokens_per_batch):
            piece = self.loss(model, batch.to(self.device))
            loss, nll, labels = loss + piece.loss.item(), nll + piece.nll.item(), labels + piece.count
        ids = predicted(model, self.validation, self.tokens_per_batch, self.device)
        found = [self.labels.decode(row) for row in ids]
        accuracy, macro_f1, *_ = label_scores(found, [pair.trg for pair in self.raw])
        figures = {
            "loss": loss / labels,
            "nll": nll / labels,
            "accuracy": accuracy.score,
            "macro_f1": macro_f1.score,
        }
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
    """Return the most probable labels of each text, as ids: one, or one for each of its pieces.

    Raises Diverged where a score is not a number.
    """
    found: list[list[int]] = [[]] * len(texts)
    for cpu_batch in ordered_batches(texts, tokens_per_batch):
        batch = cpu_batch.to(device)
        logits = model.head(model(Source(batch.src, batch.src_len)))  # (B, Ty, V)
        if logits.isnan().any():
            raise Diverged.giving_no("label")
        best = logits[..., EOS + 1 :].argmax(-1) + EOS + 1  # no special piece is a label
        for row, ids, length in zip(*(x.tolist() for x in (batch.indices, best, batch.src_len)), strict=True):
            found[row] = ids[: length - 1]
    return found


def perplexity(nll: float) -> float:
    """Return exp(nll), infinite where that is too large."""
    return math.exp(nll) if nll < 700 else math.inf


def lower_loss(a: Mapping[str, float], b: Mapping[str, float]) -> bool:
    """Say whether figures a have the lower loss; any number is lower than NaN."""
    return a["loss"] < b["loss"] or (math.isnan(b["loss"]) and not math.isnan(a["loss"]))
