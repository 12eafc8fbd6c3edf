"""Every model that the configuration admits, as a graph: it finds what the search in torch finds.

Every decoder with every attention, other cells, heads, bridges and encoders in turn.
"""

from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from nmt.data.batches import pad
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.processors import Ban
from nmt.decoding.search import SearchSettings
from nmt.graphs import decoders
from nmt.graphs.graph import Precision
from nmt.graphs.translation import translation_graph
from nmt.models import Seq2Seq, Source
from nmt.runtime.onnx_file import check_onnx_file
from nmt.tokenization.vocabulary import BOS, EOS
from tests.contracts.test_decoder_contracts import Kind, every, pairwise, product
from tests.graphs.conftest import by_graph, by_torch, seq2seq

BANNED = [0, 1, 2]
# Beside what a `Kind` says.
SOURCES: list[dict[str, Any]] = [
    {"encoder": {"cell": "sru", "layers": 2, "bidirectional": False}, "decoder": {"bridge": "mean"}},
    {"encoder": {"cell": "irnn", "layers": 2, "residual": True}, "decoder": {"bridge": "zero"}},
    {"encoder": {"cell": "ln_lstm", "layers": 3, "layer_norm": True}, "decoder": {"bridge": "mean"}},
    {"encoder": {"cell": "rnn", "bidirectional": False}, "decoder": {"layers": 3, "residual": True}},
    {"tie_embeddings": "two_way", "head": {"kind": "lexical"}, "decoder": {"layers": 2, "layer_norm": True}},
]


def model_of(kind: Kind, sizes: tuple[int, int, int] = (6, 12, 12)) -> Seq2Seq:
    between = {"residual": kind.between, "layer_norm": kind.between}
    of_both = {"cell": kind.cell, "layers": kind.layers, **between}
    model = seq2seq(
        sizes=sizes,
        encoder=of_both,
        decoder={**of_both, "style": kind.style, "attention": kind.attention},
        head={"kind": kind.head},
    )
    halve(model)
    return model


def halve(model: Seq2Seq) -> None:
    """Make weights less large: a plain or normalised network would make much of every rounding."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            grows = name.endswith("recurrent_proj.weight")
            parameter.mul_(0.3 if grows else 0.5)


def settings(beam: int) -> SearchSettings:
    penalty = LengthPenalty(alpha=1.0, offset=5.0)
    return SearchSettings(
        beam=beam, penalty=penalty, bos=BOS, eos=EOS, processors=(Ban(BANNED),), n_best=beam
    )


def agree(model: Seq2Seq, rows: list[list[int]], beam: int) -> None:
    limits = [2 * len(row) + 3 for row in rows]
    graph = translation_graph(model, BANNED, "float32")
    check_onnx_file(graph.SerializeToString())
    found, expected = (
        by_graph(graph, rows, limits, settings(beam)),
        by_torch(model, rows, limits, settings(beam)),
    )
    assert [[best.ids for best in each] for each in found] == [
        [best.ids for best in each] for each in expected
    ]
    scores = [[best.score for best in each] for each in found]
    assert scores == [[pytest.approx(b.score, rel=1e-4, abs=1e-4) for b in each] for each in expected]


@every(product([1, 2]))
def test_ids_and_scores_are_those_of_the_search(kind: Kind, rows: list[list[int]]) -> None:
    agree(model_of(kind), rows, 3)


@pytest.mark.parametrize("sections", SOURCES)
def test_sources_and_heads_too(sections: dict[str, Any], rows: list[list[int]]) -> None:
    model = seq2seq(sizes=(6, 24, 12), **sections)
    halve(model)
    agree(model, rows, 3)


@pytest.mark.parametrize(("style", "cell"), [("conditional", "gru"), ("input_feeding", "sru")])
def test_tokens_without_a_table_too(
    style: str, cell: str, rows: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "LARGEST_TABLE", 0)
    agree(model_of(Kind(style, {"kind": "general"}, cell, 2)), rows, 3)


class Forced(NamedTuple):
    """Of the best translation of each sentence: alignment and log-probability by token."""

    tokens: NDArray[np.int64]
    alignment: NDArray[np.float32]
    log_probs: NDArray[np.float32]


def forced(model: Seq2Seq, rows: list[list[int]], precision: Precision) -> Forced:
    graph = translation_graph(model, BANNED, precision).SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    given = {
        "src": pad(list(rows), last=EOS).numpy(),
        "src_len": np.array([len(row) + 1 for row in rows]),
        "limits": np.array([len(row) + 3 for row in rows]),
        "beam": np.array([2]),
        "n_best": np.array([1]),
        "alpha": np.array([1.0]),
        "offset": np.array([5.0]),
        "details": np.array(True),
    }
    tokens, _, details = session.run(None, given)
    by_row = details.transpose(1, 0, 2)  # (B, T, Tx + 1)
    return Forced(tokens[:, 0], by_row[..., :-1], by_row[..., -1])


@torch.no_grad()
def forced_by_torch(model: Seq2Seq, rows: list[list[int]], tokens: NDArray[np.int64]) -> Forced:
    source = Source(pad(list(rows), last=EOS), torch.tensor([len(row) + 1 for row in rows]))
    trg = torch.from_numpy(tokens)
    features, alignment = model(source, trg[:, :-1])
    log_probs = model.head(features).log_softmax(-1).gather(2, trg[:, 1:, None]).squeeze(2)
    return Forced(tokens, alignment.numpy(), log_probs.numpy())


@every(pairwise(product([1, 2])))
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-4), ("int8", 0.3)])
def test_steps_along_a_translation_are_those_of_teacher_forcing(
    kind: Kind, precision: Precision, tolerance: float, rows: list[list[int]]
) -> None:
    model = model_of(kind, (64, 128, 128))
    with torch.no_grad():  # with large weights a rounding to 8 bits decides everything
        for parameter in model.parameters():
            parameter.div_(1.5)
    found = forced(model, rows, precision)
    expected = forced_by_torch(model, rows, found.tokens)
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=tolerance)


@every(pairwise(product([1, 2])))
def test_neighbours_change_nothing(kind: Kind, rows: list[list[int]]) -> None:
    model, rows = model_of(kind, (64, 128, 128)), rows[:5]
    graph, limits = translation_graph(model, BANNED, "int8"), [len(row) + 3 for row in rows]
    for beam in (1, 3):  # products of a single row, too
        together = by_graph(graph, rows, limits, settings(beam))
        alone = [
            by_graph(graph, [row], [limit], settings(beam))[0]
            for row, limit in zip(rows, limits, strict=True)
        ]
        assert together == alone
