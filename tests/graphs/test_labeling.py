"""nmt.graphs.labeling: log-probabilities of labels are torch's, padding and neighbours change nothing."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from nmt.builders.model import build_labeller
from nmt.config.model import ClassifierConfig, TaggerConfig
from nmt.data.batches import pad
from nmt.graphs.graph import Precision
from nmt.graphs.labeling import labeling_graph
from nmt.models import Classifier, Source, Tagger
from nmt.runtime.onnx_file import check_onnx_file
from nmt.tokenization.vocabulary import EOS

V, LABELS = 31, 70
ROWS = [[5, 9, 30, 4, 7], [6], [], [8, 8, 12, 29, 17, 4, 11, 6]]
ENCODERS: list[dict[str, Any]] = [
    {"cell": "gru"},
    {"cell": "lstm", "layers": 2, "bidirectional": False},
    {"cell": "sru", "layers": 3, "residual": True, "layer_norm": True},
    {"cell": "ln_lstm"},
    {"cell": "irnn"},
]
every = pytest.mark.parametrize("encoder", ENCODERS)
both = pytest.mark.parametrize("config", [TaggerConfig, ClassifierConfig])


def made(config: Any, encoder: dict[str, Any]) -> Tagger:
    torch.manual_seed(1)
    section = config.model_validate({"embedding": 64, "encoder": {"hidden": 128, **encoder}})
    return build_labeller(section, V, LABELS).eval()


def session_of(model: Tagger, precision: Precision) -> onnxruntime.InferenceSession:
    graph = labeling_graph(model, precision).SerializeToString()
    check_onnx_file(graph)
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def by_graph(session: onnxruntime.InferenceSession, rows: list[list[int]]) -> NDArray[np.float32]:
    given = {"src": pad(rows, last=EOS).numpy(), "src_len": np.array([len(row) + 1 for row in rows])}
    found: NDArray[np.float32] = session.run(None, given)[0]
    return found


@torch.no_grad()
def by_torch(model: Tagger, rows: list[list[int]]) -> NDArray[np.float32]:
    source = Source(pad(rows, last=EOS), torch.tensor([len(row) + 1 for row in rows]))
    found: NDArray[np.float32] = model.head(model(source)).log_softmax(-1).numpy()
    return found


@every
@both
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("int8", 0.2)])
def test_log_probs_are_those_of_the_model(
    config: Any, encoder: dict[str, Any], precision: Precision, tolerance: float
) -> None:
    model = made(config, encoder)
    found, expected = by_graph(session_of(model, precision), ROWS), by_torch(model, ROWS)
    assert found.shape == expected.shape
    for row, one, other in zip(ROWS, found, expected, strict=True):
        real = 1 if isinstance(model, Classifier) else len(row) + 1
        np.testing.assert_allclose(one[:real], other[:real], rtol=1e-4, atol=tolerance)


@every
@both
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_neighbours_change_nothing(config: Any, encoder: dict[str, Any], precision: Precision) -> None:
    model = made(config, encoder)
    session = session_of(model, precision)
    for row, among in zip(ROWS, by_graph(session, ROWS), strict=True):
        alone = by_graph(session, [row])[0]
        np.testing.assert_array_equal(among[: len(alone)], alone)
