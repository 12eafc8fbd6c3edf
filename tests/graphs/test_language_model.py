"""nmt.graphs.language_model: log-probabilities along a text are torch's."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.builders.model import build_language_model
from nmt.config.model import LanguageModelConfig
from nmt.errors import UserError
from nmt.graphs.graph import Precision
from nmt.graphs.language_model import language_model_graph
from nmt.models import LanguageModel
from nmt.runtime.onnx_file import check_onnx_file

V, H = 83, 72
MODELS: list[dict[str, Any]] = [
    *({"cell": cell} for cell in ("lstm", "gru", "rnn", "irnn", "ln_lstm", "sru", "deep_transition")),
    {"cell": "lstm", "layers": 3, "residual": True, "layer_norm": True, "tie_embeddings": "two_way"},
    {"cell": "sru", "layers": 2},
]
every = pytest.mark.parametrize("sections", MODELS)


def made(sections: dict[str, Any]) -> LanguageModel:
    torch.manual_seed(1)
    config = LanguageModelConfig.model_validate({"embedding": 64, "hidden": H, **sections})
    return build_language_model(config, V).eval()


def by_graph(model: LanguageModel, texts: Tensor, precision: Precision) -> NDArray[np.float32]:
    """Return log-probabilities (N, T, V) of texts (N, T), from a state of zeros, step by step."""
    graph = language_model_graph(model, precision).SerializeToString()
    check_onnx_file(graph)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()][1:]
    state = [np.zeros((len(texts), H), np.float32) for _ in names]
    found = []
    for y in texts.numpy().T:
        log_probs, *state = session.run(None, {"y": y, **dict(zip(names, state, strict=True))})
        found.append(log_probs)
    return np.stack(found, axis=1)


@torch.no_grad()
def by_torch(model: LanguageModel, texts: Tensor) -> NDArray[np.float32]:
    features, _ = model(texts)
    found: NDArray[np.float32] = model.head(features).log_softmax(-1).numpy()
    return found


@every
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("int8", 0.2)])
def test_log_probs_are_those_of_the_model(
    sections: dict[str, Any], precision: Precision, tolerance: float
) -> None:
    model, texts = made(sections), torch.randint(1, V, (4, 7))
    np.testing.assert_allclose(
        by_graph(model, texts, precision), by_torch(model, texts), rtol=1e-4, atol=tolerance
    )


def test_tokens_without_a_table_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.graphs.language_model.LARGEST_TABLE", 0)
    model, texts = made({"cell": "sru"}), torch.randint(1, V, (4, 7))
    np.testing.assert_allclose(
        by_graph(model, texts, "float32"), by_torch(model, texts), rtol=1e-4, atol=1e-5
    )


@every
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_neighbours_change_nothing(sections: dict[str, Any], precision: Precision) -> None:
    model, texts = made(sections), torch.randint(1, V, (5, 4))
    together = by_graph(model, texts, precision)
    for row in range(len(texts)):
        np.testing.assert_array_equal(together[[row]], by_graph(model, texts[[row]], precision))


def test_a_head_without_a_graph_is_named() -> None:
    model = made({})
    model.head = torch.nn.Identity()
    with pytest.raises(UserError, match="Identity cannot be exported"):
        language_model_graph(model, "float32")
