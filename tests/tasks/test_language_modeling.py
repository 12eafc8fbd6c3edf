"""nmt.tasks.language_modeling: what a language model minimises and how it is validated."""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.builders.model import build_language_model
from nmt.config.model import LanguageModelConfig
from nmt.data.batches import Batch
from nmt.data.encoded import EncodedSplit
from nmt.data.stream import Windows
from nmt.models import LanguageModel
from nmt.objectives.cross_entropy import FIGURES, cross_entropy
from nmt.objectives.teacher_forcing import read_forced
from nmt.objectives.token_loss import TokenLoss
from nmt.tasks.language_modeling import LanguageModelTask
from nmt.tokenization.vocabulary import BOS, EOS

PLAIN = partial(cross_entropy, smoothing=0.0)
READ = TokenLoss(read_forced, PLAIN, FIGURES)

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
