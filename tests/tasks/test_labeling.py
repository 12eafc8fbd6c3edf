"""nmt.tasks.labeling: what labelling minimises and how it is validated."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from nmt.builders.model import build_labeller
from nmt.config.model import ClassifierConfig, TaggerConfig
from nmt.data.batches import collate
from nmt.data.corpus import Pair
from nmt.data.encoded import EncodedSplit
from nmt.models import Source, Tagger
from nmt.objectives.cross_entropy import FIGURES, cross_entropy
from nmt.objectives.teacher_forcing import label_forced
from nmt.objectives.token_loss import TokenLoss
from nmt.tasks.labeling import LabellingTask
from nmt.tokenization.vocabulary import EOS
from nmt.tokenization.words import WordTokenizer

SMOOTHED = partial(cross_entropy, smoothing=0.1)
LABEL = TokenLoss(label_forced, SMOOTHED, FIGURES)

TAGGED = [Pair("a b c", "x y x"), Pair("b", "y"), Pair("c c a b a", "z x x y y"), Pair("a c", "x z")]
CLASSED = [Pair(text, labels[0]) for text, labels in TAGGED]


def labelling(pairs: list[Pair], *, smoothing: float = 0.0, tokens: int = 9) -> LabellingTask:
    src, trg = (
        WordTokenizer.train(side, vocab_size=None, min_frequency=1, lowercase=False)
        for side in zip(*pairs, strict=True)
    )
    return LabellingTask(
        validation=EncodedSplit.of([src.encode(p.src) for p in pairs], [trg.encode(p.trg) for p in pairs]),
        raw=pairs,
        labels=trg,
        smoothing=smoothing,
        best_by="accuracy",
        tokens_per_batch=tokens,
        device=torch.device("cpu"),
    )


def labeller(config: type[ClassifierConfig | TaggerConfig]) -> Tagger:
    section = {"embedding": 5, "dropout": 0.0, "encoder": {"hidden": 6}}
    return build_labeller(config.model_validate(section), 7, 7).double().eval()


@pytest.mark.parametrize(
    ("config", "pairs", "count"), [(ClassifierConfig, CLASSED, 4), (TaggerConfig, TAGGED, 11)]
)
@pytest.mark.parametrize("tokens", [1, 9, 1000])
def test_labels_are_learnt_and_validated_one_for_one(
    config: type[ClassifierConfig | TaggerConfig], pairs: list[Pair], count: int, tokens: int
) -> None:
    task, network = labelling(pairs, smoothing=0.1, tokens=tokens), labeller(config)
    loss = nll = 0.0
    texts = []
    for src, trg in zip(*task.validation.rows(range(len(pairs))), strict=True):
        ids = torch.tensor([[*src.tolist(), EOS]])
        logits = network.head(network(Source(ids, torch.tensor([len(src) + 1])))).detach()
        (log_p,) = logits.log_softmax(-1)
        for of_label, label in zip(log_p, trg.tolist(), strict=False):
            nll -= float(of_label[label])
            loss -= float(0.9 * of_label[label] + 0.1 * of_label.mean())
        best = [EOS + 1 + int(row[EOS + 1 :].argmax()) for row in log_p[: len(trg)]]
        texts.append(task.labels.decode(best))
    figures, samples, _ = task.validate(network)
    wanted = " ".join(pair.trg for pair in pairs).split()
    assert len(wanted) == count
    right = sum(a == b for a, b in zip(" ".join(texts).split(), wanted, strict=True))
    assert {name: figures[name] for name in ("loss", "nll", "accuracy")} == pytest.approx(
        {"loss": loss / count, "nll": nll / count, "accuracy": 100 * right / count}
    )
    assert samples == [(*pair, text) for pair, text in zip(pairs, texts, strict=True)]
    batch = collate(task.validation, np.arange(len(pairs)))
    found = LABEL(network, batch)
    assert (found.sum.item(), found.count) == (pytest.approx(loss), count)


@pytest.mark.parametrize(
    ("best_by", "a", "b", "expected"),
    [
        ("accuracy", {"accuracy": 2.0, "loss": 9.0}, {"accuracy": 1.0, "loss": 1.0}, True),
        ("accuracy", {"accuracy": 1.0, "loss": 1.0}, {"accuracy": 1.0, "loss": 2.0}, True),
        ("loss", {"accuracy": 2.0, "loss": 9.0}, {"accuracy": 1.0, "loss": 1.0}, False),
    ],
)
def test_better_labels(best_by: str, a: dict[str, float], b: dict[str, float], expected: bool) -> None:
    assert replace(labelling(TAGGED), best_by=best_by).better(a, b) is expected
