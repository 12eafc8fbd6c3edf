"""nmt.graphs.cutting: a search by the steps of a graph finds what the graph finds."""

from typing import Any

import numpy as np
import pytest
import torch
from onnx import ModelProto

from nmt.data.batches import pad
from nmt.decoding.forcing import attend, force
from nmt.decoding.graph_scorer import GraphScorer
from nmt.graphs import decoders
from nmt.graphs.cutting import cut_steps
from nmt.graphs.graph import Graph, Precision, Value
from nmt.graphs.steps import encode_graph, step_graph
from nmt.graphs.translation import translation_graph
from nmt.models import Seq2Seq, Source
from nmt.runtime.onnx_file import check_onnx_file
from nmt.tokenization.vocabulary import BOS, EOS
from tests.contracts.test_decoder_contracts import Kind, every, pairwise, product
from tests.graphs.conftest import by_graph, by_steps, seq2seq
from tests.graphs.test_combinations import BANNED, SOURCES, forced, halve, model_of, settings

GENERAL = {"cell": "gru", "attention": {"kind": "general"}}


def scorer(whole: ModelProto) -> GraphScorer:
    return GraphScorer(*(graph.SerializeToString() for graph in cut_steps(whole)))


def agree(model: Seq2Seq, rows: list[list[int]], precision: Precision = "float32") -> None:
    whole, limits = translation_graph(model, BANNED, precision), [2 * len(row) + 3 for row in rows]
    for beam in (1, 5):
        found = by_steps(scorer(whole), rows, limits, settings(beam))
        expected = by_graph(whole, rows, limits, settings(beam))
        assert [[best.ids for best in each] for each in found] == [
            [best.ids for best in each] for each in expected
        ]
        for some, others in zip(found, expected, strict=True):
            assert [each.score for each in some] == pytest.approx([each.score for each in others], rel=1e-5)


@every(product([1, 2]))
def test_translations_and_scores_are_those_of_the_graph(kind: Kind, rows: list[list[int]]) -> None:
    agree(model_of(kind), rows)


@every(pairwise(product([1])))
def test_in_int8_too(kind: Kind, rows: list[list[int]]) -> None:
    agree(model_of(kind, (64, 128, 128)), rows, "int8")


@pytest.mark.parametrize("sections", SOURCES)
def test_other_encoders_and_heads_too(sections: dict[str, Any], rows: list[list[int]]) -> None:
    model = seq2seq(sizes=(6, 24, 12), **sections)
    halve(model)
    agree(model, rows)


@pytest.mark.parametrize(("style", "cell"), [("conditional", "gru"), ("input_feeding", "sru")])
def test_tokens_without_a_table_too(
    style: str, cell: str, rows: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "LARGEST_TABLE", 0)
    agree(model_of(Kind(style, {"kind": "general"}, cell, 2)), rows)


@pytest.mark.parametrize("kind", [{"kind": "general"}, {"kind": "coverage"}])
def test_alignment_and_log_probabilities_are_those_of_the_details(
    kind: dict[str, Any], rows: list[list[int]]
) -> None:
    model = model_of(Kind("conditional", kind, "gru", 1), (64, 128, 128))
    expected = forced(model, rows, "int8")
    steps = scorer(translation_graph(model, BANNED, "int8"))
    source = Source(pad(rows, last=EOS), torch.tensor([len(row) + 1 for row in rows]))
    targets = torch.from_numpy(expected.tokens[:, 1:].copy())
    log_probs, looked = (each(steps, source, targets, bos=BOS).numpy() for each in (force, attend))
    np.testing.assert_allclose(log_probs, expected.log_probs, rtol=1e-5, atol=1e-6)
    width = expected.alignment.shape[2]
    np.testing.assert_allclose(looked[:, :, :width], expected.alignment, rtol=1e-5, atol=1e-6)


def test_they_are_the_graphs_that_are_made_of_the_model() -> None:
    model = seq2seq(sizes=(64, 96, 128), encoder={"cell": "lstm"}, decoder={**GENERAL, "layers": 2})
    made = encode_graph(model, "int8"), step_graph(model, "int8")
    for cut, expected in zip(cut_steps(translation_graph(model, BANNED, "int8")), made, strict=True):
        check_onnx_file(cut.SerializeToString())
        for side in ("input", "output"):
            names = ([value.name for value in getattr(each.graph, side)] for each in (cut, expected))
            assert next(names) == next(names)
        kinds = (
            sorted(node.op_type for node in each.graph.node if node.op_type != "Identity")
            for each in (cut, expected)
        )
        assert next(kinds) == next(kinds)


def test_another_graph_is_refused() -> None:
    g = Graph("float32")
    x = Value("x", g)
    other = g.model([("x", 1, ("N",))], [(g.op("Neg", x), name, 1) for name in ("tokens", "scores", "rest")])
    with pytest.raises(ValueError, match=r"given by Neg, expected Loop"):
        cut_steps(other)
