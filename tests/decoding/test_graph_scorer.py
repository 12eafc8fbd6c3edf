"""nmt.decoding.graph_scorer: steps on ONNX Runtime are the model's, alone and in company."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from nmt.builders.model import build_language_model
from nmt.config.model import LanguageModelConfig
from nmt.data.batches import pad
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.engine import Hypothesis
from nmt.decoding.forcing import force
from nmt.decoding.graph_scorer import GraphScorer, LanguageModelGraphScorer
from nmt.decoding.processors import Ban
from nmt.decoding.scorers import EnsembleScorer, FusionScorer, LanguageModelScorer, ModelScorer
from nmt.decoding.search import SearchSettings, StepScorer, beam_search
from nmt.decoding.trees import select_rows
from nmt.graphs.graph import Precision
from nmt.graphs.language_model import language_model_graph
from nmt.graphs.steps import encode_graph, step_graph
from nmt.models import Seq2Seq, Source
from nmt.tokenization.vocabulary import BOS, EOS, PAD, UNK
from tests.graphs.conftest import V_SRC, V_TRG, seq2seq

BEAM = 4
SETTINGS = SearchSettings(
    beam=BEAM,
    penalty=LengthPenalty(alpha=1.0, offset=5.0),
    bos=BOS,
    eos=EOS,
    processors=(Ban((PAD, UNK, BOS)),),
    n_best=3,
)
KINDS = [("gru", 1), ("gru", 2), ("lstm", 1), ("lstm", 2)]
kinds = pytest.mark.parametrize(("cell", "layers"), KINDS)


def model(
    cell: str = "gru", layers: int = 1, seed: int = 1, sizes: tuple[int, int, int] = (6, 8, 12)
) -> Seq2Seq:
    of_both = {"cell": cell, "layers": layers}
    decoder = {**of_both, "attention": {"kind": "general"}}
    return seq2seq(seed, sizes=sizes, encoder=of_both, decoder=decoder)


def graph(made: Seq2Seq, precision: Precision = "float32") -> GraphScorer:
    return GraphScorer(*(emit(made, precision).SerializeToString() for emit in (encode_graph, step_graph)))


def sentences(count: int, seed: int = 1) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, 12, (count,), generator=generator).tolist()
    return [torch.randint(EOS + 1, V_SRC, (length,), generator=generator).tolist() for length in lengths]


def batch(rows: list[list[int]]) -> Source:
    return Source(pad(rows, last=EOS), torch.tensor([len(row) + 1 for row in rows]))


def search(scorer: StepScorer, rows: list[list[int]], members: int = 0) -> list[list[Hypothesis]]:
    source = batch(rows)
    limits = SETTINGS.limits(source.lengths)
    return beam_search(scorer, (source,) * members if members else source, limits, SETTINGS, details=True)


def ids(found: list[list[Hypothesis]]) -> list[list[list[int]]]:
    return [[each.ids for each in hypotheses] for hypotheses in found]


@kinds
@torch.inference_mode()
def test_steps_are_the_models(cell: str, layers: int) -> None:
    made, rows = model(cell, layers), sentences(5)
    scorers: list[StepScorer] = [graph(made), ModelScorer(made)]
    memories, states = zip(*(scorer.start(batch(rows)) for scorer in scorers), strict=True)
    every = torch.arange(len(rows)).repeat_interleave(BEAM)
    generator = torch.Generator().manual_seed(2)
    states = tuple(select_rows(state, every) for state in states)
    for position in range(6):
        if position == 3:  # a sentence leaves
            stay = torch.tensor([0, 1, 3, 4])
            memories = tuple(select_rows(memory, stay) for memory in memories)
            rows_kept = (stay.unsqueeze(1) * BEAM + torch.arange(BEAM)).flatten()
            states = tuple(select_rows(state, rows_kept) for state in states)
        y_prev = torch.randint(
            EOS + 1, V_TRG, (len(every) if position < 3 else 4 * BEAM,), generator=generator
        )
        found, expected = (
            scorer.step(y_prev, memory, state)
            for scorer, memory, state in zip(scorers, memories, states, strict=True)
        )
        torch.testing.assert_close(found.log_probs, expected.log_probs, atol=1e-4, rtol=0)
        torch.testing.assert_close(found.alignment, expected.alignment, atol=1e-4, rtol=0)
        states = found.state, expected.state


@kinds
def test_the_search_finds_the_same(cell: str, layers: int) -> None:
    made, rows = model(cell, layers), sentences(20)
    found, expected = search(graph(made), rows), search(ModelScorer(made), rows)
    assert ids(found) == ids(expected)
    for some, others in zip(found, expected, strict=True):
        assert [each.score for each in some] == pytest.approx([each.score for each in others], abs=1e-4)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_ensemble_of_a_model_with_itself_is_the_model(precision: Precision) -> None:
    one, rows = graph(model(sizes=(64, 64, 64)), precision), sentences(20)
    together = search(EnsembleScorer([one, one], same_source=True), rows, members=2)
    assert together == search(one, rows)  # ids, scores and log-probabilities, to the last bit


def test_int8_is_near_float32() -> None:
    made, source = model(sizes=(64, 128, 128)), batch(sentences(12))
    targets = torch.randint(EOS + 1, V_TRG, (12, 5), generator=torch.Generator().manual_seed(1))
    exact, rough = (force(graph(made, precision), source, targets, bos=BOS) for precision in PRECISIONS)
    assert not torch.equal(exact, rough)
    assert (exact - rough).abs().mean() < 0.1 * exact.abs().mean()


PRECISIONS: tuple[Precision, Precision] = ("float32", "int8")


def test_an_ensemble_and_a_fusion_find_what_torch_finds() -> None:
    models, rows = [model("gru", 1), model("lstm", 2, seed=2)], sentences(20)
    by_graph, by_torch = (
        EnsembleScorer([scorer(made) for made in models], same_source=True) for scorer in (graph, ModelScorer)
    )
    assert ids(search(by_graph, rows, 2)) == ids(search(by_torch, rows, 2))
    torch.manual_seed(3)
    text = build_language_model(LanguageModelConfig(embedding=8, hidden=10), V_TRG).eval()
    lm = LanguageModelGraphScorer(language_model_graph(text, "float32").SerializeToString())
    fused = search(FusionScorer(by_graph, lm, 0.5), rows, 2)
    expected = search(FusionScorer(by_torch, LanguageModelScorer(text), 0.5), rows, 2)
    assert ids(fused) == ids(expected)
    assert ids(fused) != ids(search(by_graph, rows, 2))


def test_a_target_is_forced_as_by_torch() -> None:
    made, source = model("lstm", 2), batch(sentences(6))
    targets = torch.randint(EOS + 1, V_TRG, (6, 4), generator=torch.Generator().manual_seed(1))
    found, expected = (force(scorer(made), source, targets, bos=BOS) for scorer in (graph, ModelScorer))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_threads_share_a_scorer() -> None:
    scorer = graph(model())
    jobs = [sentences(6, seed) for seed in range(12)]
    expected = [search(scorer, rows) for rows in jobs]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda rows: search(scorer, rows), jobs)) == expected


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(ValueError, match="protobuf"):
        GraphScorer(b"no graph", b"no graph")
