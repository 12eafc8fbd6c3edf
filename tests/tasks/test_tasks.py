"""What translation minimises and how it is validated."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.builders.model import build_labeller, build_language_model, build_model
from nmt.config.model import ClassifierConfig, LanguageModelConfig, ModelConfig, TaggerConfig
from nmt.data.batches import Batch, collate
from nmt.data.corpus import Pair
from nmt.data.encoded import EncodedSplit
from nmt.data.stream import Windows
from nmt.data.text import TextEncoder
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.processors import Ban
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.search import SearchSettings
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import SourceReader, Translator
from nmt.evaluation.alignment import Detail
from nmt.evaluation.metrics import corpus_bleu
from nmt.models import LanguageModel, Seq2Seq, Source, Tagger
from nmt.objectives.cross_entropy import FIGURES, cross_entropy
from nmt.objectives.teacher_forcing import label_forced, read_forced, translate_forced
from nmt.objectives.token_loss import TokenLoss
from nmt.tasks.labeling import LabellingTask
from nmt.tasks.language_modeling import LanguageModelTask
from nmt.tasks.task import SAMPLES
from nmt.tasks.translation import Group, TranslationTask
from nmt.tokenization.vocabulary import BOS, EOS
from nmt.tokenization.words import WordTokenizer

SMOOTHED, PLAIN = partial(cross_entropy, smoothing=0.1), partial(cross_entropy, smoothing=0.0)
TRANSLATE = TokenLoss(translate_forced, SMOOTHED, FIGURES)
READ = TokenLoss(read_forced, PLAIN, FIGURES)
LABEL = TokenLoss(label_forced, SMOOTHED, FIGURES)

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


LINES = [[4, 5, 6], [], [7], [8, 4, 5, 6, 7, 8], [5, 5], [6, 4, 4, 8]]
CHARACTERS = 31


def language_model() -> LanguageModel:
    config = LanguageModelConfig(embedding=5, hidden=6, layers=2, dropout=0.0)
    return build_language_model(config, 9).double()


def text_task(
    *, continuous: bool, rows: int = 1, tokens: int = 8, smoothing: float = 0.0
) -> LanguageModelTask:
    return LanguageModelTask(
        validation=EncodedSplit.of([[]] * len(LINES), LINES),
        characters=CHARACTERS,
        smoothing=smoothing,
        tokens_per_batch=tokens,
        device=torch.device("cpu"),
        continuous=continuous,
        rows=rows,
    )


def surprise(model: LanguageModel, first: int, text: list[int]) -> float:
    """Σ −log p(piece) of a text after the piece `first`, step by step, in NumPy."""
    cells = [
        [p.detach().numpy() for p in (c.input_proj.weight, c.recurrent_proj.weight, c.recurrent_proj.bias)]
        for c in model.stack.layers
    ]
    states = [(np.zeros(6), np.zeros(6)) for _ in cells]
    embedding = model.embedding.weight.detach().numpy()
    weight, bias = (p.detach().numpy() for p in (model.head.output.weight, model.head.output.bias))
    total = 0.0
    for before, piece in zip([first, *text], text, strict=False):
        x = embedding[before]
        for layer, (w, u, b) in enumerate(cells):
            h, c = states[layer]
            i, f, g, o = np.split(w @ x + u @ h + b, 4)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            x = np.tanh(c) / (1 + np.exp(-o))
            states[layer] = x, c
        logits = weight @ x + bias
        total -= logits[piece] - np.log(np.exp(logits).sum())
    return float(total)


def test_the_perplexity_of_lines_is_that_of_each_from_its_beginning() -> None:
    network = language_model().eval()
    nll = sum(surprise(network, BOS, [*line, EOS]) for line in LINES)
    count = sum(len(line) + 1 for line in LINES)
    for tokens in (1, 8, 1000):
        figures, samples, _ = text_task(continuous=False, tokens=tokens).validate(network)
        assert samples == []
        assert figures == pytest.approx(
            {
                "loss": nll / count,
                "nll": nll / count,
                "ppl": math.exp(nll / count),
                "bits_per_char": nll / math.log(2) / CHARACTERS,
            },
            rel=1e-12,
        )


def test_the_perplexity_of_one_long_text_does_not_depend_on_its_windows() -> None:
    network = language_model().eval()
    text = [piece for line in LINES for piece in (*line, EOS)]
    expected = surprise(network, EOS, text) / len(text)
    for tokens in (1, 3, 8, 1000):
        figures = text_task(continuous=True, tokens=tokens).validate(network).figures
        assert figures["nll"] == pytest.approx(expected, rel=1e-12)
    # Each of several rows begins with nothing read, but for the piece before it.
    parts = [(EOS, text[:8]), (text[7], text[8:16]), (text[15], text[16:])]
    expected = sum(surprise(network, first, part) for first, part in parts) / len(text)
    for tokens in (3, 9, 1000):
        figures = text_task(continuous=True, rows=3, tokens=tokens).validate(network).figures
        assert figures["nll"] == pytest.approx(expected, rel=1e-12)


def test_smoothing_is_in_the_loss_alone() -> None:
    network = language_model().eval()
    plain = text_task(continuous=False).validate(network).figures
    smoothed = text_task(continuous=False, smoothing=0.1).validate(network).figures
    assert smoothed["nll"] == plain["nll"]
    assert smoothed["loss"] != plain["loss"]


@pytest.mark.parametrize("width", [1, 2, 5, 23])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_training_carries_states_over_windows_and_parts(width: int, parts: int) -> None:
    network, task = language_model().train(), text_task(continuous=True)
    text = task.validation.targets(EOS)
    assert len(text) == 22

    def total(windows: Iterator[Batch]) -> float:
        return sum(READ(network, part).sum.item() for w in windows for part in w.micro_batches(parts))

    whole = total(iter(Windows(text, 2, 100)))
    assert total(iter(Windows(text, 2, width))) == pytest.approx(whole, rel=1e-12)


def test_gradients_stop_between_windows_and_a_trial_begins_anew() -> None:
    network, task = language_model().train(), text_task(continuous=True)
    windows = Windows(task.validation.targets(EOS), 2, 4)
    first, second = (window for number, window in enumerate(windows) if number < 2)
    assert first.recurrent is second.recurrent is not None
    # Both were handed out before either was computed: the second begins with nothing, as a trial does.
    trial = windows.window(1)
    assert READ(network, trial).sum.item() == READ(network, second).sum.item()

    seen: list[Tensor | None] = []
    for window in windows:
        assert window.recurrent is not None
        entering = window.recurrent.enter(window.indices)
        assert entering is None or not entering.requires_grad
        READ(network, window).sum.backward()  # a second time through the first graph would raise
        seen.append(entering)
    assert len(seen) == 3
    assert seen[0] is None
    assert seen[1] is not None


def test_the_better_language_model_has_the_lower_loss() -> None:
    task = text_task(continuous=False)
    assert task.better({"loss": 1.0}, {"loss": 2.0})
    assert not task.better({"loss": 2.0}, {"loss": 2.0})
    assert task.better({"loss": 2.0}, {"loss": math.nan})


TAGGED = [Pair("a b c", "x y x"), Pair("b", "y"), Pair("c c a b a", "z x x y y"), Pair("a c", "x z")]
CLASSED = [Pair(text, labels[0]) for text, labels in TAGGED]


def labelling(pairs: list[Pair], *, smoothing: float = 0.0, tokens: int = 9) -> LabellingTask:
    src, trg = (
        WordTokenizer.train(side, vocab_size=None, min_frequency=1, lowercase=False)
        for side in zip(*pairs, strict=True)
    )
    return LabellingTask(
        validation=EncodedSplit.of([src.encode(p.src) for p in pairs], [trg.encode(p.trg) for p in pairs]),
        raw=pairs,
        labels=trg,
        smoothing=smoothing,
        best_by="accuracy",
        tokens_per_batch=tokens,
        device=torch.device("cpu"),
    )


def labeller(config: type[ClassifierConfig | TaggerConfig]) -> Tagger:
    section = {"embedding": 5, "dropout": 0.0, "encoder": {"hidden": 6}}
    return build_labeller(config.model_validate(section), 7, 7).double().eval()


@pytest.mark.parametrize(
    ("config", "pairs", "count"), [(ClassifierConfig, CLASSED, 4), (TaggerConfig, TAGGED, 11)]
)
@pytest.mark.parametrize("tokens", [1, 9, 1000])
def test_labels_are_learnt_and_validated_one_for_one(
    config: type[ClassifierConfig | TaggerConfig], pairs: list[Pair], count: int, tokens: int
) -> None:
    task, network = labelling(pairs, smoothing=0.1, tokens=tokens), labeller(config)
    loss = nll = 0.0
    texts = []
    for src, trg in zip(*task.validation.rows(range(len(pairs))), strict=True):
        ids = torch.tensor([[*src.tolist(), EOS]])
        logits = network.head(network(Source(ids, torch.tensor([len(src) + 1])))).detach()
        (log_p,) = logits.log_softmax(-1)
        for of_label, label in zip(log_p, trg.tolist(), strict=False):
            nll -= float(of_label[label])
            loss -= float(0.9 * of_label[label] + 0.1 * of_label.mean())
        best = [EOS + 1 + int(row[EOS + 1 :].argmax()) for row in log_p[: len(trg)]]
        texts.append(task.labels.decode(best))
    figures, samples, _ = task.validate(network)
    wanted = " ".join(pair.trg for pair in pairs).split()
    assert len(wanted) == count
    right = sum(a == b for a, b in zip(" ".join(texts).split(), wanted, strict=True))
    assert {name: figures[name] for name in ("loss", "nll", "accuracy")} == pytest.approx(
        {"loss": loss / count, "nll": nll / count, "accuracy": 100 * right / count}
    )
    assert samples == [(*pair, text) for pair, text in zip(pairs, texts, strict=True)]
    batch = collate(task.validation, np.arange(len(pairs)))
    found = LABEL(network, batch)
    assert (found.sum.item(), found.count) == (pytest.approx(loss), count)


@pytest.mark.parametrize(
    ("best_by", "a", "b", "expected"),
    [
        ("accuracy", {"accuracy": 2.0, "loss": 9.0}, {"accuracy": 1.0, "loss": 1.0}, True),
        ("accuracy", {"accuracy": 1.0, "loss": 1.0}, {"accuracy": 1.0, "loss": 2.0}, True),
        ("loss", {"accuracy": 2.0, "loss": 9.0}, {"accuracy": 1.0, "loss": 1.0}, False),
    ],
)
def test_better_labels(best_by: str, a: dict[str, float], b: dict[str, float], expected: bool) -> None:
    assert replace(labelling(TAGGED), best_by=best_by).better(a, b) is expected
