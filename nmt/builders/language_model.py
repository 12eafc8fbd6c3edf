"""A run folder of a language model → the model in evaluation mode."""

import re
from pathlib import Path
from typing import NamedTuple

import torch

from nmt.builders.hardware import choose_device
from nmt.builders.model import build_language_model
from nmt.builders.tokenizer import build_normalizer
from nmt.config.experiment import Experiment
from nmt.config.model import LanguageModelConfig
from nmt.data.text import TextEncoder
from nmt.errors import UserError
from nmt.models import LanguageModel
from nmt.run import Run
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers
from nmt.tokenization.vocabulary import BOS, EOS, UNK

SHOWN = 5  # of what a vocabulary lacks


class Trained(NamedTuple):
    """A language model in evaluation mode, with its configuration and tokenizer."""

    model: LanguageModel
    tokenizer: Tokenizer
    experiment: Experiment
    device: torch.device

    @property
    def encoder(self) -> TextEncoder:
        """Text → ids, as in training."""
        return TextEncoder(self.tokenizer, build_normalizer(self.experiment.data))


def load_language_model(
    folder: Path,
    *,
    experiment: Experiment | None = None,
    device: str = "auto",
    precision: torch.dtype,
    prompt: str = "",
) -> Trained:
    """Return the language model of a run.

    Raises UserError if the folder holds none, or if the vocabulary lacks a part of the prompt.
    """
    run = Run(folder)
    where = choose_device(device)
    experiment = experiment or run.experiment()
    if not isinstance(experiment.model, LanguageModelConfig):
        raise UserError(
            f"{folder} is a run of model.kind {experiment.model.kind}, expected language_model; "
            "see nmt translate, nmt predict, or nmt score without --text"
        )
    tokenizer, _ = load_tokenizers(run.tokenizer)
    _check_prompt(TextEncoder(tokenizer, build_normalizer(experiment.data)), prompt)
    config = experiment.model
    model = run.load_model(
        lambda: build_language_model(config, len(tokenizer.vocabulary)),
        (tokenizer.fingerprint, tokenizer.fingerprint),
        experiment,
    )
    return Trained(model.eval().to(where, precision), tokenizer, experiment, where)


def first_token(experiment: Experiment) -> int:
    """Return the token before the first one: <s>, or </s> in one long text, where a line follows another."""
    return EOS if experiment.data.continuous else BOS


def _check_prompt(encoder: TextEncoder, prompt: str) -> None:
    """Raise UserError naming the prompt's words or characters that the vocabulary lacks."""

    def unknown(text: str) -> bool:
        ids = encoder.encode(text)
        tokens = encoder.tokenizer.tokens(ids)
        return UNK in ids or any(re.fullmatch("<0x[0-9A-F]{2}>", token) for token in tokens)

    if prompt != prompt.encode(errors="ignore").decode():
        raise UserError("--prompt: expected text, found bytes that are not UTF-8; give it in UTF-8")
    if not unknown(prompt):
        return
    words = UNK in encoder.encode(prompt)
    lacking = [repr(part) for part in dict.fromkeys(prompt.split() if words else prompt) if unknown(part)]
    more = ", …" if len(lacking) > SHOWN else ""
    raise UserError(
        f"--prompt: the vocabulary of {len(encoder.tokenizer.vocabulary)} tokens lacks {len(lacking)} of its "
        f"{'words' if words else 'characters'}: {', '.join(lacking[:SHOWN])}{more}; "
        f"leave {'it' if len(lacking) == 1 else 'them'} out"
    )
