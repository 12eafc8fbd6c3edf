"""The log-probabilities of the tokens of given targets or text, as lines of JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path

import torch

from nmt.builders.language_model import Trained, first_token, load_language_model
from nmt.config.experiment import Experiment
from nmt.data.batches import pad
from nmt.data.corpus import Pair
from nmt.decoding.engine import ForcingEngine, by_length
from nmt.decoding.forcing import force
from nmt.decoding.scorers import LanguageModelScorer
from nmt.decoding.translator import Forced, Translator
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.vocabulary import EOS


def force_pairs(
    translator: Translator[ForcingEngine], pairs: Sequence[Pair], by_tag: Mapping[str, Sequence[int]]
) -> Iterator[str]:
    """Yield a line for each pair: the log-probabilities of the target tokens.

    by_tag: the numbers of the pairs whose source has a tag, "" for none.
    """
    found: dict[int, Forced] = {}
    for tag, numbers in by_tag.items():
        forced = translator.with_tag(tag).force([pairs[i] for i in numbers])
        found |= zip(numbers, forced, strict=True)
    for number in range(len(pairs)):
        yield forced_line(found[number], translator.trg_tokenizer)


def force_text(folder: Path, experiment: Experiment, lines: Sequence[str], *, device: str) -> Iterator[str]:
    """Yield a line for each line of text: the log-probabilities of its tokens.

    In float64. One long text is read from its first line to its last.
    """
    trained = load_language_model(folder, experiment=experiment, device=device, precision=torch.float64)
    for forced in force_lines(trained, lines):
        yield forced_line(forced, trained.tokenizer)


def force_lines(trained: Trained, lines: Sequence[str]) -> list[Forced]:
    """Return the tokens of each line of text, </s> included, with their log-probabilities.

    One long text is read from its first line to its last.
    """
    experiment = trained.experiment
    scorer, encoded = LanguageModelScorer(trained.model), trained.encoder.encode_batch(lines)
    rows = [[*ids, EOS] for ids in encoded]
    found: list[list[float]] = [[]] * len(rows)
    bos = first_token(experiment)
    if experiment.data.continuous and rows:
        whole = torch.tensor([[token for row in rows for token in row]], device=trained.device)
        log_probs = iter(force(scorer, 1, whole, bos=bos)[0].tolist())
        found = [[next(log_probs) for _ in row] for row in rows]
    else:
        for chosen in by_length(rows, experiment.decoding.tokens_per_batch):
            targets = pad([rows[i] for i in chosen]).to(trained.device)
            of_chosen = force(scorer, len(chosen), targets, bos=bos).tolist()
            for i, each in zip(chosen, of_chosen, strict=True):
                found[i] = each[: len(rows[i])]
    return [Forced(row, each) for row, each in zip(rows, found, strict=True)]


def forced_line(forced: Forced, tokenizer: Tokenizer) -> str:
    """Return {"log_prob": the sum, "tokens": […, "</s>"], "log_probs": [one per token]}; null for −∞."""
    parts = {
        "log_prob": _number(sum(forced.log_probs)),
        "tokens": tokenizer.tokens(forced.ids),
        "log_probs": [_number(each) for each in forced.log_probs],
    }
    return json.dumps(parts, ensure_ascii=False, allow_nan=False)


def _number(log_prob: float) -> float | None:
    """Return the value for JSON: None (null) for −∞."""
    return log_prob if isfinite(log_prob) else None
