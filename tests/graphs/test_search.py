"""nmt.graphs.search: the graph's choices are those of nmt.decoding.search."""

import pytest
import torch

from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.processors import Ban
from nmt.decoding.search import SearchSettings
from nmt.graphs.translation import translation_graph
from nmt.tokenization.vocabulary import BOS, EOS
from tests.graphs.conftest import V_TRG, by_graph, by_torch, seq2seq

GRU = {"encoder": {"cell": "gru"}, "decoder": {"cell": "gru", "attention": {"kind": "general"}}}
NONE, GNMT = LengthPenalty(alpha=0.0, offset=0.0), LengthPenalty(alpha=1.0, offset=5.0)
AVERAGE = LengthPenalty(alpha=0.7, offset=0.0)


def settings(beam: int, n_best: int = 1, penalty: LengthPenalty = GNMT) -> SearchSettings:
    return SearchSettings(
        beam=beam, penalty=penalty, bos=BOS, eos=EOS, processors=(Ban([0, 1, 2, 7]),), n_best=n_best
    )


@pytest.mark.parametrize(
    ("beam", "n_best", "penalty"),
    [(1, 1, GNMT), (5, 1, GNMT), (5, 5, GNMT), (4, 2, NONE), (3, 3, AVERAGE), (V_TRG + 9, 4, GNMT)],
)
def test_ids_and_scores_are_those_of_the_search(
    rows: list[list[int]], beam: int, n_best: int, penalty: LengthPenalty
) -> None:
    limits = [9, 1, 4, 12, 3, 25, 2, 7, 5]
    wanted = settings(beam, n_best, penalty)
    for seed in range(3):
        model = seq2seq(seed, **GRU)
        expected = by_torch(model, rows, limits, wanted)
        found = by_graph(translation_graph(model, [0, 1, 2, 7], "float32"), rows, limits, wanted)
        assert [[best.ids for best in each] for each in found] == [
            [best.ids for best in each] for each in expected
        ]
        scores = [[best.score for best in each] for each in found]
        assert scores == [[pytest.approx(b.score, rel=1e-4, abs=1e-5) for b in each] for each in expected]


def test_of_equal_candidates_the_smaller_token_comes_first(rows: list[list[int]]) -> None:
    model = seq2seq(**GRU)
    with torch.no_grad():  # every token is as probable as every other, in every row
        for parameter in model.head.parameters():
            parameter.zero_()
    graph, wanted, limits = translation_graph(model, [0, 1, 2, 7], "float32"), settings(4, 4), [6] * len(rows)
    assert [[best.ids for best in each] for each in by_graph(graph, rows, limits, wanted)] == [
        [best.ids for best in each] for each in by_torch(model, rows, limits, wanted)
    ]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_neighbours_change_nothing(rows: list[list[int]], precision: str) -> None:
    model = seq2seq(sizes=(64, 128, 64), **GRU)
    graph = translation_graph(model, [0, 1, 2], precision)  # type: ignore[arg-type]
    limits = [2 * len(row) + 3 for row in rows]
    together = by_graph(graph, rows, limits, settings(3, 3))
    alone = [
        by_graph(graph, [row], [limit], settings(3, 3))[0] for row, limit in zip(rows, limits, strict=True)
    ]
    assert together == alone
