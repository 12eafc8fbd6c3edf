"""Every classifier and tagger: padding and neighbours change nothing, in float64."""

from typing import Any

import pytest
import torch

from nmt.builders.model import build_labeller
from nmt.config.model import ClassifierConfig, TaggerConfig
from nmt.models import Source, Tagger
from nmt.tokenization.vocabulary import PAD

KINDS = {"classifier": ClassifierConfig, "tagger": TaggerConfig}
ENCODERS: list[dict[str, Any]] = [
    {"cell": "lstm", "layers": 2},
    {"cell": "gru", "layers": 1},
    {"cell": "sru", "layers": 2, "residual": True},
    {"cell": "lstm", "layers": 1, "bidirectional": False},
]
TEXTS = [[4, 5, 6, 7, 3], [8, 3], [5, 5, 4, 3], [3]]


def model(kind: str, encoder: dict[str, Any], *, dropout: float = 0.0) -> Tagger:
    section = {"embedding": 5, "dropout": dropout, "encoder": {"hidden": 6, **encoder}}
    made = build_labeller(KINDS[kind].model_validate(section), 9, 7).double()
    for parameter in made.parameters():
        if parameter.ndim == 1:
            torch.nn.init.uniform_(parameter, -0.5, 0.5)
    return made.eval()


def features(of: Tagger, texts: list[list[int]], width: int) -> torch.Tensor:
    padded = torch.tensor([text + [PAD] * (width - len(text)) for text in texts])
    return of(Source(padded, torch.tensor([len(text) for text in texts])))


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: "-".join(map(str, e.values())))
@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_neighbours_change_nothing(kind: str, encoder: dict[str, Any]) -> None:
    made = model(kind, encoder)
    together = features(made, TEXTS, 9)
    assert together.shape == (4, 9 if kind == "tagger" else 1, 6)
    for row, text in zip(together, TEXTS, strict=True):
        (alone,) = features(made, [text], len(text))
        torch.testing.assert_close(row[: len(alone)], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bidirectional", [True, False])
def test_a_label_sees_what_its_directions_read(kind: str, bidirectional: bool) -> None:
    made = model(kind, {"bidirectional": bidirectional})
    (before,), (after,) = (features(made, [[4, 5, last, 3]], 4) for last in (6, 7))
    if kind == "tagger":
        assert before[0].ne(after[0]).any() == bidirectional
    assert before[-1].ne(after[-1]).any()


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: "-".join(map(str, e.values())))
@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_passes_gradcheck(kind: str, encoder: dict[str, Any]) -> None:
    made = model(kind, encoder)

    def loss(*_: torch.Tensor) -> torch.Tensor:
        scores = made.head(features(made, TEXTS, 6)).log_softmax(-1)[..., 4]
        return sum((of_text[: len(text)].sum() for of_text, text in zip(scores, TEXTS, strict=True)))

    assert torch.autograd.gradcheck(loss, tuple(made.parameters()), fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
def test_it_drops_in_training_alone(kind: str) -> None:
    made = model(kind, {}, dropout=0.4)
    assert torch.equal(features(made, TEXTS, 5), features(made, TEXTS, 5))
    made.train()
    assert not torch.equal(features(made, TEXTS, 5), features(made, TEXTS, 5))
