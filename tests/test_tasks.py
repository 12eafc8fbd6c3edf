"""What translation minimises and how it is validated."""

import math
from dataclasses import replace

import pytest
import torch

from nmt.build.model import build_model
from nmt.config.model import ModelConfig
from nmt.data.batches import collate
from nmt.data.corpus import Pair
from nmt.data.encoded import EncodedSplit
from nmt.data.tokenizer import WordTokenizer
from nmt.data.vocabulary import BOS, EOS
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.search import SearchSettings
from nmt.evaluation.metrics import corpus_bleu
from nmt.models import Seq2Seq, Source
from nmt.tasks import SAMPLES, TranslationTask

PAIRS = [
    Pair("a b c", "x y z w"),
    Pair("b a", "y x"),
    Pair("c c c a b", "z z z x y"),
    Pair("a", "x"),
    Pair("b b b", "y y y w"),
    Pair("c a", "z x"),
    Pair("a c b c", "x z y z"),
]


@pytest.fixture
def task() -> TranslationTask:
    src = WordTokenizer.train((p.src for p in PAIRS), vocab_size=None, min_frequency=1, lowercase=False)
    trg = WordTokenizer.train((p.trg for p in PAIRS), vocab_size=None, min_frequency=1, lowercase=False)
    return TranslationTask(
        validation=EncodedSplit.of([src.encode(p.src) for p in PAIRS], [trg.encode(p.trg) for p in PAIRS]),
        raw=PAIRS,
        src_tokenizer=src,
        trg_tokenizer=trg,
        search=SearchSettings(
            beam=2, penalty=LengthPenalty(alpha=0.0, offset=0.0), bos=BOS, eos=EOS, banned=tuple(trg.banned)
        ),
        smoothing=0.1,
        best_by="bleu",
        tokens_per_batch=16,
        device=torch.device("cpu"),
    )


def model() -> Seq2Seq:
    sides = {"encoder": {"hidden": 6}, "decoder": {"hidden": 6}}
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
    found = task.loss(network, batch)
    assert found.count == sum(len(p.trg.split()) + 1 for p in PAIRS)
    assert found.loss.item() == pytest.approx(loss, rel=1e-12)
    assert found.nll.item() == pytest.approx(nll, rel=1e-12)


def test_a_validation_is_over_the_whole_split_and_by_real_decoding(task: TranslationTask) -> None:
    network = model().eval()
    whole = task.loss(network, collate(task.validation, torch.arange(len(PAIRS)).numpy()))
    figures, samples, attended = task.validate(network)
    assert not attended
    assert set(figures) == {"loss", "nll", "ppl", "bleu", "length_ratio"}
    assert figures["loss"] == pytest.approx(whole.loss.item() / whole.count, rel=1e-12)
    assert figures["nll"] == pytest.approx(whole.nll.item() / whole.count, rel=1e-12)
    assert figures["ppl"] == pytest.approx(math.exp(figures["nll"]))
    # One batch for all and many batches find the same translations.
    other = replace(task, tokens_per_batch=1000).validate(network)
    assert other.figures == pytest.approx(figures, rel=1e-12)
    assert other.samples == samples
    assert len(samples) == SAMPLES
    assert all(Pair(src, ref) in PAIRS for src, ref, _ in samples)


def test_translations_stand_beside_their_own_references(task: TranslationTask) -> None:
    shown = replace(task, raw=PAIRS[:SAMPLES], validation=first(task, SAMPLES))
    figures, samples, _ = shown.validate(model().eval())
    outputs = [output for _, _, output in samples]
    assert [(src, ref) for src, ref, _ in samples] == PAIRS[:SAMPLES]
    assert figures["bleu"] == corpus_bleu(outputs, [p.trg for p in PAIRS[:SAMPLES]])
    words = sum(len(p.trg.split()) for p in PAIRS[:SAMPLES])
    assert figures["length_ratio"] == pytest.approx(sum(len(o.split()) for o in outputs) / words)


def test_where_the_model_looked_in_its_samples_stands_beside_them(task: TranslationTask) -> None:
    network = model().eval()
    with torch.no_grad():
        network.head.output.bias[EOS] = -100.0  # no output ends before it must
    plain, looking = task.validate(network), replace(task, attention=True).validate(network)
    assert (looking.figures, looking.samples) == (plain.figures, plain.samples)
    translated = [(src.split(), output.split()) for src, _, output in looking.samples]
    assert all(output for _, output in translated)
    assert [(part.src_words, part.trg_words) for part in looking.attended] == translated
    # The same, from teacher forcing with what was found: a word a piece, and </s> left out.
    for part in looking.attended:
        src = torch.tensor([[*task.src_tokenizer.encode(" ".join(part.src_words)), EOS]])
        trg = torch.tensor([[BOS, *task.trg_tokenizer.encode(" ".join(part.trg_words))]])
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
