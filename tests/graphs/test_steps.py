"""nmt.graphs.steps: names and order of what goes in and comes out."""

import pytest
from onnx import ModelProto

from nmt.errors import UserError
from nmt.graphs.steps import encode_graph, step_graph
from tests.graphs.conftest import seq2seq

GENERAL = {"kind": "general"}
KEPT = ["memory_keys", "memory_values", "memory_bias"]


def names(graph: ModelProto) -> tuple[list[str], list[str]]:
    return [value.name for value in graph.graph.input], [value.name for value in graph.graph.output]


@pytest.mark.parametrize(("cell", "layers", "states"), [("gru", 1, 1), ("gru", 3, 3), ("lstm", 2, 4)])
def test_a_step_reads_what_the_encoder_gives_and_gives_the_state_in_its_order(
    cell: str, layers: int, states: int
) -> None:
    of_both = {"cell": cell, "layers": layers}
    model = seq2seq(encoder=of_both, decoder={**of_both, "attention": GENERAL})
    kept = [*KEPT, *(f"state_{i}" for i in range(states))]
    assert names(encode_graph(model, "float32")) == (["src", "src_len"], kept)
    after = [f"next_state_{i}" for i in range(states)]
    assert names(step_graph(model, "float32")) == (["y", "beam", *kept], ["log_probs", "alignment", *after])


def test_neither_holds_weights_of_the_other() -> None:
    made = {"cell": "gru"}
    model = seq2seq(sizes=(64, 96, 128), encoder=made, decoder={**made, "attention": GENERAL})

    def parameters(graph: ModelProto) -> int:
        return sum(len(each.raw_data) // 4 for each in graph.graph.initializer)

    whole = sum(parameter.numel() for parameter in model.parameters())
    assert (
        parameters(encode_graph(model, "float32")) + parameters(step_graph(model, "float32")) < 1.05 * whole
    )


def test_a_layer_without_a_graph_is_named() -> None:
    model = seq2seq(encoder={"cell": "gru"}, decoder={"cell": "gru", "attention": GENERAL})
    model.decoder.attention.normalize = len  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"GeneralAttention cannot be exported"):
        step_graph(model, "float32")
