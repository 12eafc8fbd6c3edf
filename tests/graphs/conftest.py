"""Models with random weights, searched by torch and by their graph."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import ModelProto

from nmt.builders.model import build_model
from nmt.config.model import ModelConfig
from nmt.data.batches import pad
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.search import AnyScorer, SearchSettings, beam_search
from nmt.models import Seq2Seq, Source
from nmt.tokenization.vocabulary import EOS

V_SRC, V_TRG = 23, 19


def seq2seq(seed: int = 1, *, sizes: tuple[int, int, int] = (6, 8, 12), **sections: Any) -> Seq2Seq:
    """A model whose choices are clear-cut: weights three times as large as fresh ones.

    sizes: of the embedding, the encoder and the decoder.
    """
    torch.manual_seed(seed)
    embedding, encoder, decoder = sizes
    config = {
        "embedding": embedding,
        "encoder": {"hidden": encoder, **sections.pop("encoder", {})},
        "decoder": {"hidden": decoder, **sections.pop("decoder", {})},
        **sections,
    }
    model = build_model(ModelConfig.model_validate(config), V_SRC, V_TRG).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3).add_(0.1 * torch.randn_like(parameter))
    return model


class Best(NamedTuple):
    ids: list[int]
    score: float


def by_torch(
    model: Seq2Seq, rows: Sequence[list[int]], limits: Sequence[int], settings: SearchSettings
) -> list[list[Best]]:
    return by_steps(ModelScorer(model), rows, limits, settings)


def by_steps(
    scorer: AnyScorer, rows: Sequence[list[int]], limits: Sequence[int], settings: SearchSettings
) -> list[list[Best]]:
    lengths = torch.tensor([len(row) + 1 for row in rows])
    source = Source(pad(list(rows), last=EOS), lengths)
    found = beam_search(scorer, source, torch.tensor(limits), settings)
    return [[Best(each.ids, each.score) for each in hypotheses] for hypotheses in found]


def by_graph(
    graph: ModelProto, rows: Sequence[list[int]], limits: Sequence[int], settings: SearchSettings
) -> list[list[Best]]:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = {
        "src": pad(list(rows), last=EOS).numpy(),
        "src_len": np.array([len(row) + 1 for row in rows]),
        "limits": np.array(limits),
        "beam": np.array([settings.beam]),
        "n_best": np.array([settings.n_best]),
        "alpha": np.array([settings.penalty.alpha], np.float64),
        "offset": np.array([settings.penalty.offset], np.float64),
        "details": np.array(False),
    }
    tokens, scores = session.run(["tokens", "scores"], inputs)
    return [
        [
            Best(ids[: ids.index(EOS)], float(score))
            for ids, score in zip(of_one[:, 1:].tolist(), of_scores, strict=True)
            if score != -np.inf
        ]
        for of_one, of_scores in zip(tokens, scores, strict=True)
    ]


@pytest.fixture
def rows() -> list[list[int]]:
    numbers = np.random.default_rng(1)
    return [numbers.integers(4, V_SRC, size).tolist() for size in (7, 1, 4, 12, 2, 5, 3, 9, 0)]
