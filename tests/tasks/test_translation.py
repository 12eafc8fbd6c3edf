"""nmt.tasks.translation: what translation minimises and how it is validated."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
import torch

from nmt.builders.model import build_model
from nmt.config.model import ModelConfig
from nmt.data.batches import collate
from nmt.data.corpus import Pair
from nmt.data.encoded import EncodedSplit
from nmt.data.text import TextEncoder
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.processors import Ban
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.search import SearchSettings
from nmt.decoding.sources import SourceReader
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.evaluation.alignment import Detail
from nmt.evaluation.metrics import corpus_bleu
from nmt.models import Seq2Seq, Source
from nmt.objectives.cross_entropy import FIGURES, cross_entropy
from nmt.objectives.teacher_forcing import translate_forced
from nmt.objectives.token_loss import TokenLoss
from nmt.tasks.task import SAMPLES
from nmt.tasks.translation import Group, TranslationTask
from nmt.tokenization.vocabulary import BOS, EOS
from nmt.tokenization.words import WordTokenizer

SMOOTHED = partial(cross_entropy, smoothing=0.1)
TRANSLATE = TokenLoss(translate_forced, SMOOTHED, FIGURES)

PAIRS = [
    Pair("a b c", "x y z w"),
    Pair("b a", "y x"),
    Pair("c c c a b", "z z z x y"),
    Pair("a", "x"),
    Pair("b b b", "y y y w"),
    Pair("c a", "z x"),
    Pair("a c b c", "x z y z"),
]


SRC, TRG = (
    WordTokenizer.train((pair[side] for pair in PAIRS), vocab_size=None, min_frequency=1, lowercase=False)
    for side in (0, 1)
)


def translate(
    network: Seq2Seq, lines: Sequence[str], *, details: bool = False
) -> tuple[list[str], list[Detail]]:
    """What `build_task` gives to a task, for these words."""
    search = SearchSettings(
        beam=2, penalty=LengthPenalty(alpha=0.0, offset=0.0), bos=BOS, eos=EOS, processors=(Ban(TRG.banned),)
    )
    engine = TorchEngine(
        ModelScorer(network), search, tokens_per_batch=16, device=torch.device("cpu"), precision="float64"
    )
    translator = Translator(engine, (SourceReader(TextEncoder(SRC), 100),), TRG)
    found = translator.translations(lines, details=details)
    return [each.text for each in found], [part for each in found for part in each.ranked[0].parts]


@pytest.fixture
def task() -> TranslationTask:
    return TranslationTask(
        validation=EncodedSplit.of([SRC.encode(p.src) for p in PAIRS], [TRG.encode(p.trg) for p in PAIRS]),
        raw=PAIRS,
        groups=(Group("", range(len(PAIRS)), translate),),
        smoothing=0.1,
        best_by="bleu",
        tokens_per_batch=16,
        device=torch.device("cpu"),
    )


def model(**decoder: object) -> Seq2Seq:
    sides = {"encoder": {"hidden": 6}, "decoder": {"hidden": 6} | decoder}
    config = ModelConfig.model_validate({"embedding": 5, "dropout": 0.0, **sides})
    return build_model(config, 7, 8).double()


def test_the_loss_is_the_smoothed_cross_entropy_of_every_real_token(task: TranslationTask) -> None:
    network = model()
    batch = collate(task.validation, torch.arange(len(PAIRS)).numpy())
    features = network(Source(batch.src, batch.src_len), batch.trg_in).features
    log_p = network.head(features).log_softmax(-1)
    loss = nll = 0.0
    for row, length in enumerate(batch.trg_len.tolist()):
        for t in range(length):
            at = log_p[row, t]
            surprise = -at[batch.trg_out[row, t]].item()
            nll += surprise
            loss += 0.9 * surprise - 0.1 * at.mean().item()
    found = TRANSLATE(network, batch)
    assert found.count == sum(len(p.trg.split()) + 1 for p in PAIRS)
    assert found.sum.item() == pytest.approx(loss, rel=1e-12)
    assert found.figures["nll"].item() == pytest.approx(nll, rel=1e-12)


def test_what_an_attention_owes_is_in_the_loss_alone(task: TranslationTask) -> None:
    batch = collate(task.validation, torch.arange(len(PAIRS)).numpy())
    heavy, light = (
        model(style="input_feeding", attention={"kind": "coverage", "weight": weight})
        for weight in (2.0, 0.0)
    )
    light.load_state_dict(heavy.state_dict())
    alignment = heavy(Source(batch.src, batch.src_len), batch.trg_in).alignment
    owed = sum(
        torch.minimum(alignment[row, t], alignment[row, :t].sum(0)).sum().item()
        for row, length in enumerate(batch.trg_len.tolist())
        for t in range(length)
    )
    found, without = TRANSLATE(heavy, batch), TRANSLATE(light, batch)
    assert found.sum.item() == pytest.approx(without.sum.item() + 2 * owed, rel=1e-12)
    assert found.figures["nll"].item() == without.figures["nll"].item()
    found.sum.backward()
    assert heavy.decoder.attention.coverage.grad.any()  # type: ignore[attr-defined]


def test_a_validation_is_over_the_whole_split_and_by_real_decoding(task: TranslationTask) -> None:
    network = model().eval()
    whole = TRANSLATE(network, collate(task.validation, torch.arange(len(PAIRS)).numpy()))
    figures, samples, attended = task.validate(network)
    assert not attended
    assert set(figures) == {"loss", "nll", "ppl", "bleu", "length_ratio"}
    assert figures["loss"] == pytest.approx(whole.sum.item() / whole.count, rel=1e-12)
    assert figures["nll"] == pytest.approx(whole.figures["nll"].item() / whole.count, rel=1e-12)
    assert figures["ppl"] == pytest.approx(math.exp(figures["nll"]))
    # One batch for all and many batches find the same translations.
    other = replace(task, tokens_per_batch=1000).validate(network)
    assert other.figures == pytest.approx(figures, rel=1e-12)
    assert other.samples == samples
    assert len(samples) == SAMPLES
    assert all(Pair(src, ref) in PAIRS for src, ref, _ in samples)


def test_translations_stand_beside_their_own_references(task: TranslationTask) -> None:
    groups = (Group("", range(SAMPLES), translate),)
    shown = replace(task, raw=PAIRS[:SAMPLES], validation=first(task, SAMPLES), groups=groups)
    figures, samples, _ = shown.validate(model().eval())
    outputs = [output for _, _, output in samples]
    assert [(src, ref) for src, ref, _ in samples] == PAIRS[:SAMPLES]
    assert figures["bleu"] == corpus_bleu(outputs, [p.trg for p in PAIRS[:SAMPLES]])
    words = sum(len(p.trg.split()) for p in PAIRS[:SAMPLES])
    assert figures["length_ratio"] == pytest.approx(sum(len(o.split()) for o in outputs) / words)


def test_the_lines_of_each_tag_are_scored_apart_and_bleu_is_the_mean(task: TranslationTask) -> None:
    asked: list[list[str]] = []

    def to_y(
        network: Seq2Seq, lines: Sequence[str], *, details: bool = False
    ) -> tuple[list[str], list[Detail]]:
        asked.append(list(lines))
        return ["y y y w"] * len(lines), []

    groups = (Group("2x", [0, 2, 3, 5, 6], translate), Group("2y", [1, 4], to_y))
    network = model().eval()
    whole, apart = task.validate(network), replace(task, groups=groups).validate(network)
    assert asked == [["b a", "b b b"]]
    assert apart.figures["bleu_2y"] == corpus_bleu(["y y y w"] * 2, ["y x", "y y y w"]) > 0
    assert apart.figures["bleu"] == (apart.figures["bleu_2x"] + apart.figures["bleu_2y"]) / 2
    assert apart.figures["loss"] == whole.figures["loss"]
    assert dict(zip(range(SAMPLES), apart.samples, strict=True))[4] == ("b b b", "y y y w", "y y y w")


def test_where_the_model_looked_in_its_samples_stands_beside_them(task: TranslationTask) -> None:
    network = model().eval()
    with torch.no_grad():
        network.head.output.bias[EOS] = -100.0  # no output ends before it must
    plain, looking = task.validate(network), replace(task, details=True).validate(network)
    assert (looking.figures, looking.samples) == (plain.figures, plain.samples)
    translated = [(src.split(), output.split()) for src, _, output in looking.samples]
    assert all(output for _, output in translated)
    assert [(part.src_words, part.trg_words) for part in looking.details] == translated
    # The same, from teacher forcing with what was found: a word a piece, and </s> left out.
    for part in looking.details:
        src = torch.tensor([[*SRC.encode(" ".join(part.src_words)), EOS]])
        trg = torch.tensor([[BOS, *TRG.encode(" ".join(part.trg_words))]])
        output = network(Source(src, torch.tensor([src.shape[1]])), trg)
        expected = output.alignment[0, :-1, :-1].detach()
        torch.testing.assert_close(torch.from_numpy(part.weights), expected, rtol=1e-12, atol=1e-12)


def first(task: TranslationTask, count: int) -> EncodedSplit:
    src, trg = task.validation.rows(range(count))
    return EncodedSplit.of([row.tolist() for row in src], [row.tolist() for row in trg])


def test_validation_leaves_the_random_numbers_alone(task: TranslationTask) -> None:
    network = model().eval()
    before = torch.get_rng_state()
    task.validate(network)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("best_by", "a", "b", "expected"),
    [
        ("bleu", {"bleu": 2.0, "loss": 9.0}, {"bleu": 1.0, "loss": 1.0}, True),
        ("bleu", {"bleu": 1.0, "loss": 1.0}, {"bleu": 2.0, "loss": 9.0}, False),
        ("bleu", {"bleu": 0.0, "loss": 1.0}, {"bleu": 0.0, "loss": 9.0}, True),
        ("bleu", {"bleu": 0.0, "loss": 1.0}, {"bleu": 0.0, "loss": 1.0}, False),
        ("loss", {"bleu": 1.0, "loss": 1.0}, {"bleu": 2.0, "loss": 2.0}, True),
        ("loss", {"bleu": 9.0, "loss": 2.0}, {"bleu": 1.0, "loss": 2.0}, False),
        ("loss", {"bleu": 0.0, "loss": 5.0}, {"bleu": 0.0, "loss": math.nan}, True),
        ("loss", {"bleu": 0.0, "loss": math.nan}, {"bleu": 0.0, "loss": 5.0}, False),
        ("loss", {"bleu": 0.0, "loss": math.nan}, {"bleu": 0.0, "loss": math.nan}, False),
    ],
)
def test_better_is_by_what_was_asked_for(
    task: TranslationTask, best_by: str, a: dict[str, float], b: dict[str, float], expected: bool
) -> None:
    assert replace(task, best_by=best_by).better(a, b) is expected
