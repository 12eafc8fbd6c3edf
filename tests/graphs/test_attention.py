"""nmt.graphs.attention: contexts, alignments and states of every attention are torch's."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor, nn

from nmt.errors import UserError
from nmt.graphs import attention as attentions
from nmt.graphs.encoders import Encoded
from nmt.graphs.graph import Graph, Precision, Value
from nmt.layers.attention import (
    AdditiveAttention,
    CoverageAttention,
    DotAttention,
    GeneralAttention,
    LocationAttention,
    MultiHeadAttention,
    Normalize,
    entmax15,
    softmax,
    sparsemax,
)

K, STEPS = 3, 3
FLOAT = TensorProto.FLOAT
KINDS = ["additive", "coverage", "location", "dot", "general", "multi_head", "one_head"]
NORMALIZE = [softmax, sparsemax, entmax15]
every = pytest.mark.parametrize("kind", KINDS)


def made(kind: str, width: int, normalize: Normalize = softmax) -> Any:
    torch.manual_seed(1)
    size = width + 3
    match kind:
        case "additive":
            layer: Any = AdditiveAttention(width, width, size, normalize=normalize)
        case "coverage":
            layer = CoverageAttention(width, width, size, weight=1.0, normalize=normalize)
        case "location":
            layer = LocationAttention(width, width, size, filters=4, width=5, normalize=normalize)
        case "dot":
            layer = DotAttention(width, width, normalize=normalize)
        case "general":
            layer = GeneralAttention(width, width, normalize=normalize)
        case _:
            heads = 1 if kind == "one_head" else 4
            layer = MultiHeadAttention(width, width, heads, normalize=normalize)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=2 * width**-0.5)
    return layer


class Session:
    """A graph of several steps, each with its own queries."""

    def __init__(self, layer: Any, precision: Precision = "float32") -> None:
        g = Graph(precision)
        outputs, mask, beam = Value("outputs", g), Value("mask", g), Value("beam", g)
        memory = attentions.build_memory(g, layer, Encoded(outputs, outputs, mask))
        state = attentions.start(g, layer, memory)
        if state is not None:  # a row for each query, as a search repeats it
            rows = g.op("Unsqueeze", state, np.array([1]))
            shape = g.concat(g.constant(np.array([1])), beam, g.constant(np.array([1])), axis=0)
            shape = g.op("Expand", rows, shape)
            state = g.op("Reshape", shape, g.concat(g.constant(np.array([-1])), g.size(mask, 1), axis=0))
        found, inputs = [], [("outputs", FLOAT, None), ("mask", TensorProto.BOOL, None)]
        for i in range(STEPS):
            query = Value(f"query_{i}", g)
            context, alignment, state = attentions.attend(g, layer, query, memory, state, beam)
            found += [(context, f"context_{i}", FLOAT), (alignment, f"alignment_{i}", FLOAT)]
            inputs.append((query.name, FLOAT, None))
        graph = g.model([*inputs, ("beam", TensorProto.INT64, (1,))], found)
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString(), providers=["CPUExecutionProvider"]
        )

    def run(self, outputs: Tensor, mask: Tensor, queries: Tensor) -> list[NDArray[Any]]:
        """queries: (B, K, STEPS, H)."""
        given: dict[str, Any] = {"outputs": outputs.numpy(), "mask": mask.numpy()}
        for i in range(STEPS):
            given[f"query_{i}"] = queries[:, :, i].flatten(0, 1).numpy()
        found: list[NDArray[Any]] = self._session.run(None, {**given, "beam": np.array([queries.shape[1]])})
        return found


def case(width: int, lengths: list[int], rows: int = K) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(2)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    outputs = torch.randn(len(lengths), max(lengths), width).tanh()
    return outputs, mask, torch.randn(len(lengths), rows, STEPS, width)


@torch.no_grad()
def by_torch(layer: Any, outputs: Tensor, mask: Tensor, queries: Tensor) -> list[Tensor]:
    memory = layer.build_memory(outputs, mask)
    state = layer.start(memory)
    state = None if state is None else state.repeat_interleave(queries.shape[1], dim=0)
    found = []
    for i in range(STEPS):
        context, alignment, state = layer(queries[:, :, i], memory, state)
        found += [context.flatten(0, 1), alignment.flatten(0, 1)]
    return found


@every
@pytest.mark.parametrize("normalize", NORMALIZE)
def test_steps_are_those_of_the_attention(kind: str, normalize: Normalize) -> None:
    layer, given = made(kind, 12, normalize), case(12, [5, 1, 9, 3])
    for one, other in zip(Session(layer).run(*given), by_torch(layer, *given), strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-4, atol=2e-5)


@every
def test_int8_is_near_float32(kind: str) -> None:
    layer, given = made(kind, 64), case(64, [5, 1, 9, 3])
    for one, other in zip(Session(layer, "int8").run(*given), by_torch(layer, *given), strict=True):
        assert np.abs(one - other.numpy()).max() < 0.1 * max(1, np.abs(other.numpy()).max())


@every
@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_neighbours_change_nothing(kind: str, normalize: Normalize, precision: Precision) -> None:
    """Every sentence alone is what it is among others, of which some are longer.

    Widths are multiples of four, as `in_fours` makes them; of wider keys products take sums in parts.
    """
    width, lengths = 320, [8, 4, 20, 36, 76]
    session = Session(made(kind, width, normalize), precision)
    for beam in (1, K):
        outputs, mask, queries = case(width, lengths, beam)
        together = session.run(outputs, mask, queries)
        for row, length in enumerate(lengths):
            alone = session.run(outputs[[row], :length], mask[[row], :length], queries[[row]])
            for among, one in zip(together, alone, strict=True):
                rows = among[row * beam : (row + 1) * beam]
                np.testing.assert_array_equal(rows[:, : one.shape[1]], one)
                assert not rows[:, one.shape[1] :].any()


@pytest.mark.parametrize("normalize", NORMALIZE)
@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0, 1e4])
def test_an_alignment_is_that_of_the_normalizer(normalize: Normalize, spread: float) -> None:
    """Of scores near each other, far from each other, and equal ones."""
    torch.manual_seed(3)
    scores = spread * torch.randn(6, 11)
    scores[1] = scores[1, 0]
    scores[2, 3:7] = scores[2].max()
    scores[3, 5:], scores[4, 1:] = float("-inf"), float("-inf")
    layer, g = GeneralAttention(4, 4, normalize=normalize), Graph("float32")
    graph = g.model(
        [("scores", FLOAT, None)], [(attentions.normalized(g, layer, Value("scores", g)), "y", FLOAT)]
    )
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"scores": scores.numpy()})[0]
    np.testing.assert_allclose(found, normalize(scores).numpy(), rtol=1e-4, atol=2e-6)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)


class Unknown(GeneralAttention):
    def __init__(self) -> None:
        super().__init__(4, 4, normalize=lambda scores: scores)


def test_an_attention_without_a_graph_is_named() -> None:
    g = Graph("float32")
    with pytest.raises(UserError, match="Unknown cannot be exported"):
        attentions.normalized(g, Unknown(), Value("scores", g))
    layer: Any = nn.Identity()
    value = Value("x", g)
    with pytest.raises(UserError, match="Identity cannot be exported"):
        attentions.build_memory(g, layer, Encoded(value, value, value))
    with pytest.raises(UserError, match="Identity cannot be exported"):
        attentions.attend(g, layer, value, attentions.Memory(value, value, value), None, value)
