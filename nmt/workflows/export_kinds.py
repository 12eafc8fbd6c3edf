"""A classifier, tagger or language model → its graph, once it agrees with torch."""

from collections.abc import Callable
from copy import deepcopy
from itertools import islice
from math import isclose
from pathlib import Path
from typing import NamedTuple

import torch

from nmt.builders.export import Exported, export_labeller, export_language_model
from nmt.builders.labeller import load_labeller
from nmt.builders.language_model import Trained, load_language_model
from nmt.config.experiment import Experiment
from nmt.decoding.labeler import Labeller
from nmt.errors import UserError
from nmt.models import Source
from nmt.run import Run
from nmt.runtime.labeller import labeller_of
from nmt.runtime.language_model import language_model_of
from nmt.runtime.manifest import GraphPrecision
from nmt.tokenization.tokenizer import Tokenizer
from nmt.tokenization.vocabulary import EOS
from nmt.workflows.export_text import MADE_UP, made_up, validation_pairs
from nmt.workflows.force_decode import force_lines

TIE = 1e-4  # between the log-probabilities of two labels that rounding may exchange
MOST_CHANGED = 0.02  # fraction of lines that 8 bits may label otherwise
LINES = 50  # of the validation text, for a language model
APART = 1e-3  # nats, between the log-probabilities of a line; of a long line 1e-5 of them


class _Run(NamedTuple):
    run: Run
    experiment: Experiment
    src: Tokenizer
    trg: Tokenizer


def checked_labeller(folder: Path, precision: GraphPrecision, log: Callable[[str], None]) -> Exported:
    """Return the graph of a classifier or tagger; log what the check found.

    Raises UserError where the float32 graph labels the validation text otherwise than torch in float64, or
    int8 labels more than 2 % of its lines otherwise.
    """
    run, labeller = Run(folder), load_labeller(folder, device="cpu")
    of_run = _Run(run, run.experiment(), labeller.encoder.tokenizer, labeller.labels)
    model = deepcopy(labeller.model).float()
    exported = export_labeller(of_run, model, precision)
    plain = exported if precision == "float32" else export_labeller(of_run, model, "float32")
    pairs = validation_pairs(of_run.experiment)
    lines = made_up(of_run.src) if pairs is None else [pair.src for pair in pairs]
    what = MADE_UP if pairs is None else "validation"
    rows = labeller.encoder.encode_batch(lines)
    expected, found = labeller.predicted(rows), labeller_of(folder, *plain).predicted(rows)
    unlike = [_gap(labeller, row, a, b) for row, a, b in zip(rows, expected, found, strict=True) if a != b]
    if any(gap > TIE for gap in unlike):
        raise UserError(
            f"{folder}: its graph does not agree with torch: {len(unlike)} of {len(rows)} lines of {what} "
            f"are labelled otherwise, with log-probabilities up to {max(unlike):.2g} apart"
        )
    line = f"{len(rows)} lines of {what}: float32 unlike torch {len(unlike)}"
    if exported is not plain:
        rounded = labeller_of(folder, *exported).predicted(rows)
        changed = sum(a != b for a, b in zip(found, rounded, strict=True))
        if changed > MOST_CHANGED * len(rows):
            raise UserError(
                f"{folder}: in 8 bits {changed} of {len(rows)} lines of {what} are labelled otherwise, "
                f"expected at most {MOST_CHANGED:.0%}; export it with --precision float32"
            )
        line += f", int8 unlike float32 {changed}"
    log(line)
    return exported


@torch.inference_mode()
def _gap(labeller: Labeller, row: list[int], a: list[int], b: list[int]) -> float:
    """Return how far apart the log-probabilities of two answers are at most, by torch."""
    source = Source(torch.tensor([[*row, EOS]]), torch.tensor([len(row) + 1]))
    (log_probs,) = labeller.model.head(labeller.model(source)).log_softmax(-1)  # (Ty, V)
    pairs = zip(log_probs, a, b, strict=False)  # </s> has no label
    return max(float((each[x] - each[y]).abs()) for each, x, y in pairs)


def checked_language_model(folder: Path, precision: GraphPrecision, log: Callable[[str], None]) -> Exported:
    """Return the graph of a language model; log what the check found.

    Raises UserError where the float32 graph gives a line of the validation text another log-probability than
    torch in float64.
    """
    trained = load_language_model(folder, device="cpu", precision=torch.float64)
    of_run = _Run(Run(folder), trained.experiment, trained.tokenizer, trained.tokenizer)
    model = deepcopy(trained.model).float()
    exported = export_language_model(of_run, model, precision)
    plain = exported if precision == "float32" else export_language_model(of_run, model, "float32")
    lines, what = _text(trained)
    forced = force_lines(trained, lines)
    expected = [sum(each.log_probs) for each in forced]
    found = language_model_of(folder, *plain).log_probs(lines)
    far = [
        abs(a - b)
        for a, b in zip(expected, found, strict=True)
        if not isclose(a, b, rel_tol=APART / 100, abs_tol=APART)
    ]
    if far:
        raise UserError(
            f"{folder}: its graph does not agree with torch: {len(far)} of {len(lines)} lines of {what} have "
            f"other log-probabilities, up to {max(far):.2g} apart"
        )
    line = f"{len(lines)} lines of {what}: float32 unlike torch 0"
    if exported is not plain:
        rounded = language_model_of(folder, *exported).log_probs(lines)
        tokens = sum(len(each.ids) for each in forced)
        exact, rough = -sum(found) / max(1, tokens), -sum(rounded) / max(1, tokens)
        line += f", int8 {rough:.4f} nats a token against {exact:.4f}"
    log(line)
    return exported


def _text(trained: Trained) -> tuple[list[str], str]:
    pairs = validation_pairs(trained.experiment)
    if pairs is None:
        return made_up(trained.tokenizer)[:LINES], MADE_UP
    return [pair.trg for pair in islice(pairs, LINES)], "validation"
