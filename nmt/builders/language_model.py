"""A run folder of a language model → new sequences, and the perplexity of text."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import torch

from nmt.builders.hardware import choose_device
from nmt.builders.model import build_language_model
from nmt.builders.result import machine
from nmt.config.experiment import Experiment
from nmt.config.model import LanguageModelConfig
from nmt.data.corpus import Pair
from nmt.data.encoded import EncodedSplit
from nmt.data.filtering import scan
from nmt.data.text import Normalizer, TextEncoder
from nmt.decoding.candidates import LengthPenalty
from nmt.decoding.options import Drawing
from nmt.decoding.processors import Ban, LogitsProcessor
from nmt.decoding.sampling import Sampled, SamplingSettings, sample
from nmt.decoding.scorers import LanguageModelScorer
from nmt.decoding.search import SearchSettings, beam_search
from nmt.errors import Diverged, UserError
from nmt.evaluation.metrics import text_scores
from nmt.machine import source_commit
from nmt.models import LanguageModel
from nmt.results import Result, Versions, read_result
from nmt.run import Run
from nmt.tasks.language_modeling import LanguageModelTask
from nmt.tokenization.tokenizer import Tokenizer, load_tokenizers
from nmt.tokenization.vocabulary import BOS, EOS, UNK

SHOWN = 5  # of what a vocabulary lacks


class Trained(NamedTuple):
    """A language model in evaluation mode and what belongs to it."""

    model: LanguageModel
    tokenizer: Tokenizer
    experiment: Experiment
    device: torch.device

    @property
    def encoder(self) -> TextEncoder:
        """Text → ids, as in its training."""
        return TextEncoder(self.tokenizer, Normalizer.of(self.experiment.data))


def load_language_model(
    folder: Path,
    *,
    experiment: Experiment | None = None,
    device: str = "auto",
    precision: torch.dtype,
    prompt: str = "",
) -> Trained:
    """Return the language model of a run.

    UserError where the folder holds none, or its vocabulary lacks a part of the prompt that it is for.
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
    _check_prompt(TextEncoder(tokenizer, Normalizer.of(experiment.data)), prompt)
    config = experiment.model
    model = run.load_model(
        lambda: build_language_model(config, len(tokenizer.vocabulary)),
        (tokenizer.fingerprint, tokenizer.fingerprint),
    )
    return Trained(model.eval().to(where, precision), tokenizer, experiment, where)


def samples(
    trained: Trained, drawing: Drawing, count: int, *, prompt: str, lines: int, limit: int, batch: int
) -> Iterator[tuple[str, Sampled]]:
    """Yield `count` new sequences of up to `limit` pieces, each as text that begins with the prompt.

    Sequence n is the same whatever count and batch are. UserError where a model of lines shall draw several.
    """
    if lines > 1 and not trained.experiment.data.continuous:
        raise UserError(
            f"--lines {lines}: the model was trained with data.text.lines: true, one line at a time, "
            "expected false; leave --lines out and draw more with --n"
        )
    scorer, last, ids = _begun(trained, prompt)
    seed, temperature, top_k, top_p = drawing
    settings = SamplingSettings(
        bos=last,
        eos=EOS,
        processors=_processors(trained),
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        ends=lines,
    )
    for first in range(0, count, batch):
        keys = [(seed, n) for n in range(first, min(first + batch, count))]
        limits = torch.full((len(keys),), limit, device=trained.device)
        for each in sample(scorer, len(keys), limits, settings, keys=keys):
            parts: list[list[int]] = [[]]
            for piece in [*ids, *each.ids]:
                parts += [[]] if piece == EOS else []
                parts[-1] += [] if piece == EOS else [piece]
            yield "\n".join(map(trained.tokenizer.decode, parts)), each


def most_probable(
    trained: Trained, *, prompt: str, beam: int, n_best: int, limit: int
) -> Iterator[tuple[str, Sampled]]:
    """Yield like `samples` the n_best most probable sequences that a beam search finds, the best first.

    They are ranked by log-probability alone, that of </s> included, which one of `limit` pieces is given.
    Diverged where none has a probability above 0.
    """
    scorer, last, ids = _begun(trained, prompt)
    by_log_probability = LengthPenalty(alpha=0.0, offset=0.0)
    settings = SearchSettings(
        beam=beam,
        penalty=by_log_probability,
        bos=last,
        eos=EOS,
        processors=_processors(trained),
        n_best=n_best,
    )
    limits = torch.tensor([limit + 1], device=trained.device)  # the search counts </s>
    (found,) = beam_search(scorer, 1, limits, settings)
    if not found:
        raise Diverged.giving_no("text")
    for each in found:
        yield trained.tokenizer.decode([*ids, *each.ids]), Sampled(each.ids, len(each.ids) < limit)


def first_token(experiment: Experiment) -> int:
    """Return the token that text begins after: one long text has no <s>, a line of it follows a </s>."""
    return EOS if experiment.data.continuous else BOS


def _begun(trained: Trained, prompt: str) -> tuple[LanguageModelScorer, int, list[int]]:
    """Return a scorer that has read all but the last piece, that piece, and the prompt's ids."""
    ids = trained.encoder.encode(prompt)
    *before, last = [first_token(trained.experiment), *ids]
    return LanguageModelScorer(trained.model, before), last, ids


def _processors(trained: Trained) -> tuple[LogitsProcessor, ...]:
    """Return the rules of new text: it has no banned token and no unknown word."""
    return (Ban({*trained.tokenizer.banned, UNK}),)


def _check_prompt(encoder: TextEncoder, prompt: str) -> None:
    """Raise UserError naming the prompt's words or characters that the vocabulary lacks."""

    def unknown(text: str) -> bool:
        ids = encoder.encode(text)
        pieces = encoder.tokenizer.pieces(ids)
        return UNK in ids or any(re.fullmatch("<0x[0-9A-F]{2}>", piece) for piece in pieces)

    if prompt != prompt.encode(errors="ignore").decode():
        raise UserError("--prompt: expected text, found bytes that are not UTF-8; give it in UTF-8")
    if not unknown(prompt):
        return
    words = UNK in encoder.encode(prompt)
    lacking = [repr(part) for part in dict.fromkeys(prompt.split() if words else prompt) if unknown(part)]
    more = ", …" if len(lacking) > SHOWN else ""
    raise UserError(
        f"--prompt: the vocabulary of {len(encoder.tokenizer.vocabulary)} pieces lacks {len(lacking)} of its "
        f"{'words' if words else 'characters'}: {', '.join(lacking[:SHOWN])}{more}; "
        f"leave {'it' if len(lacking) == 1 else 'them'} out"
    )


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
    text = EncodedSplit.of([[]] * len(lines), trained.encoder.encode_batch(lines))
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
