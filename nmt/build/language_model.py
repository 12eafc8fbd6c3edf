"""A run folder of a language model → new sequences, and the perplexity of text."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import torch

from nmt.build.hardware import choose_device
from nmt.build.model import build_language_model
from nmt.build.result import machine
from nmt.config.experiment import Experiment
from nmt.config.model import LanguageModelConfig
from nmt.data.corpus import Pair
from nmt.data.encoded import EncodedSplit
from nmt.data.filtering import scan
from nmt.data.tokenizer import Tokenizer, load_tokenizers
from nmt.data.vocabulary import BOS, EOS, UNK
from nmt.decoding.sampling import Sampled, SamplingSettings, sample
from nmt.decoding.scorers import LanguageModelScorer
from nmt.errors import UserError
from nmt.evaluation.metrics import text_scores
from nmt.models import LanguageModel
from nmt.results import Result, Versions, read_result, source_commit
from nmt.run import Run
from nmt.tasks import LanguageModelTask


class Trained(NamedTuple):
    """A language model in evaluation mode and what belongs to it."""

    model: LanguageModel
    tokenizer: Tokenizer
    experiment: Experiment
    device: torch.device


def load_language_model(
    folder: Path, *, experiment: Experiment | None = None, device: str = "auto", precision: torch.dtype
) -> Trained:
    """Return the language model of a run; UserError where the folder holds none."""
    run = Run(folder)
    where = choose_device(device)
    experiment = experiment or run.experiment()
    if not isinstance(experiment.model, LanguageModelConfig):
        raise UserError(
            f"{folder} is a run of model.kind {experiment.model.kind}, expected language_model; "
            "see nmt translate, nmt predict, or nmt score without --text"
        )
    tokenizer, _ = load_tokenizers(run.tokenizer)
    model = build_language_model(experiment.model, len(tokenizer.vocabulary))
    run.load_model(model, (tokenizer.fingerprint, tokenizer.fingerprint))
    return Trained(model.eval().to(where, precision), tokenizer, experiment, where)


def samples(
    trained: Trained, settings: SamplingSettings, count: int, *, seed: int, prompt: str, batch: int
) -> Iterator[tuple[str, Sampled]]:
    """Yield `count` new sequences, each as text that begins with the prompt.

    Sequence n is the same whatever count and batch are. UserError where the vocabulary lacks a part of it.
    """
    ids = _encoded_prompt(trained.tokenizer, prompt)
    for first in range(0, count, batch):
        numbers = range(first, min(first + batch, count))
        found = sample(
            LanguageModelScorer(trained.model),
            len(numbers),
            numbers,
            settings,
            seed=seed,
            prompt=ids,
            device=trained.device,
        )
        for each in found:
            yield trained.tokenizer.decode([*ids, *each.ids]), each


def sampling_settings(
    trained: Trained, *, temperature: float, top_k: int | None, top_p: float, limit: int
) -> SamplingSettings:
    """Return how to sample: never an unknown word; of one long text a line, which begins after EOS."""
    return SamplingSettings(
        bos=EOS if trained.experiment.data.continuous else BOS,
        eos=EOS,
        banned=tuple({*trained.tokenizer.banned, UNK}),
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        limit=limit,
    )


def _encoded_prompt(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """Return the prompt's ids; UserError naming the words or characters that the vocabulary lacks."""

    def unknown(text: str) -> bool:
        ids = tokenizer.encode(text)
        return UNK in ids or any(re.fullmatch("<0x[0-9A-F]{2}>", piece) for piece in tokenizer.pieces(ids))

    ids = tokenizer.encode(prompt)
    if unknown(prompt):
        parts = prompt.split() if UNK in ids else list(prompt)
        lacking = ", ".join(dict.fromkeys(repr(part) for part in parts if unknown(part)))
        raise UserError(
            f"--prompt: the model's vocabulary lacks {lacking}; leave it out or write it otherwise"
        )
    return ids


def score_text(
    folder: Path,
    experiment: Experiment,
    lines: Sequence[str],
    *,
    dataset: str,
    split: str | None,
    device: str,
) -> Result:
    """Return perplexity and bits a character of some lines, with what the run's training cost.

    In float64. One long text is read in one piece, from its first line to its last.
    """
    trained = load_language_model(folder, experiment=experiment, device=device, precision=torch.float64)
    if not lines:
        raise UserError(f"{dataset}: no lines; there is nothing to score")
    text = EncodedSplit.of([[]] * len(lines), trained.tokenizer.encode_batch(lines))
    continuous, characters = experiment.data.continuous, sum(len(line) + 1 for line in lines)
    task = LanguageModelTask(
        validation=text,
        characters=characters,
        smoothing=0.0,
        tokens_per_batch=experiment.decoding.tokens_per_batch,
        device=trained.device,
        continuous=continuous,
    )
    nll = task.validate(trained.model).figures["nll"]
    path = Run(folder).result
    before = read_result(path) if path.is_file() else None
    return Result(
        name=experiment.name,
        date=datetime.now(UTC),
        dataset=dataset,
        split=split,
        sentences=len(lines),
        scores=text_scores(
            nll,
            text,
            characters,
            pieces=trained.tokenizer.kind,
            rows=1 if continuous else None,
        ),
        training=before.training if before else None,
        parameters=before.parameters if before else None,
        seed=experiment.seed,
        commit=source_commit(),
        versions=Versions.installed(),
        machine=machine(trained.device),
        data_hashes={
            **(before.data_hashes if before else {}),
            split or dataset: scan((Pair("", line) for line in lines), monolingual=True).sha256,
        },
        tokenizers={"trg": trained.tokenizer.fingerprint},
    )
